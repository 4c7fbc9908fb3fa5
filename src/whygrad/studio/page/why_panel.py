"""Ask why: the part that was clicked, the questions that can be asked of it, and the answer.

What the answer speaks of lights up in the drawing when it is pointed at, and the other way round. A weight
has a slider: while it is dragged, the ripple runs through the drawing.
"""

import asyncio
import json
from dataclasses import replace
from functools import partial
from typing import Any

from nicegui import ui

from whygrad.answers.draw.svg import picture_svg
from whygrad.answers.explanation import Explanation
from whygrad.answers.names import Ref
from whygrad.answers.pictures import CurvePicture
from whygrad.answers.write.html import to_fragment
from whygrad.studio.page.charting import chart
from whygrad.studio.page.page import Page
from whygrad.studio.session.diagnosing import Diagnosing, fork_changes
from whygrad.studio.session.questions import (
    SLOW,
    Question,
    answer,
    questions,
    title_of,
    value_of,
    written,
)
from whygrad.studio.session.subject import overview

MOST = 46  # characters of a row of an equation
REACH = 2.0  # how far to either side a weight can be dragged
USUAL = 0.1  # Δw, before it is dragged
OPEN = '<details open="">'
MOMENT = 0.25  # seconds between two looks at how far a diagnosis has come
SETTLED = 0.3  # seconds without a move, after which a slider was left where it is
POINTING = (
    "(e) => { const part = e.target.closest('[data-part]'); emit(part ? part.dataset.part : ''); }"
)


def build(page: Page) -> None:
    """Lay out the questions and the answer."""
    title = ui.label().classes("wg-heading")
    with ui.row().classes("wg-questions"):
        asked = ui.toggle({}, on_change=lambda e: page.show(question=e.value or "")).props(
            'dense no-caps aria-label="What is asked"'
        )
        ui.space()
        bias = ui.button("Its bias", on_click=lambda: page.show(part=f"{page.look.part},bias"))
        bias.props("no-caps dense flat")
        whole = ui.button("Whole network", on_click=lambda: page.show(part="", question=""))
        whole.props("no-caps dense flat")
    with ui.column().classes("wg-drag") as drag:
        with ui.row().classes("wg-line"):
            ui.label("Move it:")
            slider = ui.slider(
                min=-1, max=1, step=REACH / 100, value=0, on_change=lambda e: dragged(e.value)
            )
            slider.props('aria-label="Move the weight"')
            moved = ui.label().classes("wg-number")
        told = ui.label().classes("wg-told").props('aria-live="polite"')
        curve = ui.echart({}).classes("wg-chart")
    with ui.row().classes("wg-saves") as saves:
        for label, save in (
            ("Copy LaTeX", _copy_latex),
            ("SVG", _save_svg),
            ("PNG", _save_png),
            ("JSON", _save_json),
        ):
            ui.button(label, on_click=lambda save=save: save(page)).props("no-caps dense flat")
    spinner = ui.spinner(size="lg")
    with ui.row().classes("wg-line") as waiting:
        stage = ui.label().classes("wg-told").props('role="status"')
        ui.button("Stop", on_click=lambda: state["diagnosing"].cancel()).props("no-caps dense flat")
    tick = ui.timer(MOMENT, lambda: stage.set_text(state["diagnosing"].stage), active=False)
    waiting.set_visibility(False)
    fork = ui.button(
        "Fork with this cure",
        icon="call_split",
        on_click=lambda: page.do(
            partial(page.session.fork, page.now.run.start, **state["changes"])
        ),
    ).props("no-caps dense unelevated")
    fork.set_visibility(False)
    shown = ui.html("", sanitize=False).classes("wg-answer-box")
    shown.on("mouseover", lambda e: page.light(e.args or ""), js_handler=POINTING)
    shown.on("focusin", lambda e: page.light(e.args or ""), js_handler=POINTING)
    spinner.set_visibility(False)
    state: dict[str, Any] = {
        "key": None,
        "part": None,
        "value": 0.0,
        "silent": False,
        "by": None,
        "left": None,
        "diagnosing": Diagnosing(),
        "changes": {},  # that a fork with the cure of the answer has
    }

    def update() -> None:
        subject, look = page.now, page.look
        if not page.sees("why"):
            return
        known = questions(look.part, look.chosen)
        name = look.question if look.question in known else next(iter(known))
        title.set_text(title_of(subject, look.part))
        asked.set_options(known, value=name)
        whole.set_visibility(bool(look.part))
        ref = Ref.read(look.part)
        bias.set_visibility(ref is not None and ref.layer > 0 and ref.from_ is None)
        key: Any = (
            look.part, name, look.chosen, subject.step, id(page.session.opened_run), subject.net,
        )  # fmt: skip
        if name == "learning":  # of all the training, whatever step and examples are looked at
            key = (name, id(page.session.opened_run))
        drag.set_visibility(name == "ripple")
        if key == state["key"]:
            return
        state["key"] = key
        state["diagnosing"].cancel()
        fork.set_visibility(False)
        if name == "ripple":
            start_drag(subject, look.part)
        ask(Question(look.part, name, look.chosen), key)

    def ask(question: Question, key: Any) -> None:
        subject = page.now
        spinner.set_visibility(question.name in SLOW)
        if question.name in SLOW:
            shown.set_content("")

        diagnosing = question.name == "learning"
        waiting.set_visibility(diagnosing)
        tick.active = diagnosing
        asked_for = partial(answer, subject, question)
        if diagnosing:
            state["diagnosing"] = Diagnosing()
            asked_for = partial(page.session.diagnose, state["diagnosing"], subject)

        async def work() -> None:
            found = await page.in_thread(asked_for, "why")
            if state["key"] != key:
                return
            with page.client:
                spinner.set_visibility(False)
                waiting.set_visibility(False)
                tick.active = False
                state["changes"] = fork_changes(subject.plan, found)
                fork.set_visibility(bool(state["changes"]))
                page.answer = found
                saves.set_visibility(found is not None)
                shown.set_content("" if found is None else _folded(to_fragment(found, MOST)))

        page.later(work)

    def start_drag(subject: Any, part: str) -> None:
        value = value_of(subject, part)
        if value is None:  # an input is moved from where it is
            ref, found = Ref.read(part), subject.examples(page.look.chosen)
            value = 0.0 if ref is None or found is None else float(found[0][:, ref.to].mean())
        state["value"], state["part"] = value, part
        state["silent"] = True
        slider.props.update(min=value - REACH, max=value + REACH)
        slider.set_value(value)
        slider.update()
        state["silent"] = False
        moved.set_text(written(subject, part, value))
        told.set_text("Drag: what changes runs forward to the cost.")
        curve.set_visibility(False)

    def dragged(value: Any) -> None:
        if state["silent"] or value is None or page.subject is None:
            return
        waiting = state["by"] is not None
        state["by"] = float(value) - state["value"]
        moved.set_text(written(page.now, state["part"], float(value)))
        if not waiting:
            page.later(ripple)

    async def ripple() -> None:
        """Draw where the slider is now; what was passed over meanwhile is not."""
        by, question = USUAL, Question("", "", page.look.chosen)
        while state["by"] is not None:
            by = state["by"]
            question = Question(state["part"], "ripple", page.look.chosen, by)
            found = await page.in_thread(partial(answer, page.now, question), "why") if by else None
            if found is not None:
                with page.client:
                    rippled(found, by)
                await page.settled()  # the drawing first: the curve takes longer than all the rest
                if state["by"] == by:
                    with page.client:
                        curved(found)
            if state["by"] == by:
                state["by"] = None
        state["left"] = left = object()
        await asyncio.sleep(SETTLED)
        if state["left"] is left and state["by"] is None:
            with page.client:  # the slider was left: the answer in full
                ask(question if by else replace(question, by=USUAL), state["key"])

    def rippled(found: Explanation, by: float) -> None:
        page.answer = found
        first = sum(term.value for term in found.terms)
        assert found.value is not None
        told.set_text(
            f"Moved by {by:+.4g}: the cost changes by {found.value:+.5g}. First order predicted "
            f"{first:+.5g}; {found.value - first:+.2g} is beyond it."
        )

    def curved(found: Explanation) -> None:
        """Draw the cost as the weight moves, with its tangent."""
        first_picture = found.pictures[0]
        if isinstance(first_picture, CurvePicture):
            curve.set_visibility(True)
            curve.options.clear()
            curve.options.update(chart(first_picture, page.dark))
            curve.update()

    page.panels.append(update)


def _folded(answer: str) -> str:
    """Leave the first of the tables open, and the others to be opened."""
    first, *others = answer.split(OPEN)
    return OPEN.join((first, *others[:1])) + "".join(f"<details>{one}" for one in others[1:])


# ── saved ──


def _copy_latex(page: Page) -> None:
    """Put the equations of the answer on the clipboard."""
    if page.answer is not None:
        ui.clipboard.write(page.answer.latex())
        ui.notify("The equations are on the clipboard, as LaTeX.")


def _save_json(page: Page) -> None:
    """Save the answer as data."""
    if page.answer is not None:
        text = json.dumps(page.answer.to_dict(), indent=1, ensure_ascii=False)
        ui.download.content(text, f"{_stem(page, page.answer.kind)}.json")


def _save_svg(page: Page) -> None:
    """Save the pictures of the answer."""
    for name, svg in _pictures(page):
        ui.download.content(svg, f"{name}.svg")


def _save_png(page: Page) -> None:
    """Save the pictures of the answer as pixels, which the browser draws."""
    for name, svg in _pictures(page):
        ui.run_javascript(f"({PNG})({json.dumps(svg)}, {json.dumps(f'{name}.png')})")


def _pictures(page: Page) -> list[tuple[str, str]]:
    """Return names and SVGs of what an answer shows; of one without pictures the network."""
    if page.answer is None:
        return []
    drawn = page.answer.pictures or (overview(page.now, page.look.chosen),)
    kind, pictures = _stem(page, page.answer.kind), drawn
    names = [kind, *(f"{kind}-{i}" for i in range(2, len(pictures) + 1))]
    return [(name, picture_svg(one)) for name, one in zip(names, pictures, strict=True)]


def _stem(page: Page, kind: str) -> str:
    """Return how a saved file's name begins: "iris-step-120-weight"."""
    run = page.now.run
    return kind if run is None else f"{run.path.stem}-step-{page.now.step}-{kind}"


PNG = """(svg, name) => {
  const image = new Image();
  image.onload = () => {
    const canvas = document.createElement('canvas');
    canvas.width = 2 * image.naturalWidth; canvas.height = 2 * image.naturalHeight;
    const pen = canvas.getContext('2d');
    pen.fillStyle = '#ffffff'; pen.fillRect(0, 0, canvas.width, canvas.height);
    pen.drawImage(image, 0, 0, canvas.width, canvas.height);
    const link = document.createElement('a');
    link.href = canvas.toDataURL('image/png'); link.download = name; link.click();
  };
  image.src = 'data:image/svg+xml;charset=utf-8,' + encodeURIComponent(svg);
}"""
