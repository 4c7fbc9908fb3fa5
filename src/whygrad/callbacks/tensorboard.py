"""TensorBoard: what every epoch showed, as event files, written by TensorBoard's own writer."""

import time
from os import PathLike, fspath
from typing import Any

from whygrad.callbacks.reporting import Reporter
from whygrad.errors import needs
from whygrad.training import Epoch, Report

SECONDS = 5  # after which what was written is in the file


class TensorBoard(Reporter):
    """A callback that writes event files for TensorBoard: a curve for each number of `History`.

    Parameters
    ----------
    folder : path
        Where to write; `tensorboard --logdir` takes it, or the folder above several of them.

    Notes
    -----
    The curves have the names of `History.to_frame`, over epochs: cost, validation_cost, and so on; metrics
    by their names; and with `layer_statistics` the norm of each layer's gradient and its relative update.

    Examples
    --------
    >>> import whygrad as wg
    >>> net = wg.Network(1, [wg.Dense(1, "identity")])
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     board = wg.callbacks.TensorBoard(folder)
    ...     fitted = wg.train(net, [[0.0], [1.0]], [0.0, 1.0], epochs=3, callbacks=[board])
    """

    to = "TensorBoard"

    def __init__(self, folder: str | PathLike[str]) -> None:
        needs("tensorboard", "TensorBoard")
        self.folder = fspath(folder)
        self._writer: Any = None

    def report(self, report: Report, epoch: Epoch) -> None:
        """Write the numbers of an epoch."""
        from tensorboard.compat.proto.event_pb2 import Event
        from tensorboard.compat.proto.summary_pb2 import Summary
        from tensorboard.summary.writer.event_file_writer import EventFileWriter

        if self._writer is None:
            self._writer = EventFileWriter(self.folder, flush_secs=SECONDS)
        values = [
            Summary.Value(tag=name, simple_value=value) for name, value in epoch.to_dict().items()
        ]
        self._writer.add_event(
            Event(wall_time=time.time(), step=report.state.epoch, summary=Summary(value=values))
        )

    def close(self) -> None:
        """Close the event file."""
        writer, self._writer = self._writer, None
        if writer is not None:
            self.attempt(writer.close)
        super().close()
