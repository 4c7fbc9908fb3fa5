"""The data: a set that comes with whygrad, or the user's own table, its target, columns to leave out."""

import json
import re
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from nicegui import events, ui

from whygrad.errors import InputError
from whygrad.pipeline import datasets
from whygrad.pipeline.settings import Settings
from whygrad.record.listing import TRASH, in_trash
from whygrad.studio.page.curves_panel import BESIDE
from whygrad.studio.page.page import Page, headed
from whygrad.studio.server.guard import LIMIT
from whygrad.studio.session.runs import HEADS, RunTable, deleted, renamed, restored
from whygrad.studio.session.uploads import (
    UPLOADED,
    holds_run,
    is_model,
    keep_model,
    keep_run,
    keep_table,
    refusal,
)

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
LATEST = ", with --test last"
MARKER = re.compile(r"--na=(\S+) takes it for one, in all columns")
# What notes say of options of the command line, and what there is on the page in their place.
OPTIONS = {
    re.compile(re.escape(LATEST)): ", with the button beneath",
    MARKER: r"“Take \1 for missing” takes it for one, in all columns",
    re.compile("--type (.+)=(number|category)'? takes"): r"“\2” in the table of columns takes",
}
# What is trained: settings' quality, "" for none.
QUALITY = {
    "": "one network, as you draw it",
    "fast": "one network, by the recipe for tables",
    "default": "networks by the recipe, averaged",
    "best": "networks by the recipe, eight or more of any table",
}
# Types that a column can be given: settings' types, "" for the one that is found.
KINDS = {
    "number": "number",
    "category": "category",
    "date": "date",
    "leave-out": "leave out",
    "": "as found",
}
# What a column is, and what it can be taken as instead.
KIND_CELL = f"""<q-td :props="props">{{{{ props.row.kind }}}}
  <div v-if="props.row.open" role="group" :aria-label="`take ${{props.row.name}} as`">
    <q-btn v-for="(said, kind) in {json.dumps(KINDS).replace('"', "'")}" :key="kind" :label="said"
      dense flat no-caps size="sm" :outline="kind === props.row.given"
      :aria-pressed="String(kind === props.row.given)"
      @click="() => $parent.$emit('kind', props.row.name, kind)" />
  </div>
</q-td>"""
REJECTED = "(found) => emit(found[0].failedPropValidation, found[0].file.name)"

# Where studio.js uploads what is dropped on the page, once the panel is there.
DROPPED = "window.wgUpload = () => getElement({0})?.$refs?.qRef"


def build(page: Page) -> None:
    """Lay out the choice of data."""
    session = page.session
    headed("Data that come with whygrad")
    with ui.row().classes("wg-sets"):
        for name in sorted(datasets.NAMES, key=list(ABOUT).index):
            button = ui.button(name, on_click=partial(_load, page, name)).props(
                "no-caps dense outline"
            )
            button.tooltip(ABOUT[name])
    headed("Your own table, or a trained network")
    chosen: list[ui.column] = []

    async def taken(event: events.UploadEventArguments) -> None:
        upload.reset()  # so that another one can be chosen
        await _uploaded(page, event, chosen[0])

    upload = ui.upload(
        label=f"CSV …; ONNX, Keras, safetensors, skops; runs as .zip; to {LIMIT // 1_000_000} MB",
        auto_upload=True,
        max_files=1,
        max_file_size=LIMIT,
        on_upload=taken,
    )
    upload.props(
        f'flat bordered accept="{",".join(UPLOADED)}" aria-label="Choose a table or a network"'
    )
    upload.classes("wg-upload")
    upload.on("rejected", lambda e: page.tell(_refusal(*e.args)), js_handler=REJECTED)
    page.client.on_connect(lambda: page.client.run_javascript(DROPPED.format(upload.id)))
    chosen.append(ui.column())
    headed("What is learned from")
    shown = ui.column()
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
                _preview(page, config)

    page.panels.append(update)


def _refusal(why: str, name: str) -> str:
    """Explain why a browser did not send a file."""
    if why == "max-file-size":
        return (
            f"{name}: more than {LIMIT // 1_000_000} MB. Train on it with `whygrad train FILE`, "
            "and open its run here"
        )
    if why == "accept":
        return refusal(name)
    return f"{name}: one file at a time"


def _load(page: Page, name: str) -> None:
    """Take a data set that comes with whygrad."""
    page.do(lambda: page.session.load(name))


async def _uploaded(page: Page, event: events.UploadEventArguments, into: ui.column) -> None:
    """Keep a file that was uploaded, show its first rows, and ask what is to be predicted."""
    into.clear()
    content = await event.file.read()
    name = event.file.name
    if is_model(name):

        def look() -> None:
            page.session.look_at(keep_model(page.session.folder, name, content)[1])

        page.do(look)
        return
    if holds_run(name, content):
        path = await page.in_thread(lambda: keep_run(page.session.folder, name, content))
        if path is not None:
            page.do(lambda: page.session.open(path))
        return
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


def _preview(page: Page, config: Any) -> None:
    ready = config.ready
    parts, encoding = ready.parts, ready.encoding
    counts = {part: len(rows) for part, rows in vars(parts).items()}
    rows = ", ".join(f"{count:,} {part}" for part, count in counts.items() if count)
    ui.label(f"{config.title}: predicts {encoding.target.name}. Rows: {rows}.").classes("wg-strong")
    for note in encoding.notes:  # first of all: what was taken for what
        ui.label(f"{note[0].upper()}{on_the_page(note[1:])}.").classes("wg-note")
        if LATEST in note:
            latest = partial(page.do, partial(page.session.set, test="last"))
            button = ui.button("Test on the latest rows", on_click=latest)
            button.props("no-caps dense outline")
        for value in MARKER.findall(note):
            gone = partial(page.do, partial(page.session.set, na=(*config.settings.na, value)))
            button = ui.button(f"Take {value} for missing", on_click=gone)
            button.props("no-caps dense outline")
    if not config.source.images:
        _table(config.source.table.slice(0, PREVIEW))
    if encoding.facts:
        title, changed = f"What its {len(encoding.facts)} columns are", bool(config.settings.types)
        with ui.expansion(title, value=changed).classes("wg-wide"):
            _table_of_columns(page, config)


def on_the_page(note: str) -> str:
    """Return a note with what there is on the page in the place of options of the command line.

    >>> on_the_page("codes; --type zip=number takes the rest for missing")
    'codes; “number” in the table of columns takes the rest for missing'
    """
    for option, instead in OPTIONS.items():
        note = option.sub(instead, note)
    return note


def _table_of_columns(page: Page, config: Any) -> None:
    """Lay out what was decided about each column, as `whygrad columns` does; a click decides otherwise."""
    facts, types = config.ready.encoding.facts, dict(config.settings.types)
    heads = ("name", "kind", "read", "missing", "distinct", "examples", "becomes", "note")
    columns = [{"name": head, "label": head, "field": head, "align": "left"} for head in heads]
    target = config.ready.encoding.target.name
    rows = [
        vars(one)
        | {"note": on_the_page(one.note)}
        | {"examples": ", ".join(one.examples), "given": types.get(one.name, "")}
        | {"open": one.name != target}
        for one in facts[:MOST]
    ]
    table = ui.table(columns=columns, rows=rows, row_key="name", pagination=20)
    table.props('dense flat bordered aria-label="Columns"').classes("wg-table")
    table.add_slot("body-cell-kind", KIND_CELL)
    table.on("kind", lambda e: _take_as(page, types, *e.args))


def _take_as(page: Page, types: dict[str, str], column: str, kind: str) -> None:
    """Take a column as of another type, "" as it is found; what was trained before is trained anew so."""
    trained = page.session.opened_run is not None
    others = {name: one for name, one in types.items() if name != column}

    def work() -> None:
        page.session.set(types=others | ({column: kind} if kind else {}))
        if trained:
            page.session.go()

    page.do(work)


def _table(table: Any) -> None:
    columns = [
        {"name": n, "label": n, "field": n, "align": "left"} for n in table.column_names[:12]
    ]
    rows = [{n: _shown(row[n]) for n in table.column_names[:12]} for row in table.to_pylist()]
    ui.table(columns=columns, rows=rows).props("dense flat bordered").classes("wg-table")


def _shown(value: Any) -> str:
    return f"{value:.6g}" if isinstance(value, float) else "" if value is None else str(value)[:40]


MOST = 200  # columns that are listed


def build_runs(page: Page) -> None:
    """Lay out the table of runs: opened, compared, renamed, deleted, and put back."""
    headed("Runs in this folder")
    known = RunTable(page.session)
    none = ui.label("None yet: Start writes one.").classes("wg-note")
    chosen: list[str] = []
    with ui.row().classes("wg-line") as bar:
        open_ = ui.button("Open", on_click=lambda: _open(page, chosen[0]))
        beside = ui.button("Compare curves", on_click=lambda: _compare(page, chosen))
        rename = ui.button("Rename", on_click=lambda: _ask_name(page, chosen[0], forget))
        delete = ui.button("Delete", on_click=lambda: _delete(page, list(chosen), forget))
        back = ui.button("Put the last deleted back", on_click=lambda: _put_back(page))
        for button in (open_, beside, rename, delete, back):
            button.props("no-caps dense flat")
    columns = [
        {"name": name, "label": label, "field": name, "align": "left", "sortable": True}
        for name, label in HEADS.items()
    ]
    table = ui.table(columns=columns, rows=[], row_key="name", selection="multiple", pagination=50)
    table.props('dense flat bordered binary-state-sort aria-label="Runs"').classes("wg-table")
    for slot, name in (("header", '"all runs"'), ("body", "props.row.name")):
        box = f"<q-checkbox v-model='props.selected' dense :aria-label='{name}' />"
        table.add_slot(f"{slot}-selection", box)
    for name, text in (("score", "props.row.score_text"), ("size", "props.row.size_text")):
        table.add_slot(
            f"body-cell-{name}", f'<q-td :props="props">{{{{ {text} }}}}</q-td>'
        )  # sorted by the number, shown as it is written
    table.on_select(lambda _: choose([row["name"] for row in table.selected]))
    table.on("rowClick", lambda e: _open(page, e.args), js_handler="(e, row) => emit(row.name)")
    state: dict[str, Any] = {"reading": False}

    def choose(names: list[str]) -> None:
        chosen[:] = names
        for button, on in (
            (open_, len(names) == 1),
            (rename, len(names) == 1),
            (beside, bool(names) and page.session.opened_run is not None),
            (delete, bool(names)),
        ):
            button.set_enabled(on)

    def forget() -> None:
        """Read the table anew, with nothing chosen."""
        with page.client:
            table.selected = []
            choose([])
        page.later(read)

    async def read() -> None:
        if state["reading"]:
            return
        state["reading"] = True
        try:
            rows = await page.in_thread(known.rows, "runs")
        finally:
            state["reading"] = False
        if rows is None or page.client.is_deleted:
            return
        with page.client:
            none.set_visibility(not rows)
            table.set_visibility(bool(rows))
            back.set_visibility(bool(in_trash(page.session.folder)))
            bar.set_visibility(bool(rows) or back.visible)
            if rows != table.rows:
                table.rows[:] = rows
                table.update()

    def update() -> None:
        if page.sees("runs"):
            page.later(read)

    choose([])
    page.panels.append(update)


def _open(page: Page, name: str) -> None:
    page.do(lambda: page.session.open(page.session.folder / name))


def _compare(page: Page, names: list[str]) -> None:
    """Draw the curves of the chosen runs beside those of the run that is shown."""
    opened_run = page.session.opened_run
    others = [Path(name) for name in names if opened_run is None or name != opened_run.path.name]
    page.do(partial(page.session.compare, *others[:BESIDE]))
    page.show(tab="curves")


def _ask_name(page: Page, name: str, done: Callable[[], None]) -> None:
    with ui.dialog() as dialog, ui.card():
        ui.label(f"A new name for {name}").classes("wg-strong")
        given = ui.input("Name", value=name.removesuffix(".run")).props("dense outlined autofocus")
        with ui.row():
            ui.button("Rename", on_click=lambda: go()).props("no-caps unelevated")
            ui.button("Cancel", on_click=dialog.close).props("no-caps flat")

    def go() -> None:
        def work() -> None:
            renamed(page.session, name, given.value)
            done()

        dialog.close()
        page.do(work)

    dialog.open()


def _delete(page: Page, names: list[str], done: Callable[[], None]) -> None:
    """Put runs into the trash, from which the button beside takes them back."""

    def work() -> None:
        deleted(page.session, names)
        done()
        with page.client:
            ui.notify(
                f"In the trash, {TRASH}, from which it can be put back: {', '.join(names):.200}"
            )

    page.do(work)


def _put_back(page: Page) -> None:
    page.do(lambda: restored(page.session))
