"""A table that fits no machine: a folder of Parquet files, of which a window is in memory at a time.

    folder      the files: their row groups, and the one number that each row has in all of them
    sketch      a column's distribution in a few numbers, which two parts of it can be merged to
    summary     what is learned of the columns in one pass, row group by row group, and merged in one tree
    windows     which rows are trained on together: a pass in an order of its own, cut into windows
    training    the training, window by window

Nothing depends on how many processes take part. Doors beside this one: `folder`.
"""

from whygrad.pipeline.streamed.folder import Folder, open_folder
from whygrad.pipeline.streamed.training import Streaming, begin, score, train_windows

__all__ = ["Folder", "Streaming", "begin", "open_folder", "score", "train_windows"]
