"""One step in slow motion: frames to walk through with the arrow keys, each with its equation."""

from dataclasses import replace
from typing import Any

from nicegui import ui

from whygrad.errors import InputError
from whygrad.nn.arrays import dense
from whygrad.studio.page.page import Page
from whygrad.studio.session.subject import Chosen, Subject
from whygrad.studio.story import motion

PHASES = {
    "forward": "forward: the answer",
    "cost": "cost: the grade",
    "backward": "backward: who is to blame",
    "gradients": "gradients: what to change",
    "update": "update",
    "again": "the answer again",
}


def build(page: Page) -> None:
    """Lay out the walk."""
    # It is given the focus when it is opened: where the tabs have it, arrow keys lead to other tabs.
    start = ui.element("div").props('tabindex=-1 aria-label="One step in slow motion" role="group"')
    with ui.row().classes("wg-line"):
        back = ui.button(icon="arrow_back", on_click=lambda: go(-1)).props(
            'round flat aria-label="Frame before"'
        )
        where = ui.label().classes("wg-number")
        on = ui.button(icon="arrow_forward", on_click=lambda: go(1)).props(
            'round flat aria-label="Next frame"'
        )
        ui.label("or the arrow keys").classes("wg-note")
    phases = ui.row().classes("wg-phases")
    title = ui.label().classes("wg-heading").props('aria-live="polite"')
    words = ui.label().classes("wg-words")
    maths = ui.html("", sanitize=False).classes("wg-maths")
    trial = ui.label().classes("wg-note")
    ui.keyboard(on_key=lambda e: key(e), ignore=["input", "select", "textarea"])
    state: dict[str, Any] = {"key": None, "frames": (), "open": False}

    def go(by: int) -> None:
        last = len(state["frames"]) - 1
        page.show(frame=max(0, min(last, page.look.frame + by)))

    def key(event: Any) -> None:
        if (
            page.look.tab == "motion"
            and event.action.keydown
            and event.key.name in ("ArrowLeft", "ArrowRight")
        ):
            go(1 if event.key.name == "ArrowRight" else -1)

    def update() -> None:
        subject, look = page.now, page.look
        if look.tab != "motion":
            state["open"] = False
            return
        if not state["open"]:
            state["open"] = True
            ui.run_javascript(f"{start.html_id}.focus()")
        made = (subject.step, look.chosen, id(page.session.opened_run), subject.net)
        if made != state["key"]:
            state["key"], state["frames"] = made, ()
            try:
                state["frames"] = _frames_of(subject, look.chosen)
            except InputError as error:  # numbers that are not finite cannot be told
                page.tell(str(error))
        frames = state["frames"]
        if not frames:
            title.set_text("There is no example to tell it with.")
            page.told = None
            return
        index = min(look.frame, len(frames) - 1)
        frame = frames[index]
        where.set_text(f"{index + 1} of {len(frames)}")
        back.set_enabled(index > 0)
        on.set_enabled(index < len(frames) - 1)
        phases.clear()
        with phases:
            for name, text in PHASES.items():
                ui.label(text).classes("wg-phase" + " wg-now" * (name == frame.phase))
        trial.set_text(
            "A trial with this example alone. The training itself stays where it is, and takes "
            f"{subject.plan.batch_size:,} examples a step."
        )
        title.set_text(frame.title)
        words.set_text(frame.words)
        maths.set_content(frame.mathml())
        page.told = frame.picture
        page.look = replace(page.look, lit=frame.lit)

    page.panels.append(update)


def _frames_of(subject: Subject, chosen: Chosen) -> tuple[motion.Frame, ...]:
    """Return the frames of the step that this network would take with the example looked at alone."""
    rows, indices = subject.rows(chosen.part), subject.indices(replace(chosen, which="one"))
    if rows is None or not len(indices):
        return ()
    X = rows.X[indices]
    return motion.frames_of_training(
        subject.plan,
        subject.state,
        dense(X),
        rows.Y[indices],
        indices,
        names=subject.names,
        question=f"{chosen.part} example {indices[0]}",
        own=subject.own,
        scales=() if subject.encoding is None else subject.encoding.scales,
    )
