"""The time bar: start, pause, one step, one epoch, reset, speed; and all of the training to go back in."""

from typing import Any

from nicegui import ui

from whygrad.record.members import unfinished
from whygrad.studio.page import fork_dialog
from whygrad.studio.page.page import Page
from whygrad.studio.session.opened_run import OpenedRun
from whygrad.studio.session.questions import NO_TRAINING

SPEEDS: dict[float, str] = {
    0: "full speed",
    1000: "1,000 steps/s",
    100: "100 steps/s",
    10: "10 steps/s",
    2: "2 steps/s",
}


def build(page: Page) -> None:
    """Lay out the time bar."""
    session = page.session
    state = {"running": False}

    def toggle() -> None:
        """Do what the button says, even where a training has just come to its end."""
        page.follow()
        page.do(session.pause if state["running"] else session.go)

    def command(name: str) -> None:
        """Take a step, or an epoch; back in time go one further in what is recorded."""
        now = page.now
        if page.look.step is not None and now.step < now.last:
            further = 1 if name == "step" else now.plan.steps_per_epoch
            page.show(step=min(now.last, now.step + further))
            return
        page.follow()
        page.do(lambda: session.go(name))

    with ui.row().classes("wg-transport").props('role="toolbar" aria-label="Training"'):
        start = ui.button("Start", icon="play_arrow", on_click=toggle).props(
            "no-caps dense unelevated"
        )
        step = ui.button("One step", icon="skip_next", on_click=lambda: command("step"))
        epoch = ui.button("One epoch", icon="fast_forward", on_click=lambda: command("epoch"))
        for button in (step, epoch):
            button.props("no-caps dense flat")
        speed = ui.select(
            SPEEDS, value=0, on_change=lambda e: page.do(lambda: session.set_speed(e.value or None))
        )
        speed.props('dense options-dense borderless aria-label="Speed"')
        ui.space()
        wrong = ui.button(
            "What is wrong?",
            icon="troubleshoot",
            on_click=lambda: page.show(part="", tab="why", question="learning"),
        )
        fork = ui.button("Fork", icon="call_split", on_click=lambda: fork_dialog.ask(page))
        reset = ui.button("Reset", icon="replay", on_click=lambda: page.do(session.reset))
        for button in (wrong, fork, reset):
            button.props("no-caps dense flat")
    with ui.row().classes("wg-time"):
        where = ui.label("step 0").classes("wg-step")
        slider = ui.slider(min=0, max=1, value=0, on_change=lambda e: scrub(e.value))
        slider.props('aria-label="Step of the training"')
        live = ui.button("Latest", icon="last_page", on_click=lambda: page.show(step=None))
        live.props('no-caps dense flat aria-label="Go to the latest step"')

    notes = ui.label().classes("wg-note").props('role="status"')
    standing = ui.label().classes("wg-standing").props('role="status"')

    def scrub(value: Any) -> None:
        if page.subject is not None and value is not None and int(value) != page.subject.step:
            page.show(step=int(value))

    def update() -> None:
        subject, status = page.now, session.status
        told = status.notes[-1:] if status is not None else ()
        notes.set_text(" ".join(filter(None, (subject.notice, *told))))
        standing.set_text(subject.standing)
        speed.set_value(session.speed or 0)
        trained = session.opened_run is not None
        wrong.set_enabled(trained)
        wrong.props.set_optional("title", None if trained else NO_TRAINING)
        first = session.opened_run.run.start if session.opened_run is not None else 0
        slider.props.update(min=first, max=max(subject.last, first + 1))
        if not page.behind:  # else the slider would go back under the hand that drags it
            slider.set_value(subject.step)
        slider.update()
        slider.set_enabled(trained)
        epochs = subject.state.epoch + subject.state.batch_index / subject.plan.steps_per_epoch
        where.set_text(f"step {subject.step:,} of {subject.last:,} · epoch {epochs:.1f}")
        running = state["running"] = session.running
        start.set_text("Pause" if running else start_label(session.opened_run))
        start.set_icon("pause" if running else "play_arrow")
        ready = not subject.notice
        for button in (start, step, epoch):
            button.set_enabled(ready)
        live.set_visibility(page.look.step is not None)
        fork.set_enabled(trained and not subject.notice)
        reset.set_enabled(trained and session.config is not None)

    page.panels.append(update)


def start_label(opened_run: OpenedRun | None) -> str:
    """Return the label of the start button: a run whose networks are at their ends gets more epochs."""
    if opened_run is None:
        return "Start"
    return "Go on" if unfinished(opened_run.run) else "More epochs"
