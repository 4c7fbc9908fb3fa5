"""From this step on with other settings, as a new run; both curves are then in one chart."""

from typing import TYPE_CHECKING, Any

from nicegui import ui

from whygrad.optimizers import OPTIMIZERS

if TYPE_CHECKING:
    from whygrad.studio.page import Page


def ask(page: "Page") -> None:
    """Ask what is to be otherwise, and fork."""
    subject = page.now
    plan = subject.plan
    rate = getattr(plan.optimizer, "rate", None)
    name = next((name for name, kind in OPTIMIZERS.items() if type(plan.optimizer) is kind), None)
    with ui.dialog(value=True) as dialog, ui.card():
        ui.label(f"Fork from step {subject.step:,}").classes("wg-heading")
        ui.label(
            "The training goes on from here in another way, as a run of its own; the first one stays."
        )
        fields: dict[str, Any] = {
            "rate": ui.number("Rate η", value=rate, min=0, format="%g"),
            "optimizer": ui.select(
                [n for n in OPTIMIZERS if n != "lbfgs"], value=name, label="Optimizer"
            ),
            "l2": ui.number("Penalty λ₂", value=plan.l2.strength, min=0, format="%g"),
            "batch_size": ui.number("Batch size", value=plan.batch_size, min=1, precision=0),
            "epochs": ui.number("Epochs in all", value=plan.epochs, min=1, precision=0),
            "seed": ui.number("Seed of the order", value=plan.seed, min=0, precision=0),
        }
        before = {key: field.value for key, field in fields.items()}

        def fork() -> None:
            changes = {
                key: f.value for key, f in fields.items() if f.value not in (None, before[key])
            }
            for key in ("batch_size", "epochs", "seed"):
                if key in changes:
                    changes[key] = int(changes[key])
            dialog.close()
            page.do(lambda: page.desk.fork(subject.step, **changes))

        with ui.row():
            ui.button("Fork", on_click=fork).props("no-caps unelevated")
            ui.button("Cancel", on_click=dialog.close).props("no-caps flat")
