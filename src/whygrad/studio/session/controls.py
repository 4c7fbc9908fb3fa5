"""What the row beneath the stage says of a training, and can do to it, as JSON has it.

What the button that starts it is called, how it stands, whether a fork would help it, and so on.
"""

from typing import Any

from whygrad.answers.formatting import number, typeset_within
from whygrad.record import Run
from whygrad.record.members import unfinished
from whygrad.studio.process.worker import Status
from whygrad.studio.session.opened_run import OpenedRun
from whygrad.studio.session.scoring import words_of
from whygrad.studio.session.session import Session
from whygrad.training.divergence import DIVERGED

SMALLER = 10  # times: the learning rate of a fork from a training that diverged
TOO_LARGE = "Try a smaller learning rate, or scale the inputs and targets."


def controls(session: Session, notice: str = "") -> dict[str, Any]:
    """Return what there is to be said and done of what a session shows.

    `notice` is why nothing can be asked of it. Among what is returned: `goes`, what the button that starts
    the training is called; `failed`, whether it ended as it should not; `cure`, what a fork that helps is
    called, or "".
    """
    now, status = session.now, session.status
    opened_run = now.opened_run
    run = None if opened_run is None else opened_run.run
    diverged = run is not None and _diverged(run)
    notes = status.notes[-1:] if status is not None else ()
    standing = () if opened_run is None else (opened_run.standing(), words_of(opened_run.run))
    rate = smaller_rate(run)
    return {
        "goes": start_label(opened_run),
        "speed": session.speed or 0,
        "status": words_of_status(status) or words_of_run(opened_run),
        "failed": diverged or (status is not None and status.kind in ("failed", "killed")),
        "cure": f"Fork with η = {number(rate)}" if rate and not session.active else "",
        "advice": " ".join(
            map(
                _sentence, filter(None, (notice, *((TOO_LARGE,) if diverged else notes), *standing))
            )
        ),
        "ready": not notice and not diverged,
        "forks": run is not None and not notice,
        "trained": run is not None,
        "resets": run is not None and now.config is not None,
        "editable": run is None and now.config is not None and not session.active,
    }


def _sentence(text: str) -> str:
    """Return a line as a sentence among others; one that begins with a path keeps its letters."""
    begun = text if "/" in text.split(maxsplit=1)[0] else text[0].upper() + text[1:]
    return typeset_within(begun if text.endswith((".", "?", "!")) else f"{begun}.")


def start_label(opened_run: OpenedRun | None) -> str:
    """Return the label of the start button: a run whose networks are at their ends gets more epochs."""
    if opened_run is None:
        return "Start"
    return "Go on" if unfinished(opened_run.run) else "More epochs"


def smaller_rate(run: Run | None) -> float | None:
    """Return the learning rate of a fork that may not diverge as this run did, None where there is none."""
    if run is None or not _diverged(run):
        return None
    rate = getattr(run.plan.optimizer, "learning_rate", None)
    return None if rate is None else float(rate) / SMALLER


def _diverged(run: Run) -> bool:
    return (run.stopped or "").startswith(DIVERGED)


def words_of_status(status: Status | None) -> str:
    """Return in words how the training process is doing."""
    if status is None:
        return ""
    at = f"step {status.step:,}, epoch {status.epoch:,}"
    more = f", {status.message}" if status.message else ""
    return {
        "starting": f"starting: {status.message}" if status.message else "starting …",
        "compiling": "compiling, once on this machine …",
        "running": f"training: {at}{more}",
        "paused": f"paused at {at}{more}",
        "ended": f"ended at {at}: {status.message}",
    }.get(status.kind, status.message)


def words_of_run(opened_run: OpenedRun | None) -> str:
    """Return in words how a run stands that no process is training."""
    if opened_run is None:
        return ""
    run = opened_run.run
    how = run.stopped or "cut off before its end"
    return f"recorded up to step {opened_run.step:,}: {typeset_within(how)}"
