"""What callbacks that report elsewhere have in common: what happens where reporting fails.

A training is worth more than its report. Where a server, a disk or a library fails on the way, that is
warned of once, and the training goes on without the report. What is missing from the start is refused.
"""

from collections.abc import Callable

from whygrad.errors import TrackingWarning, warn
from whygrad.training import Callback, Epoch, Report


class Reporter(Callback):
    """A callback that reports every epoch: what fails is warned of once, and training goes on without it.

    One object is for one training at a time, and may be used again.
    """

    to = ""  # whom it reports to
    lost = False  # whether reporting to it failed in this training
    over = True  # whether that training has ended

    def report(self, report: Report, epoch: Epoch) -> None:
        """Report an epoch."""
        raise NotImplementedError

    def on_epoch_end(self, report: Report) -> bool | None:
        """Report the epoch that just ended."""
        epoch = report.epoch
        if self.over:
            self.over = self.lost = False
        if epoch is not None:
            self.attempt(lambda: self.report(report, epoch))
        return None

    def close(self) -> None:
        """Be ready for another training."""
        self.over = True

    def attempt(self, action: Callable[[], None]) -> None:
        """Do what may fail, unless something has failed before."""
        if self.lost:
            return
        try:
            action()
        except Exception as error:
            self.give_up(error)

    def give_up(self, reason: Exception | str) -> None:
        """Warn that from now on nothing is reported."""
        if not self.lost:
            said = " ".join(str(reason).split()) or type(reason).__name__
            warn(
                f"{self.to} does not get the rest of this training, which goes on: {said:.300}",
                TrackingWarning,
            )
        self.lost = True
