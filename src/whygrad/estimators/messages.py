"""What an estimator prints while it is fitted, and its warnings at the end, in scikit-learn's words."""

from sklearn.exceptions import ConvergenceWarning

from whygrad import errors
from whygrad.plan.plan import Plan, State
from whygrad.plan.schedules import Adaptive
from whygrad.training.callbacks import Callback, Report
from whygrad.training.loop import INTERRUPTED
from whygrad.training.minimise import ALL_DONE, failure
from whygrad.training.standing import Watch


class Printer(Callback):
    """Prints, in scikit-learn's words, every epoch after the state given; and once what stands out."""

    glances = True

    def __init__(self, state: State) -> None:
        self._first, self._scale = state.epoch, state.learning_rate_scale
        self._watch = Watch()

    def on_steps_end(self, report: Report) -> None:
        """Print the epoch that just ended, if one did."""
        self._print_epoch(report)
        if line := self._watch.see(report):
            print(line)

    def _print_epoch(self, report: Report) -> None:
        plan, state, epoch = report.plan, report.state, report.epoch
        if epoch is None:
            return
        print(f"Iteration {state.epoch - self._first}, loss = {epoch.cost:.8f}")
        if epoch.validation_score is not None:
            print(f"Validation score: {epoch.validation_score:f}")
        for name, value in epoch.metrics.items():
            print(f"{name}: {value:f}")
        if state.stopped and plan.stopping:
            small = " Learning rate too small." if isinstance(plan.schedule, Adaptive) else ""
            print(f"{_no_improvement(plan)}{small} Stopping.")
        elif state.learning_rate_scale != self._scale:
            learning_rate = plan.optimizer.learning_rate * state.learning_rate_scale
            print(f"{_no_improvement(plan)} Setting learning rate to {learning_rate:f}")
        self._scale = state.learning_rate_scale


def _no_improvement(plan: Plan) -> str:
    rule = plan.stopping
    assert rule is not None
    what = "Training loss" if rule.on == "cost" else "Validation score"
    return (
        f"{what} did not improve more than tol={rule.tol:f} for {rule.patience} consecutive epochs."
    )


def warn(stopped: str, single_steps: bool, epochs: int, max_iter: int) -> None:
    """Warn where a fit was interrupted or has not converged after so many epochs."""
    message = ""
    if stopped == INTERRUPTED:
        errors.warn("Training interrupted by user.")
    elif stopped == ALL_DONE and single_steps:
        message = (
            f"Stochastic Optimizer: Maximum iterations ({max_iter}) reached and the optimization hasn't "
            "converged yet."
        )
    elif not single_steps and failure(stopped):
        status = 1 if failure(stopped).startswith("STOP") else 2
        message = (
            f"lbfgs failed to converge after {epochs} iteration(s) (status={status}):\n"
            f"{failure(stopped)}\n"
        )
        if epochs == max_iter:
            message += (
                "\nIncrease the number of iterations to improve the convergence "
                f"(max_iter={max_iter})."
            )
        message += (
            "\nYou might also want to scale the data as shown in:\n"
            "    https://scikit-learn.org/stable/modules/preprocessing.html"
        )
    if message:
        errors.warn(message, ConvergenceWarning)
