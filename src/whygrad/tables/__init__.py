"""Tables → arrays, and outputs back to labels and numbers: files of many forms, and data frames.

    table = read("houses.csv")                      # or as_table(frame)
    table, target = choose_target(table, "price")   # rows without a price are left out
    training, test = split(target, table, 0.2, seed=0)
    encoding = learn(table.take(training), target)  # looks at the training rows only
    X, Y = encoding.encode(table), encoding.targets(table)
    encoding.decode(outputs)                        # prices again, in their own units

A table is named columns, of text as a file has it, or of the types of a frame. What each column is follows
from its cells:

    decisions        numbers, dates, categories, … : one form for all cells but a few
    written_numbers  1.234,50 €, 12 %, (300), 34 m²
    dates            ISO and local, seconds since 1970; their parts
    spellings        yes, Yes and YES are one
    cells            cells → numbers and times, and what does not fit

`describe(table)` is what was decided about each. `batches(path, rows, encoding.kinds)` streams a file of
any size in pieces of exactly `rows` rows, which encode to the same bits as the whole. An `Encoding` is
frozen data and goes to JSON and back. Doors beside this one: `dates`, `encoding`, `cells`, `columns`,
`learning` and `opening`. This folder may import `nn` and what is below.
"""

from whygrad.tables.cells import Oddities
from whygrad.tables.columns import leave_out, nearest_name, quoted
from whygrad.tables.decisions import check_type
from whygrad.tables.encoding import (
    Category,
    ColumnFacts,
    DateColumn,
    Encoding,
    NumberColumn,
    SplitColumn,
    plain,
)
from whygrad.tables.frames import as_table, from_arrays
from whygrad.tables.learning import Bins, dates_to_split_by, describe, learn, standardised
from whygrad.tables.opening import (
    AS_FOUND,
    FORMS,
    PACKED,
    STANDARD_INPUT,
    WORKBOOK,
    ReadOptions,
    ending,
    stem,
)
from whygrad.tables.reading import batches, read
from whygrad.tables.splitting import split, split_by_time, split_rows
from whygrad.tables.target import TASKS, Label, Target, Task, choose_target, far_values

__all__ = [
    "AS_FOUND",
    "Bins",
    "Category",
    "ColumnFacts",
    "DateColumn",
    "Encoding",
    "FORMS",
    "Label",
    "NumberColumn",
    "Oddities",
    "PACKED",
    "ReadOptions",
    "STANDARD_INPUT",
    "SplitColumn",
    "TASKS",
    "Target",
    "Task",
    "WORKBOOK",
    "as_table",
    "batches",
    "check_type",
    "choose_target",
    "dates_to_split_by",
    "describe",
    "ending",
    "far_values",
    "from_arrays",
    "learn",
    "leave_out",
    "nearest_name",
    "plain",
    "quoted",
    "read",
    "split",
    "split_by_time",
    "split_rows",
    "standardised",
    "stem",
]
