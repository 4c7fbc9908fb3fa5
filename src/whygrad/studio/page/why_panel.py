"""Ask why: the part that was clicked, the questions that can be asked of it, and the answer.

What the answer speaks of lights up on the stage when it is pointed at. A weight has a slider: while it is
dragged, the ripple runs through the stage.
"""

import asyncio
import json
from dataclasses import replace
from functools import partial
from typing import Any

from nicegui import ui

from whygrad.answers.draw.svg import told_svg
from whygrad.answers.explanation import Explanation
from whygrad.answers.formatting import typeset_within
from whygrad.answers.names import Ref
from whygrad.answers.pictures import CurvePicture
from whygrad.answers.write.html import to_fragment
from whygrad.errors import WhygradError
from whygrad.studio.page.charting import chart
from whygrad.studio.page.page import Page, headed
from whygrad.studio.session.asking import Asking, fork_changes
from whygrad.studio.session.questions import (
    SLOW,
    Question,
    answer,
    left_out,
    questions,
    title_of,
    value_of,
    written,
)
from whygrad.studio.session.subject import overview
from whygrad.why.symbols import signed

ROW, NARROW_ROW = 38, 24  # characters of a row of an equation
REACH = 2.0  # how far to either side a weight can be dragged
OPEN = '<details open="">'
MOMENT = 0.25  # seconds between two looks at how far a question has come
SETTLED = 0.3  # seconds without a move, after which a slider was left where it is
STAGE_FOLLOWS = "(value) => window.wgStudio?.ripple(value)"
POINTING = (
    "(e) => { const part = e.target.closest('[data-part]'); emit(part ? part.dataset.part : ''); }"
)


def build(page: Page) -> None:
    """Lay out the questions and the answer."""
    title = headed()
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
            slider.on("update:model-value", js_handler=STAGE_FOLLOWS)
            moved = ui.label().classes("wg-number")
        told = ui.label().classes("wg-told").props('aria-live="polite"')
        curve = ui.echart({}).classes("wg-chart")
    with ui.row() as saves:
        for label, save in (
            ("Copy LaTeX", _copy_latex),
            ("SVG", _save_svg),
            ("PNG", _save_png),
            ("JSON", _save_json),
        ):
            ui.button(label, on_click=lambda save=save: save(page)).props("no-caps dense flat")
    with ui.row().classes("wg-line") as leaving:
        who = ui.input("Training examples to leave out", placeholder="such as 3, 17")
        who.classes("wg-grows").props("stack-label")
        who.on("keydown.enter", lambda: ask_without())
        ui.button("Train again without them", on_click=lambda: ask_without()).props("no-caps dense")
    with ui.column().classes("wg-waiting") as waiting:
        with ui.row().classes("wg-line"):
            stage = ui.label().classes("wg-told").props('role="status"')
            cancel = ui.button("Cancel", on_click=lambda: state["asking"].cancel())
            cancel.props("no-caps dense flat")
        bar = ui.linear_progress(show_value=False).props('aria-label="How much is done"')
    tick = ui.timer(MOMENT, lambda: come(), active=False)
    waiting.set_visibility(False)
    leaving.set_visibility(False)
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
    state: dict[str, Any] = {
        "key": None,
        "part": None,
        "value": 0.0,
        "silent": False,
        "by": None,
        "left": None,
        "asking": Asking(),
        "changes": {},  # that a fork with the cure of the answer has
    }

    def update() -> None:
        subject, look = page.now, page.look
        if not page.sees("why"):
            return
        known = questions(look.part, look.chosen)
        name = look.question if look.question in known else next(iter(known))
        title.set_text(title_of(subject, look.part, look.chosen))
        asked.set_options(known, value=name)
        whole.set_visibility(bool(look.part))
        ref = Ref.read(look.part)
        bias.set_visibility(ref is not None and ref.layer > 0 and ref.from_ is None)
        key: Any = (
            look.part, name, look.chosen, subject.step, id(page.session.opened_run), subject.net,
            look.counted,
        )  # fmt: skip
        if name == "learning":  # of all the training, whatever step and examples are looked at
            key = (name, id(page.session.opened_run))
        drag.set_visibility(name == "ripple")
        leaving.set_visibility(name == "without")
        if key == state["key"]:
            return
        state["key"] = key
        state["asking"].cancel()
        fork.set_visibility(False)
        waits(False)
        page.stage_told("ripple", None)
        if name == "ripple":
            start_drag(subject, look.part)
        elif name == "without":
            rest()
            here = look.chosen.index if look.chosen.part == "training" else 0
            who.set_value(str(here))
        else:
            ask(Question(look.part, name, look.chosen), key)

    def rest() -> None:
        """Show no answer, where one is not asked for yet."""
        page.answer = None
        saves.set_visibility(False)
        shown.set_content("")

    def waits(yes: bool) -> None:
        waiting.set_visibility(yes)
        tick.active = yes
        if yes:
            come()

    def come() -> None:
        """Show how far the question has come."""
        asking = state["asking"]
        stage.set_text(asking.stage)
        bar.set_value(asking.part or 0.0)
        bar.props(f"indeterminate={str(asking.part is None).lower()}")

    def ask_without() -> None:
        try:
            chosen = left_out(page.now, who.value or "")
        except WhygradError as error:
            page.tell(str(error), "why")
            return
        state["asking"].cancel()
        ask(Question("", "without", page.look.chosen, left_out=chosen), state["key"])

    def ask(question: Question, key: Any) -> None:
        subject, asking = page.now, Asking()
        state["asking"] = asking
        if question.name in SLOW:
            rest()
        waits(question.name in SLOW)
        asked_for = partial(page.session.ask, asking, subject, question)

        async def work() -> None:
            found = await page.in_thread(asked_for, "why")
            if state["key"] != key or state["asking"] is not asking:
                return
            with page.client:
                waits(False)
                state["changes"] = fork_changes(subject.plan, found)
                fork.set_visibility(bool(state["changes"]))
                page.answer = found
                saves.set_visibility(found is not None)
                most = NARROW_ROW if page.narrow else ROW
                shown.set_content(
                    "" if found is None else _folded(to_fragment(_rest_of(found), most, level=2))
                )

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
        rest()

    def dragged(value: Any) -> None:
        if state["silent"] or value is None or page.subject is None:
            return
        waiting = state["by"] is not None
        state["by"] = float(value) - state["value"]
        moved.set_text(written(page.now, state["part"], float(value)))
        if not waiting:
            page.later(ripple)

    async def ripple() -> None:
        """Show what the slider does now; what was passed over meanwhile is not."""
        by, question = 0.0, Question("", "", page.look.chosen)
        while state["by"] is not None:
            by = state["by"]
            question = Question(state["part"], "ripple", page.look.chosen, by)
            found = await page.in_thread(partial(answer, page.now, question), "why") if by else None
            if found is not None:
                with page.client:
                    rippled(found, by)
                await page.settled()  # the stage first: the curve takes longer than all the rest
                if state["by"] == by:
                    with page.client:
                        curved(found)
            if state["by"] == by:
                state["by"] = None
        state["left"] = left = object()
        await asyncio.sleep(SETTLED)
        if state["left"] is left and state["by"] is None:
            with page.client:  # the slider was left: the answer in full, or at rest none
                if by:
                    ask(question, state["key"])
                else:
                    start_drag(page.now, state["part"])

    def rippled(found: Explanation, by: float) -> None:
        page.answer = found
        first = sum(term.value for term in found.terms)
        assert found.value is not None
        told.set_text(
            typeset_within(
                f"Moved by {signed(by)}: the cost changes by {signed(found.value)}, of which "
                f"{signed(first)} is first order and {signed(found.value - first)} beyond first order."
            )
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


def _rest_of(found: Explanation) -> Explanation:
    """Leave out of a ripple the curve that its slider draws."""
    if found.kind != "ripple":
        return found
    rest = tuple(one for one in found.pictures if not isinstance(one, CurvePicture))
    return replace(found, pictures=rest)


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
    return [(name, told_svg(one, page.answer)) for name, one in zip(names, pictures, strict=True)]


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
