"""A run on a table as a report that a colleague can read: sections, each an answer as data.

What it was trained on; its scores beside those of other models; the course of the training; how far
probabilities can be trusted; which columns matter, by permutation and by exact parts; three rows explained;
and what to beware of. The rows are read again: where they are gone, what needs them is left out, and said.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from whygrad.answers.cards import cost_picture
from whygrad.answers.classes import compete
from whygrad.answers.explanation import Explanation
from whygrad.answers.formatting import as_name, counted, number, typeset_within
from whygrad.answers.parts import Table
from whygrad.answers.pictures import BarPicture, CurvePicture, Line
from whygrad.errors import InputError, WhygradError, row_of
from whygrad.nn.functions import Array
from whygrad.pipeline.comparing import NAMES
from whygrad.pipeline.fit import predict
from whygrad.pipeline.scores import (
    BINS,
    OF_CLASSES,
    OF_NUMBERS,
    QUANTILES,
    SHARES,
    ClassificationScores,
    RegressionScores,
    confidence_bins,
    written_r2,
    written_share,
)
from whygrad.record.run import Run, kept
from whygrad.record.source import count, encoded, read_again, take, true_values
from whygrad.tables import Label, NumberColumn, SplitColumn, Target, quoted
from whygrad.training.metrics import by_rows
from whygrad.why.bound import Why

ROWS = 1_000  # that columns are shuffled in
SHUFFLES = 5
EXPLAINED = 30  # rows whose parts are averaged, and training rows that each is compared with
EXPLAINED_OF_MANY = 15  # where every one of several networks is walked through
MOST = 12  # columns in a picture
FEW = 100  # test rows below which scores are rough
UNSURE = 0.1  # calibration error from which probabilities are not to be taken at their word


def report(run: Run, tell: Callable[[str], None] = lambda _: None) -> tuple[Explanation, ...]:
    """Return a report on a run, section by section.

    Parameters
    ----------
    run : Run
        A run on a table whose training has ended.
    tell : callable, optional
        Told in words what is computed, before it is.

    Returns
    -------
    tuple of Explanation
        The first is the head of the page.

    Raises
    ------
    InputError
        For a run on arrays, and for one whose training has not ended.
    """
    if not run.on_table:
        raise InputError(f"{run.path.name} was trained on arrays: a report is about a table")
    if run.scores is None:
        raise InputError(f"{run.path.name} has no scores: resume it, or read its data again")
    gone = ""
    rows: Any = None
    tell("its rows are read again")
    try:
        rows = read_again(run)
    except (WhygradError, OSError) as error:
        gone = f"The rows are not there any more ({error}): what needs them is left out."
    sections = [_head(run, gone), _data(run), _scores(run), *_curves(run)]
    if rows is not None:
        X, true = encoded(run, rows), true_values(run.encoding.target, rows)
        outputs, why = predict(run.average, X), run.why
        sections += [
            _trust(run, outputs, true),
            _importance(run, why, rows, X, outputs, true, tell),
        ]
        sections += _examples(run, why, rows, outputs, true, tell)
    return (*sections, _beware(run))


def _section(title: str, answer: str = "", **more: Any) -> Explanation:
    return Explanation("report", title, answer, **more)


def _of(run: Run) -> str:
    """Return what rows the scores are of, and whether training has seen them."""
    assert run.scores is not None
    n = run.scores.rows
    if run.manifest["scored_on"] != "test":
        return f"{counted(n, 'training rows')}, which it learned from"
    if run.copies is None:  # of a folder, and in runs of an older version
        return f"{counted(n, 'test rows')}, set aside before training"
    return run.copies.of(counted(n, "test rows"), n)


def _head(run: Run, gone: str) -> Explanation:
    scores, target = run.scores, run.encoding.target
    n = run.predicting
    what = f"The average of {n} neural networks" if n > 1 else "A neural network"
    if isinstance(scores, ClassificationScores):
        said = (
            f"{what} predicts the class {quoted(target.name)}. Of {_of(run)}, it gets "
            f"{written_share(scores.accuracy)} right; always saying "
            f"{quoted(str(scores.baseline_label))} gets {written_share(scores.baseline)}."
        )
    else:
        assert isinstance(scores, RegressionScores)
        r2 = "no R²" if scores.r2 is None else f"an R² of {written_r2(scores.r2)}"
        said = (
            f"{what} predicts the number {quoted(target.name)}. On {_of(run)}, it has {r2} "
            f"and is off by {number(scores.absolute_error)} on average; always saying the mean is off by "
            f"{number(scores.baseline_absolute_error)}."
        )
    alone = run.copies.score_of_others if run.copies else ""
    verdict = run.comparison.verdict if run.comparison else ""
    notes = [note for note in (alone, verdict, gone) if note]
    return _section(f"{run.path.name}: {target.name}", said, notes=tuple(notes))


def _data(run: Run) -> Explanation:
    about, encoding = run.manifest, run.encoding
    data = about["data"]
    where = data.get("path") or data.get("name") or "a frame in memory"
    sizes = " → ".join(map(str, run.net.sizes))
    n, learned = run.predicting, len(encoding.columns)
    several = f"; the average of {n} of them predicts" if n > 1 else ""
    each = f"each of the first {run.pilots}" if run.pilots < run.members else "each"
    others = f", of the first network: {each} sets aside other ones" if run.members > 1 else ""
    rows = [
        ("from", "standard input" if where == "-" else str(where)),
        ("rows", ", ".join(f"{n:,} {part}" for part, n in data["rows"].items()) + others),
        ("network", f"{sizes} units, {run.net.C.name}{several}"),
        ("trained", f"{counted(len(run.history.epochs), 'epochs')}, seed {run.plan.seed}"),
        ("written", about["created"].replace("T", " ")[:16] + " UTC"),
    ]
    held = {encoding.target.name: _some(encoding.classes)}
    for column in encoding.columns:
        if isinstance(column, NumberColumn | SplitColumn):
            parts = column.parts if isinstance(column, SplitColumn) else (column,)
            each_of = [f"{number(one.center)}, give or take {number(one.scale)}" for one in parts]
            held[column.name] = typeset_within(f"about {'; '.join(each_of)}")
        else:
            held[column.name] = _some(getattr(column, "values", ()))
    columns: list[tuple[Any, ...]] = [
        (
            one.name,
            one.kind,
            held.get(one.name) or ", ".join(one.examples),
            one.missing,
            one.becomes,
        )
        for one in encoding.facts
    ]
    if not columns:  # of pixels, and in runs of an older version
        columns = [
            (one.name, one.kind, held[one.name], "yes" if one.seen_missing else "no", "")
            for one in encoding.columns
        ]
    return _section(
        "Data and columns",
        f"{counted(learned, 'columns')} {'is' if learned == 1 else 'are'} learned from; "
        f"{run.target} is predicted.",
        tables=(
            Table("The run", ("", ""), tuple(rows)),
            Table(
                "The columns", ("column", "holds", "values", "missing", "becomes"), tuple(columns)
            ),
        ),
        notes=tuple(encoding.notes),
    )


def _some(values: Sequence[Label]) -> str:
    return ", ".join(map(str, values[:5])) + (" …" if len(values) > 5 else "")


def _scores(run: Run) -> Explanation:
    scores, comparison = run.scores, run.comparison
    assert scores is not None
    models = list(comparison.models) if comparison else []
    found = [scores.measures, *(model.measures for model in models)]
    labels = OF_NUMBERS if isinstance(scores, RegressionScores) else OF_CLASSES
    rows = [
        (label, *(_measure(name, measures.get(name)) for measures in found))
        for name, label in labels.items()
    ]
    heads = ("", "this network", *(NAMES[model.name].removeprefix("the ") for model in models))
    tables = [Table("Scores", heads, tuple(rows))]
    if isinstance(scores, ClassificationScores):
        each = [
            (str(c.label), c.rows, written_share(c.precision), written_share(c.recall))
            for c in scores.classes
        ]
        tables.append(Table("By class", ("class", "rows", "precision", "recall"), tuple(each)))
        if len(each) <= MOST:
            names = tuple(str(one.label) for one in scores.classes)
            confused = [(name, *row) for name, row in zip(names, scores.confusion, strict=True)]
            title = "Rows: the true class; columns: what it was taken for"
            tables.append(Table(title, ("", *names), tuple(confused)))
    else:
        fifths = [
            (
                typeset_within(part.values),
                part.rows,
                part.absolute_error,
                part.error,
            )
            for part in scores.parts
        ]
        named = ("true value", "rows", "mean absolute error", "mean error")
        tables.append(Table("By the true value", named, tuple(fifths)))
    if run.repeated is not None:
        tables.append(_spread(run))
    said = comparison.verdict if comparison else ""
    return _section("How good it is", said or f"Scores of {_of(run)}.", tables=tuple(tables))


def _measure(name: str, value: float | None) -> Any:
    if name == "r2" and value is not None:
        return value if value == 1 else min(value, 0.9999)
    return written_share(value) if name in SHARES else value


def _spread(run: Run) -> Table:
    found = run.repeated
    assert found is not None
    rows = []
    for measure, label in (OF_NUMBERS | OF_CLASSES).items():
        for name in found.models:
            spread = found.spread(name, measure) if measure in found.models[name] else None
            if spread is not None:
                rows.append((label, name, *spread))
    title = f"Over {found.times} {found.what}"
    return Table(title, ("", "model", "mean", "standard deviation"), tuple(rows))


def _curves(run: Run) -> list[Explanation]:
    epochs = run.history.epochs
    if len(epochs) < 2:
        return []
    picture = cost_picture(run.history, run.plan.cost_name)
    said = f"The first of {run.members} networks ended" if run.members > 1 else "It ended"
    ended = f"{said}: {run.history.stopped}{kept(run)}."
    return [_section("How it learned", ended, pictures=(picture, *_metrics(run, picture.x)))]


def _metrics(run: Run, x: Array) -> list[CurvePicture]:
    """Return a picture of each metric, on the rows that it was measured on."""
    values = run.history.metrics
    found = []
    for what, names in by_rows(values).items():
        lines = []
        for part, name in names.items():
            style = int(part == "validation")  # as in the picture of the cost
            y = np.array(values[name], np.float64)
            lines.append(Line(f"{part} rows", y, colour=style, stroke=style))
        found.append(CurvePicture(f"{what}, epoch by epoch", "epoch", what, x, tuple(lines)))
    return found


# ── how far its word can be trusted ──────────────────────────────────────────────────────────────────


def _trust(run: Run, outputs: Array, true: Array) -> Explanation:
    target = run.encoding.target
    if target.task == "regression":
        return _errors(run)
    p = target.probabilities(outputs).astype(np.float64)
    confidence, right = p.max(axis=1), p.argmax(axis=1) == true
    bins = confidence_bins(confidence)  # those that the calibration error is found by
    there = np.unique(bins).tolist()
    mean = np.array([confidence[bins == b].mean() for b in there])
    share = np.array([right[bins == b].mean() for b in there])
    rows = [
        (
            f"{100 * b / BINS:.0f} to {100 * (b + 1) / BINS:.0f}%",
            int((bins == b).sum()),
            written_share(m),
            written_share(s),
        )
        for b, m, s in zip(there, mean, share, strict=True)
    ]
    ideal = Line("as sure as right", np.array([0.0, 1.0]), dashed=True, x=np.array([0.0, 1.0]))
    lines = (Line("this network", share, x=mean), ideal)
    title = "How often it is right, by how sure it is"
    picture = CurvePicture(
        title, "probability", "right", mean, lines, scale="percent", x_range=(0, 1)
    )
    error = getattr(run.scores, "calibration_error", None) or 0.0
    said = (
        f"Its probabilities are off by {100 * error:.1f} points on average: of rows that it is 80% sure "
        "of, about 80 of 100 should be right."
    )
    heads = ("sure to", "rows", "mean probability", "share right")
    table = Table("The same in numbers", heads, tuple(rows))
    notes: tuple[str, ...] = ()
    if target.threshold != 0.5:
        second = quoted(str(target.classes[1]))
        notes = (
            f"Right is here the likelier of the two classes, whatever the threshold: {second} is predicted "
            f"above {written_share(target.threshold)}.",
        )
    return _section(
        "How far its probabilities can be trusted",
        said,
        pictures=(picture,),
        tables=(table,),
        notes=notes,
    )


def _errors(run: Run) -> Explanation:
    quantiles = getattr(run.scores, "error_quantiles", ())
    if not quantiles:
        return _section("How far off it is")
    low, high = quantiles[0], quantiles[-1]
    said = (
        f"Nine of ten predictions lie between {number(abs(low))} {'below' if low < 0 else 'above'} and "
        f"{number(abs(high))} {'above' if high > 0 else 'below'} the true value."
    )
    rows = tuple((f"{100 * q:.0f}%", value) for q, value in zip(QUANTILES, quantiles, strict=True))
    table = Table("Quantiles of the error, prediction less truth", ("share of rows", "error"), rows)
    return _section("How far off it is", said, tables=(table,))


# ── which columns matter ─────────────────────────────────────────────────────────────────────────────


def _importance(
    run: Run,
    why: Why,
    rows: Any,
    X: Array,
    outputs: Array,
    true: Array,
    tell: Callable[[str], None],
) -> Explanation:
    encoding, target = run.encoding, run.encoding.target
    rng = np.random.default_rng(0)
    n = len(X)
    # From all over the table, which may be sorted by its target.
    chosen = np.arange(n) if n <= ROWS else np.sort(rng.choice(n, ROWS, replace=False))
    X, true = X[chosen], true[chosen]
    before = _loss(target, outputs[chosen], true)
    origins = np.array(encoding.origins)
    risen = {}
    for name in dict.fromkeys(encoding.origins):
        tell(f"{quoted(name)} is shuffled")
        places = np.flatnonzero(origins == name)
        each = []
        for _ in range(SHUFFLES):
            shuffled = X.copy()
            shuffled[:, places] = X[rng.permutation(len(X))][:, places]
            each.append(_loss(target, predict(run.average, shuffled), true) - before)
        risen[name] = (float(np.mean(each)), float(np.std(each)))
    few = EXPLAINED if run.members == 1 else EXPLAINED_OF_MANY
    parts = _mean_parts(why, rows, few, tell)
    order = sorted(risen, key=lambda name: -risen[name][0])
    kind = "log loss" if target.classes else "root mean squared error"
    unit = f" of {target.name}" if not target.classes else ""
    output = "the output"
    if len(target.classes) > 2:  # outputs with a cost of their own are explained alone
        output = f"{'the lead' if compete(run.net) else 'z'} of the class it says"
    elif target.classes:
        output = f"z of {quoted(str(target.classes[1]))}"
    table = Table(
        "All columns",
        ("column", f"the {kind} rises by", "give or take", f"mean part{unit}"),
        tuple((name, *risen[name], parts.get(as_name(name), 0.0)) for name in order),
    )
    top = order[:MOST]
    values = np.array([risen[name][0] for name in top])
    picture = BarPicture(
        "What it costs to shuffle a column", f"rise of the {kind}", tuple(top), values
    )
    rise, give_or_take = risen[order[0]]
    most = (
        f"rises most for {quoted(order[0])}, by {number(rise)}"
        if rise > give_or_take
        else "clearly rises for none of them"
    )
    some = f"{len(X):,} " if len(X) == n else f"{len(X):,} of {n:,} "
    return _section(
        "Which columns matter",
        f"Shuffling a column of {some}{run.manifest['scored_on']} rows, {SHUFFLES} times, shows what the "
        f"network owes to it: the {kind}, {number(before)}, {most}.",
        pictures=(picture,),
        tables=(table,),
        notes=(
            f"The mean part is the mean size of what a column adds to {output} beside "
            f"{few} training rows, exact for each of {min(few, count(rows))} rows (as by whygrad why "
            f"prediction --sample {few}); columns that go along with others share it.",
        ),
    )


def _loss(target: Target, outputs: Array, true: Array) -> float:
    """Return the log loss, or the root mean squared error in units of the target.

    The share of wrong answers would say little of a class so rare that it is hardly ever told.
    """
    if not target.classes:
        return float(np.sqrt(np.mean((target.decode(outputs) - true) ** 2)))
    p = target.probabilities(outputs)[np.arange(len(true)), true.astype(int)].astype(np.float64)
    return float(-np.log(np.clip(p, np.finfo(np.float64).eps, 1)).mean())


def _mean_parts(why: Why, rows: Any, few: int, tell: Callable[[str], None]) -> dict[str, float]:
    """Return the mean size of each column's part over a few rows, in units of the target for numbers."""
    n = count(rows)
    total: dict[str, float] = {}
    chosen = np.unique(np.linspace(0, n - 1, min(n, few)).astype(int))
    for done, row in enumerate(chosen):
        tell(f"{done} of {len(chosen)} rows have their parts")
        answer = why.prediction(_one(rows, int(row)), sample=few)
        for term in answer.terms:
            total[term.name] = total.get(term.name, 0.0) + abs(term.value) / len(chosen)
    return total


def _one(rows: Any, row: int) -> Any:
    return take(rows, np.array([row]))


def _examples(
    run: Run, why: Why, rows: Any, outputs: Array, true: Array, tell: Callable[[str], None]
) -> list[Explanation]:
    """Return three rows explained: the surest or closest, one in the middle, and the one most wrong."""
    target = run.encoding.target
    if target.classes:
        p = target.probabilities(outputs)
        losses = 1 - p[np.arange(len(true)), true.astype(int)].astype(np.float64)
    else:
        losses = np.abs(target.decode(outputs) - true)
    order = np.argsort(losses, kind="stable")
    picked = {
        "most right": order[0],
        "in the middle": order[len(order) // 2],
        "most wrong": order[-1],
    }
    found, said = [], target.decode(outputs)
    for what, row in picked.items():
        tell(f"{row_of(row)} is explained")
        known = target.classes[int(true[row])] if target.classes else number(float(true[row]))
        told = said[row] if target.classes else number(float(said[row]))
        sample = None if run.members == 1 else EXPLAINED
        answer = why.prediction(_one(rows, int(row)), top=5, sample=sample)
        tables = tuple(table for table in answer.tables if table.title.startswith("What"))
        which = f"{row_of(row).capitalize()} of the {run.manifest['scored_on']} rows"
        title = f"{which}, {what}: it is {known}, the network says {told}"
        found.append(
            replace(
                answer,
                question=title,
                equations=(),
                pictures=answer.pictures[:1],
                tables=tables,
                notes=answer.notes[:1],
            )
        )
    return found


# ── what to beware of ────────────────────────────────────────────────────────────────────────────────


def _beware(run: Run) -> Explanation:
    scores, comparison = run.scores, run.comparison
    assert scores is not None
    notes = list(comparison.warnings) if comparison else []
    if run.manifest["scored_on"] != "test":
        notes.append("The scores are of rows that it learned from: on others it will do worse.")
    elif scores.rows < FEW:
        rows = "is only 1 test row" if scores.rows == 1 else f"are only {scores.rows} test rows"
        notes.append(f"There {rows}: the scores are rough.")
    error = getattr(scores, "calibration_error", None)
    if error is not None and error > UNSURE:
        notes.append(f"Its probabilities are off by {100 * error:.0f} points on average.")
    for one in getattr(scores, "classes", ()):
        if one.recall is not None and one.recall < 0.5 and one.rows:
            name = quoted(str(one.label))
            notes.append(
                f"The only row of class {name} it does not find."
                if one.rows == 1
                else f"Of the {one.rows:,} rows of class {name} it finds {written_share(one.recall)} only."
            )
    notes.append(
        "What a column adds is what the network makes of it, not what would happen if it were changed in "
        "the world; rows unlike those of training are answered with no less certainty."
    )
    return _section("What to beware of", notes=tuple(notes))
