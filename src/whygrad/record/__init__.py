"""A training on disk: the folder `NAME.run`, and what can be asked of it while it is written and later.

    manifest.json        what is trained, how, with which versions, on which data; in the end, how well
    events.sqlite        cost of every step, statistics of the layers, epochs, snapshots
    snapshots/           states to go on from
    data/                the examples, where asked or small
    model.safetensors    in the end, the parameters and the history
    encoding.json        of a table: how its rows become inputs, and outputs labels or numbers

Nothing is pickled. A training is a pure function, so that resuming, forking, replaying and leaving examples
out are all the same: to compute again from a state.
"""

from whygrad.record.files.location import free_name
from whygrad.record.folder import record_run
from whygrad.record.run import Run, open_run

__all__ = ["Run", "free_name", "open_run", "record_run"]
