"""The network and its training: fields before they begin, and afterwards a statement of what was chosen."""

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
from whygrad.record import Run
from whygrad.studio.page import fork_dialog
from whygrad.studio.page.data_panel import QUALITY
from whygrad.studio.page.page import Page

WHOLE = ("epochs", "batch_size", "seed")
# What a setting is called, in a field and in what is stated of a run.
LABELS = {
    "quality": "What is trained",
    "hidden": "Units of the hidden layers",
    "activation": "Activation",
    "cost": "Cost",
    "optimizer": "Optimizer",
    "learning_rate": "Learning rate η",
    "schedule": "Schedule",
    "epochs": "Epochs at most",
    "batch_size": "Batch size",
    "dropout": "Dropout",
    "l1": "L1 regularization λ₁",
    "l2": "L2 regularization λ₂",
    "seed": "Seed",
}


def build(page: Page) -> None:
    """Lay out the settings; they can be changed until a training begins, and are read afterwards."""
    session = page.session
    hint = ui.label().classes("wg-note")
    form = ui.column().classes("wg-wide")
    statement = ui.column().classes("wg-wide")
    with form:
        fields = _fields(page)
    facts = ui.label().classes("wg-note")
    state: dict[str, Any] = {"stated": None}

    def update() -> None:
        config, opened_run, subject = session.config, session.opened_run, page.now
        begun = opened_run is not None
        hint.set_text(_hint(begun, config is not None))
        form.set_visibility(config is not None and not begun)
        statement.set_visibility(begun)
        sizes = " – ".join(f"{size:,}" for size in subject.net.sizes)
        facts.set_text(f"{sizes}: {len(subject.theta.flat):,} weights and biases.")
        if opened_run is not None and state["stated"] is not opened_run.run:
            state["stated"] = opened_run.run
            statement.clear()
            with statement:
                _statement(page, opened_run.run)
        if config is None or begun:
            return
        settings = config.ready.settings
        if subject.encoding is not None:
            numbers = subject.encoding.task == "regression"
            options = list(OF_NUMBERS if numbers else OF_CLASSES)
            cost = settings.cost
            if cost and cost not in options:
                options.append(cost)
            fields["cost"].set_options(options)
        for name, field in fields.items():
            # What the recipe decides is stated by it: there is nothing to type.
            field.set_visibility(not (name in OF_THE_RECIPE and settings.quality))
            field.set_value(shown_value(settings, name))

    page.panels.append(update)


def _fields(page: Page) -> dict[str, Any]:
    """Lay out a field for each setting; one that is left takes effect."""
    session = page.session
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

    def choice(name: str, options: Any, label: str = "") -> None:
        label = label or LABELS[name]
        field = ui.select(options, label=label, on_change=lambda e: changed(name, e.value))
        fields[name] = field.props("dense outlined options-dense").classes("wg-field")

    def amount(name: str, label: str = "", **more: Any) -> None:
        field = ui.number(label or LABELS[name], format="%g", **more)
        field.on("change", lambda: changed(name, field.value))
        fields[name] = field.props("dense outlined").classes("wg-field")

    choice("quality", QUALITY)
    fields["quality"].classes("wg-wide", remove="wg-field")
    layers = ui.input(LABELS["hidden"]).props("dense outlined").classes("wg-wide")
    layers.on("change", lambda: changed("hidden", layers.value))
    fields["hidden"] = layers
    with ui.element("div").classes("wg-fields"):
        hidden = [name for name, f in ACTIVATIONS.items() if f.custom_vjp is None]
        choice("activation", hidden, "Activation of hidden units")
        choice("cost", list(OF_CLASSES))
        choice("optimizer", list(OPTIMIZERS))
        amount("learning_rate", min=0)
        choice("schedule", list(SCHEDULES), "Learning rate schedule")
        amount("epochs", min=1, precision=0)
        amount("batch_size", min=1, precision=0)
        amount("dropout", min=0, max=0.95, step=0.05)
        amount("l1", min=0)
        amount("l2", min=0)
        amount("seed", min=0, precision=0)
        amount("test", "Test set, fraction of the rows", min=0, max=0.9, step=0.05)
    return fields


def _statement(page: Page, run: Run) -> None:
    """List what a training was given, and lead to one with other settings."""
    with ui.element("dl").classes("wg-statement"):
        for name, value in stated(run).items():
            with ui.element("div"):
                with ui.element("dt"):
                    ui.label(name)
                with ui.element("dd"):
                    ui.label(value)
    with ui.row():
        ask = ui.button("Fork with others …", on_click=lambda: fork_dialog.ask(page, page.now.step))
        ask.props("no-caps unelevated").set_enabled(not page.now.notice)
        if page.session.config is not None:
            reset = ui.button("Reset", on_click=lambda: page.do(page.session.reset))
            reset.props("no-caps flat")


def stated(run: Run) -> dict[str, str]:
    """Return what a training was given, by name.

    The numbers are those of the plan, which a fork may have changed; what the fields know is in the
    settings of a run on a table.
    """
    plan, net = run.plan, run.net
    rule = plan.optimizer
    layers = net.layers[:-1]
    found: dict[str, Any] = {
        "hidden": ", ".join(str(layer.units) for layer in layers) or "none",
        "activation": ", ".join(dict.fromkeys(f.name for f in net.f[1:-1])) or "none",
        "cost": net.C.name.replace("_", " "),
        "optimizer": type(rule).__name__,
        "learning_rate": getattr(rule, "learning_rate", None),
        "schedule": type(plan.schedule).__name__ if plan.by_steps else None,
        "epochs": plan.epochs,
        "batch_size": plan.batch_size,
        "dropout": max((layer.dropout for layer in layers), default=0) or None,
        "l1": plan.l1.strength or None,
        "l2": plan.l2.strength or None,
        "seed": plan.seed,
    }
    if run.on_table and run.settings.quality:
        found = {"quality": QUALITY[run.settings.quality], **found}
    return {
        LABELS[name]: f"{value:,g}" if isinstance(value, float) else str(value)
        for name, value in found.items()
        if value is not None
    }


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
        return "Click + and − at the layers, or type here. Training has not begun."
    return "What the run shown was trained with."


def _layers(text: str) -> tuple[int, ...]:
    """Read "16, 8"; "none" and "" are no hidden layer."""
    if text.strip().lower() in ("", "none"):
        return ()
    try:
        return tuple(int(part) for part in text.replace(" ", ",").split(",") if part)
    except ValueError:
        raise InputError(f"hidden layers {text!r}: write their units, such as 16, 8") from None
