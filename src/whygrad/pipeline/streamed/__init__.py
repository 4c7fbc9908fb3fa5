"""A table that fits no machine: a folder of Parquet files, of which a few blocks are in memory at a time.

    folder      the files: their row groups, and the one number that each row has in all of them
    sketch      a column's distribution in a few numbers, which two parts of it can be merged to
    summary     what is learned of the columns in one pass, row group by row group, and merged in one tree
    examples    the examples of a training, read and encoded when an engine asks for them
    training    what a training on a folder follows from, and its scores

Nothing depends on how many processes take part. Doors beside this one: `folder`.
"""

from whygrad.pipeline.streamed.folder import Folder, open_folder
from whygrad.pipeline.streamed.summary import described
from whygrad.pipeline.streamed.training import Streaming, again, begin, score, scored_rows

__all__ = [
    "Folder",
    "Streaming",
    "again",
    "begin",
    "described",
    "open_folder",
    "score",
    "scored_rows",
]
