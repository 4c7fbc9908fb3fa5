"""The data: a set that comes with whygrad, or the user's own table, its target, columns to leave out."""

from functools import partial
from pathlib import Path
from typing import Any

from nicegui import events, ui

from whygrad.errors import InputError
from whygrad.pipeline import datasets
from whygrad.pipeline.settings import Settings
from whygrad.studio.page.page import Page
from whygrad.studio.server.guard import LIMIT
from whygrad.studio.session.uploads import UPLOADED, keep_table

ABOUT = {
    "xor": "two numbers, one class where they differ: the smallest thing a straight line cannot do",
    "spirals": "two spirals within each other",
    "moons": "two half circles that reach into each other",
    "circles": "a circle around another",
    "iris": "150 flowers, four measures, three species",
    "wine": "178 wines, 13 measures, three growers",
    "breast_cancer": "569 samples, 30 measures, benign or malignant",
    "diabetes": "442 patients, ten measures, a number a year later",
    "digits": "1,797 handwritten digits of 8 × 8 pixels",
    "mnist": "70,000 handwritten digits of 28 × 28 pixels",
}
PREVIEW = 6  # rows
# What is trained: settings' quality, "" for none.
QUALITY = {
    "": "one network, as you draw it",
    "fast": "one network, by the recipe for tables",
    "default": "networks by the recipe, averaged",
    "best": "networks by the recipe, eight of any table",
}
REJECTED = "(found) => emit(found[0].failedPropValidation, found[0].file.name)"


def build(page: Page) -> None:
    """Lay out the choice of data."""
    session = page.session
    ui.label("Data that come with whygrad").classes("wg-heading")
    with ui.row().classes("wg-sets"):
        for name in sorted(datasets.NAMES, key=list(ABOUT).index):
            button = ui.button(name, on_click=partial(_load, page, name)).props(
                "no-caps dense outline"
            )
            button.tooltip(ABOUT[name])
    ui.label("Your own table").classes("wg-heading")
    chosen: list[ui.column] = []

    async def taken(event: events.UploadEventArguments) -> None:
        upload.reset()  # so that another one can be chosen
        await _uploaded(page, event, chosen[0])

    upload = ui.upload(
        label=f"CSV, Excel, Parquet …, up to {LIMIT // 1_000_000} MB",
        auto_upload=True,
        max_files=1,
        max_file_size=LIMIT,
        on_upload=taken,
    )
    upload.props(f'flat bordered accept="{",".join(UPLOADED)}" aria-label="Choose a table"')
    upload.classes("wg-upload")
    upload.on("rejected", lambda e: page.tell(_refusal(*e.args)), js_handler=REJECTED)
    chosen.append(ui.column().classes("wg-chosen"))
    ui.label("What is learned from").classes("wg-heading")
    shown = ui.column().classes("wg-shown")
    seen: list[Any] = [None]  # what is shown

    def update() -> None:
        config = session.config
        now: Any = session.no_config
        if config is not None:
            of = config.settings
            now = (
                config.source,
                of.seed,
                of.validation,
                of.test,
                of.leave_out,
                of.types,
                of.na,
                of.quality,
            )
        if now == seen[0]:
            return
        seen[0] = now
        shown.clear()
        with shown:
            if config is None:
                ui.label(session.no_config)
            else:
                _preview(config)

    page.panels.append(update)


def _refusal(why: str, name: str) -> str:
    """Explain why a browser did not send a file."""
    if why == "max-file-size":
        return (
            f"{name}: more than {LIMIT // 1_000_000} MB. Train on it with `whygrad train FILE`, "
            "and open its run here"
        )
    if why == "accept":
        others = ", ".join(UPLOADED)
        return f"{name}: not a table that can be read: choose CSV or Parquet, or one of {others}"
    return f"{name}: one table at a time"


def _load(page: Page, name: str) -> None:
    """Take a data set that comes with whygrad."""
    page.do(lambda: page.session.load(name))


async def _uploaded(page: Page, event: events.UploadEventArguments, into: ui.column) -> None:
    """Keep a file that was uploaded, show its first rows, and ask what is to be predicted."""
    into.clear()
    content = await event.file.read()
    name = event.file.name
    found = await page.in_thread(lambda: keep_table(page.session.folder, name, content))
    if found is not None:
        with into:
            _ask_target(page, *found)


def _ask_target(page: Page, path: Path, table: Any) -> None:
    names = list(table.column_names)
    if len(names) < 2:
        page.tell(
            f"{path.name} has one column: a table needs one to predict, and others to predict it from"
        )
        return
    ui.label(f"{path.name}: {table.num_rows:,} rows, {len(names)} columns").classes("wg-strong")
    _table(table.slice(0, PREVIEW))
    target = ui.select(names, value=names[-1], label="Which column is to be predicted?").classes(
        "wg-wide"
    )
    target.props("dense outlined options-dense")
    quality = ui.select(QUALITY, value="", label="What is trained").classes("wg-wide")
    quality.props("dense outlined options-dense")
    without = ui.select(names, value=[], multiple=True, label="Columns to leave out").classes(
        "wg-wide"
    )
    without.props("dense outlined options-dense use-chips")

    def use() -> None:
        left_out = tuple(name for name in without.value if name != target.value)
        settings = Settings(hidden=(16, 8), activation="tanh", leave_out=left_out)
        if quality.value:
            settings = Settings(quality=quality.value, leave_out=left_out)

        def work() -> None:
            if len(names) - len(left_out) < 2:
                raise InputError("all columns are left out: leave at least one to predict from")
            page.session.load(str(path), target.value, settings)

        page.do(work)

    ui.button("Use this table", on_click=use).props("no-caps unelevated")


def _preview(config: Any) -> None:
    ready = config.ready
    parts, encoding = ready.parts, ready.encoding
    counts = {part: len(rows) for part, rows in vars(parts).items()}
    rows = ", ".join(f"{count:,} {part}" for part, count in counts.items() if count)
    ui.label(f"{config.title}: predicts {encoding.target.name}. Rows: {rows}.").classes("wg-strong")
    if not config.source.images:
        _table(config.source.table.slice(0, PREVIEW))
    for note in encoding.notes:
        ui.label(note).classes("wg-note")
    if encoding.facts:
        with ui.expansion(f"What its {len(encoding.facts)} columns are").classes("wg-wide"):
            _table_of_columns(encoding.facts)


def _table_of_columns(facts: Any) -> None:
    """Lay out what was decided about each column, as `whygrad columns` prints it."""
    heads = ("name", "kind", "read", "missing", "distinct", "examples", "becomes", "note")
    columns = [{"name": head, "label": head, "field": head, "align": "left"} for head in heads]
    rows = [vars(one) | {"examples": ", ".join(one.examples)} for one in facts[:MOST]]
    table = ui.table(columns=columns, rows=rows, row_key="name", pagination=20)
    table.props("dense flat bordered").classes("wg-table")


def _table(table: Any) -> None:
    columns = [
        {"name": n, "label": n, "field": n, "align": "left"} for n in table.column_names[:12]
    ]
    rows = [{n: _shown(row[n]) for n in table.column_names[:12]} for row in table.to_pylist()]
    ui.table(columns=columns, rows=rows).props("dense flat bordered").classes("wg-table")


def _shown(value: Any) -> str:
    return f"{value:.6g}" if isinstance(value, float) else "" if value is None else str(value)[:40]


MOST = 200  # that are listed


def build_runs(page: Page) -> None:
    """Lay out the list of runs."""
    ui.label("Runs in this folder").classes("wg-heading")
    none = ui.label("None yet: Start writes one.").classes("wg-note")
    listed = ui.column().classes("wg-runs")
    state: dict[str, Any] = {"seen": None}

    def update() -> None:
        if page.look.tab != "runs":
            return
        opened_run = page.session.opened_run
        now = None if opened_run is None else opened_run.path
        paths = list(page.session.runs().values())[:MOST]
        none.set_visibility(not paths)
        if (seen := (tuple(paths), now)) == state["seen"]:
            return
        state["seen"] = seen
        listed.clear()
        with listed:
            for path in paths:
                button = ui.button(path.name, on_click=partial(show, path))
                button.props("no-caps dense flat align=left").set_enabled(path != now)

    def show(path: Any) -> None:
        page.do(lambda: page.session.open(path))

    page.panels.append(update)
