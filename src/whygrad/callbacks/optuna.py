"""Optuna: the epochs of a trial, reported, and the trial pruned where they do not promise enough."""

from typing import Any

from whygrad.callbacks.reporting import Reporter
from whygrad.errors import InputError, nearest, needs
from whygrad.training import Epoch, Report


class Optuna(Reporter):
    """A callback that reports every epoch to a trial of Optuna, and ends the training where that is pruned.

    Parameters
    ----------
    trial : optuna.Trial
        The trial that the training belongs to.
    on : str, default "validation_score"
        What to report: "validation_score", "validation_cost", "cost" or a metric of `metrics=`, by name.
        The direction of the study has to fit.

    Raises
    ------
    optuna.TrialPruned
        Out of `train` or `fit`, where the study's pruner says so. A run that is recorded has all epochs up
        to there, and can be resumed; an estimator is as it was before the fit.
    InputError
        Out of `train` or `fit`, where the training does not measure what is to be reported.

    Examples
    --------
    >>> import optuna, whygrad as wg
    >>> net = wg.Network(1, [wg.Dense(1, "identity")])
    >>> def objective(trial):
    ...     rate = trial.suggest_float("learning_rate", 0.001, 0.1, log=True)
    ...     fitted = wg.train(net, [[0.0], [1.0]], [0.0, 1.0], optimizer=wg.SGD(rate), epochs=3,
    ...                       callbacks=[wg.callbacks.Optuna(trial, on="cost")])
    ...     return fitted.history.cost[-1]
    >>> optuna.logging.set_verbosity(optuna.logging.ERROR)
    >>> study = optuna.create_study(direction="minimize")
    >>> study.optimize(objective, n_trials=2)
    >>> len(study.trials[0].intermediate_values)
    3
    """

    to = "Optuna"
    pruned = False  # whether the trial is to end

    def __init__(self, trial: Any, on: str = "validation_score") -> None:
        needs("optuna", "Optuna")
        self.trial, self.on = trial, on

    def report(self, report: Report, epoch: Epoch) -> None:
        """Report an epoch, and ask whether the trial is to end."""
        self.trial.report(epoch.to_dict()[self.on], report.state.epoch)
        self.pruned = self.trial.should_prune()

    def on_epoch_end(self, report: Report) -> None:
        """Report the epoch that just ended; raise `TrialPruned` where the trial is to end."""
        from optuna import TrialPruned

        found = {} if report.epoch is None else report.epoch.to_dict()
        if self.on not in found:
            raise InputError(
                f"Optuna is to be told {self.on!r}, which is not measured: {nearest(self.on, found)}; "
                "validation=(X, Y) and metrics=[…] measure more"
            )
        self.pruned = False
        super().on_epoch_end(report)
        if self.pruned:
            number = report.state.epoch
            raise TrialPruned(f"pruned after epoch {number}, {self.on} {found[self.on]:.4g}")
