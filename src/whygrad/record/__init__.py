"""Recorded trainings: the folder `NAME.run`, and what can be done with it while it is written and later.

    manifest.json        what is trained, how, with which versions, on which data; in the end, how well
    events.sqlite        cost of every step, statistics of the layers, epochs, snapshots
    snapshots/           states to go on from
    data/                the examples, where asked or small
    model.safetensors    in the end, the parameters and the history
    encoding.json        of a table: how its rows become inputs, and outputs labels or numbers

Nothing is pickled. A training is a pure function: to resume, fork, replay or leave examples out is to
compute again from a state.

    files/         each file of the folder: read, written and checked
    folder         the folder from the start of a training to its end: `record_run`
    recorder       the callback that writes while training goes on
    recorded       what was recorded: `Recorded`, and `so_far` for those who follow a run
    run            what can be done with it: `Run`, `open_run`; `kept`, which epoch it keeps
    source         the data, found again and checked
    replay         any state computed again, and compared
    forking        `resume`, `fork`, `without`
    rows           runs on tables: recorded, applied to rows, scored
    folders        trainings on folders of Parquet files
    members        runs of ensembles, whose members are runs within the folder
    report         a run as one page that a colleague can read
    listing        the runs of a folder as rows of a list; renamed, put aside, put back
    why            a run → `Why`;  trajectory  a run → the questions about its training

Doors beside this one: `rows`, `folders`, `members`, `forking`, `replay`, `recorded`, `so_far`, `source`,
`why`, `report`, `listing`. It stands above `pipeline`, `why` and `training`, and below `train`, the
estimators, the CLI and the studio.
"""

from whygrad.record.files.location import free_name
from whygrad.record.folder import record_run
from whygrad.record.run import Run, kept, open_run

__all__ = ["Run", "free_name", "kept", "open_run", "record_run"]
