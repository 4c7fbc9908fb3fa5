"""Tables → arrays, and outputs back to labels and numbers: files of many forms, and data frames.

    table = read("houses.csv")                      # or as_table(frame)
    table, target = choose_target(table, "price")   # rows without a price are left out
    training, test = split(target, table, 0.2, seed=0)
    encoding = learn(table.take(training), target)  # looks at the training rows only
    X, Y = encoding.encode(table), encoding.targets(table)
    encoding.decode(outputs)                        # prices again, in their own units

`batches(path, rows, encoding.kinds)` streams a file of any size in pieces of exactly `rows` rows, which
encode to the same bits as the whole. An `Encoding` is frozen data and goes to JSON and back. This folder
may import `nn` and what is below.
"""

from whygrad.tables.columns import leave_out
from whygrad.tables.encoding import Encoding, plain
from whygrad.tables.frames import as_table, from_arrays
from whygrad.tables.learning import learn
from whygrad.tables.reading import batches, read
from whygrad.tables.splitting import split
from whygrad.tables.target import Target, Task, choose_target

__all__ = [
    "Encoding",
    "Target",
    "Task",
    "as_table",
    "batches",
    "choose_target",
    "from_arrays",
    "learn",
    "leave_out",
    "plain",
    "read",
    "split",
]
