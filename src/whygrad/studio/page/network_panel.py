"""The network and its training before they begin: layers, activation, cost, optimizer, penalties."""

from typing import Any

from nicegui import ui

from whygrad.errors import InputError
from whygrad.nn.functions import ACTIVATIONS
from whygrad.pipeline.settings import (
    OF_CLASSES,
    OF_NUMBERS,
    OF_THE_RECIPE,
    SCHEDULES,
    Settings,
    share_of_test,
)
from whygrad.plan.optimizers import OPTIMIZERS
from whygrad.studio.page.data_panel import QUALITY
from whygrad.studio.page.page import Page

WHOLE = ("epochs", "batch_size", "seed")


def build(page: Page) -> None:
    """Lay out the settings; they can be changed until a training begins."""
    session = page.session
    hint = ui.label().classes("wg-note")
    fields: dict[str, Any] = {}

    def changed(name: str, value: Any) -> None:
        config = session.config
        if config is None or session.opened_run is not None or value is None:
            return
        if value == "" and name != "quality":
            return
        if value == shown_value(config.ready.settings, name):
            page.tell("")
            return
        if name in WHOLE and value != int(value):
            page.tell(f"{fields[name].props['label']}: give a whole number, not {value:g}")
            return
        if name == "quality":
            page.do(lambda: session.set(quality=value or None))
        elif name == "hidden":
            page.do(lambda: session.set(hidden=_layers(value)))
        else:
            number = int(value) if name in WHOLE else value
            page.do(lambda: session.set(**{name: number}))

    def choice(name: str, label: str, options: Any, **more: Any) -> None:
        field = ui.select(options, label=label, on_change=lambda e: changed(name, e.value), **more)
        fields[name] = field.props("dense outlined options-dense").classes("wg-field")

    def amount(name: str, label: str, **more: Any) -> None:
        field = ui.number(label, format="%g", **more)
        field.on("change", lambda: changed(name, field.value))
        fields[name] = field.props("dense outlined").classes("wg-field")

    choice("quality", "What is trained", QUALITY)
    fields["quality"].classes("wg-wide", remove="wg-field")
    layers = ui.input("Units of the hidden layers").props("dense outlined").classes("wg-wide")
    layers.on("change", lambda: changed("hidden", layers.value))
    fields["hidden"] = layers
    with ui.element("div").classes("wg-fields"):
        hidden = [name for name, f in ACTIVATIONS.items() if f.custom_vjp is None]
        choice("activation", "Activation of hidden units", hidden)
        choice("cost", "Cost", list(OF_CLASSES))
        choice("optimizer", "Optimizer", list(OPTIMIZERS))
        amount("learning_rate", "Learning rate η", min=0)
        choice("schedule", "Learning rate schedule", list(SCHEDULES))
        amount("epochs", "Epochs at most", min=1, precision=0)
        amount("batch_size", "Batch size", min=1, precision=0)
        amount("dropout", "Dropout", min=0, max=0.95, step=0.05)
        amount("l1", "L1 regularization λ₁", min=0)
        amount("l2", "L2 regularization λ₂", min=0)
        amount("seed", "Seed", min=0, precision=0)
        amount("test", "Test set, fraction of the rows", min=0, max=0.9, step=0.05)
    facts = ui.label().classes("wg-note")

    def update() -> None:
        config, subject = session.config, page.now
        begun = session.opened_run is not None
        hint.set_text(_hint(begun, config is not None))
        settings = None
        if begun and session.opened_run is not None and session.opened_run.run.on_table:
            settings = session.opened_run.run.settings
        elif config is not None:
            settings = config.ready.settings
        if subject.encoding is not None:
            numbers = subject.encoding.task == "regression"
            options = list(OF_NUMBERS if numbers else OF_CLASSES)
            cost = None if settings is None else settings.cost
            if cost and cost not in options:
                options.append(cost)
            fields["cost"].set_options(options)
        for name, field in fields.items():
            field.set_enabled(not begun and config is not None)
            if name in OF_THE_RECIPE and settings is not None and settings.quality:
                field.disable()
            if settings is not None:
                field.set_value(shown_value(settings, name))
        sizes = " – ".join(f"{size:,}" for size in subject.net.sizes)
        facts.set_text(f"{sizes}: {len(subject.theta.flat):,} weights and biases.")

    page.panels.append(update)


def shown_value(settings: Settings, name: str) -> Any:
    """Return what a field shows of a setting: of test rows that are the latest ones their share.

    >>> shown_value(Settings(hidden=(16, 8)), "hidden"), shown_value(Settings(test="last:0.1"), "test")
    ('16, 8', 0.1)
    """
    value = getattr(settings, name)
    if name == "quality":
        return value or ""
    if name == "hidden":
        return ", ".join(map(str, value))
    return share_of_test(value) if name == "test" else value


def _hint(begun: bool, known: bool) -> str:
    if not begun and not known:
        return "A trained network alone: what it learned from, and how, was not recorded."
    if not begun:
        return "Click + and − in the drawing, or type here. Training has not begun."
    if known:
        return (
            "These settings belong to the run shown. Fork goes on with others, Reset begins anew."
        )
    return "These settings belong to the run shown."


def _layers(text: str) -> tuple[int, ...]:
    """Read "16, 8"; "none" and "" are no hidden layer."""
    if text.strip().lower() in ("", "none"):
        return ()
    try:
        return tuple(int(part) for part in text.replace(" ", ",").split(",") if part)
    except ValueError:
        raise InputError(f"hidden layers {text!r}: write their units, such as 16, 8") from None
