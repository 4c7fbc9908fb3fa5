"""From this step on with other settings, as a new run; both curves are then in one chart."""

from typing import Any

from nicegui import ui

from whygrad.errors import InputError
from whygrad.pipeline import settings
from whygrad.pipeline.settings import SCHEDULES
from whygrad.plan.optimizers import OPTIMIZERS
from whygrad.studio.page.page import Page, headed


def ask(page: Page, step: int) -> None:
    """Ask what is to be otherwise from a step of the run that is shown, and fork."""
    opened_run = page.session.opened_run
    if opened_run is None:
        return
    plan = opened_run.run.plan
    learning_rate = getattr(plan.optimizer, "learning_rate", None)
    name = next((name for name, kind in OPTIMIZERS.items() if type(plan.optimizer) is kind), None)
    with ui.dialog(value=True) as dialog, ui.card():
        headed(f"Fork from step {step:,}")
        ui.label(
            "The training goes on from here in another way, as a run of its own; the first one stays."
        )
        with ui.element("div").classes("wg-fields"):
            fields: dict[str, Any] = {
                "learning_rate": ui.number(
                    "Learning rate η", value=learning_rate, min=0, format="%g"
                ),
                "optimizer": ui.select(list(OPTIMIZERS), value=name, label="Optimizer"),
                "schedule": ui.select(list(SCHEDULES), label="Learning rate schedule [as now]"),
                "l1": ui.number("L1 regularization λ₁", value=plan.l1.strength, min=0, format="%g"),
                "l2": ui.number("L2 regularization λ₂", value=plan.l2.strength, min=0, format="%g"),
                "batch_size": ui.number("Batch size", value=plan.batch_size, min=1),
                "epochs": ui.number("Epochs in all", value=plan.epochs, min=1),
                "seed": ui.number("Seed of the order", value=plan.seed, min=0),
            }
            for field in fields.values():
                field.props("dense outlined").classes("wg-field")
        before = {key: field.value for key, field in fields.items()}

        if step >= plan.epochs * plan.steps_per_epoch:  # else nothing would be left to do
            fields["epochs"].set_value(2 * plan.epochs)

        def fork() -> None:
            changes = {
                key: f.value for key, f in fields.items() if f.value not in (None, before[key])
            }
            for key in ("batch_size", "epochs", "seed"):
                if key in changes:
                    changes[key] = int(changes[key])
            try:
                settings.changes(plan, changes)
            except InputError as error:  # told while what was typed is still there
                wrong.set_text(str(error))
                return
            dialog.close()
            page.do(lambda: page.session.fork(step, **changes))

        wrong = ui.label().classes("wg-wrong").props('role="alert"')
        with ui.row():
            ui.button("Fork", on_click=fork).props("no-caps unelevated")
            ui.button("Cancel", on_click=dialog.close).props("no-caps flat")
