"""A sentence is a claim: what answers, drawings and slow motion say follows from numbers."""

import json
import re
from dataclasses import replace
from functools import partial
from itertools import pairwise, permutations

import numpy as np
import pytest

import whygrad as wg
from command import whygrad
from trajectories import ROW, make_trajectory
from whygrad.answers.draw.svg import picture_svg
from whygrad.answers.explanation import Explanation
from whygrad.answers.expression import Equation, Number, Product, Sum, Symbol
from whygrad.answers.formatting import number, share, typeset
from whygrad.answers.names import Names
from whygrad.answers.pictures import CurvePicture, Line
from whygrad.answers.write.html import to_fragment
from whygrad.engines import Probes
from whygrad.nn.arrays import as_data
from whygrad.pipeline.fit import find
from whygrad.pipeline.settings import Settings
from whygrad.plan.plan import Plan, start
from whygrad.record.rows import record_table
from whygrad.studio.page.charting import chart
from whygrad.studio.session.opened_run import OpenedRun
from whygrad.studio.session.questions import title_of, written
from whygrad.studio.session.session import Session
from whygrad.studio.session.subject import Chosen, Rows, alone, overview
from whygrad.why import blame, influence, ledger, neuron, prediction
from whygrad.why.bound import Why
from whygrad.why.symbols import shown
from whygrad.why.training_history.trajectory import trajectory

tracin = partial(influence, method="tracin")
QUICK = Settings(hidden=(5, 4), epochs=4, engine="reference", seed=3)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Runs on tables: prices of houses, which have a kind, a column that lacks values, and a yes or no."""
    folder = tmp_path_factory.mktemp("runs")
    rng = np.random.default_rng(0)
    rows = ["size,kind,age,sold,price"]
    for i in range(60):
        size, kind = rng.uniform(50, 200), ("flat", "house", "barn")[i % 3]
        age = "" if i % 7 == 0 else rng.integers(1, 90)
        sold = "yes" if size + 20 * rng.normal() > 120 else "no"
        rows.append(f"{size:.1f},{kind},{age},{sold},{300 * size + 9000 * (kind == 'barn'):.0f}")
    (folder / "houses.csv").write_text("\n".join(rows) + "\n")
    for target in ("price", "sold"):
        source = find(str(folder / "houses.csv"), target)
        record_table(folder / f"{target}.run", source, replace(QUICK, leave_out=()))
    return folder


@pytest.fixture
def price(folder):
    return wg.open_run(folder / "price.run")


@pytest.fixture
def sold(folder):
    return wg.open_run(folder / "sold.run")


def row(run, place=0):
    """A row of the test rows, as a table."""
    from whygrad.record.source import read_again

    return read_again(run).slice(place, 1)


# ── accounting ───────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("ask", ["ledger", "tracin"])
def test_the_headline_says_by_how_much_the_pushes_cancel(ask):
    made = make_trajectory(ROW, epochs=40)
    x = np.random.default_rng(5).normal(size=made.plan.net.sizes[0])
    found = ledger(made, 2, 1, 3, influence=False) if ask == "ledger" else tracin(made, x)
    total, left = np.abs(found["by_example"]).sum(), abs(found["by_example"].sum())
    assert total > 5 * left if ask == "tracin" else found.answer.startswith("Accounting")
    first, said = (
        found.answer.split(". ")[0],
        f"ushes of {number(total)} cancelled to {number(left)}",
    )
    assert said in first
    told = " ".join([found.question, found.answer, *(one.title for one in found.tables)]).lower()
    assert not re.search(r"helper|opponent|moved it|raised it|lowered it|taught|without", told)


@pytest.mark.parametrize("place", [(1,), (2, 1), (2, 1, 3)])
def test_pushes_cancel_to_their_own_sum_whatever_penalties_and_decay_add(place):
    made = make_trajectory(ROW | {"optimizer": "adamw", "regularisation": "l2 per batch"}, epochs=9)
    rule = wg.AdamW(0.02, decay=2.0)
    made = trajectory(replace(made.plan, optimizer=rule), made.start, made.data)
    found = ledger(made, *place, influence=False)
    pushes, others = found["by_example"], sum(term.value for term in found.terms[-2:])
    assert [term.name for term in found.terms[-2:]] == ["penalties", "decay"]
    assert abs(others) > abs(pushes.sum()) / 10
    total, left = np.abs(pushes).sum(), abs(pushes.sum())
    assert f"pushes of {number(total)} cancelled to {number(left)}." in found.answer


def test_what_pushed_an_output_cancels_to_its_own_sum_and_others_stand_beside_it():
    made = make_trajectory(ROW | {"optimizer": "adamw", "regularisation": "l2 per batch"}, epochs=9)
    rule = wg.AdamW(0.02, decay=2.0)
    made = trajectory(replace(made.plan, optimizer=rule), made.start, made.data)
    found = tracin(made, np.random.default_rng(5).normal(size=made.plan.net.sizes[0]))
    pushes, value = found["by_example"], {term.name: term.value for term in found.terms}
    total, left = np.abs(pushes).sum(), abs(pushes.sum())
    others = ", ".join(
        f"{name} {number(value[name], sign=True)}" for name in ("penalties", "decay")
    )
    assert total > 5 * left
    assert abs(value["penalties"] + value["decay"]) > left / 10
    said = f"Pushes of {number(total)} cancelled to {number(left)}, {others}"
    assert found.answer.startswith(said)


def test_a_probability_is_drawn_as_it_was_at_every_step_and_stays_one():
    """Its account runs out of [0, 1] where steps are long: it is drawn beside it, with a note."""
    rng = np.random.default_rng(3)
    net = wg.Network(2, [wg.Dense(4, "tanh"), wg.Dense(2, "softmax")], "cross_entropy")
    data = as_data(net, rng.normal(size=(12, 2)), np.eye(2)[np.arange(12) % 2])
    plan = Plan(net, wg.SGD(8.0), 12, epochs=20, batch_size=3)
    made = trajectory(plan, start(plan), data)
    found = tracin(made, data.X[0])
    first_order = found.terms[0].value + np.cumsum(found["by_step"])
    assert first_order.max() > 1 or first_order.min() < 0
    line, account = found.pictures[0].lines
    assert account.dashed and account.name == "first-order steps, added up"
    np.testing.assert_allclose(account.y[1:], first_order, rtol=1e-12)
    assert any("leaves 0 to 1" in note for note in found.notes)
    calm = tracin(trajectory(replace(plan, optimizer=wg.SGD(0.01)), start(plan), data), data.X[0])
    assert not any("leaves 0 to 1" in note for note in calm.notes)
    assert line.y.min() >= 0 and line.y.max() <= 1
    assert line.y[0] == pytest.approx(found.terms[0].value, abs=1e-15)
    assert line.y[-1] == pytest.approx(found.value, abs=1e-15)
    states = [state.theta.copy() for state, _ in made.steps(Probes(), 1)]
    f = int(re.search(r"output (\d)", found.question)[1])
    for theta, y in zip(states, found["along"][1:], strict=True):
        p = wg.forward(net, wg.Parameters(net.sizes, theta), data.X[:1]).a[-1][0, f]
        assert y == pytest.approx(p, rel=1e-12)


# ── predictions of rows of a table ───────────────────────────────────────────────────────────────────


def outputs_of(run, X):
    """What the network's z are for rows, in float64."""
    theta = wg.Parameters(run.net.sizes, run.theta.flat.astype(np.float64))
    return wg.forward(run.net, theta, X.astype(np.float64)).z[-1][:, 0]


def test_the_baselines_of_a_table_are_its_training_rows(sold):
    found = sold.why.prediction(row(sold), sample=1000)
    z = outputs_of(sold, sold.data.X)
    assert found["baseline_output"] == pytest.approx(z.mean(), rel=1e-9)
    n = len(z)
    assert f"Parts are means over {n} baselines, the training rows." in found.notes
    drawn = sold.why.prediction(row(sold), sample=20, seed=3)
    assert set(drawn["baseline_outputs"].round(9)) <= set(z.round(9)), "none that cannot exist"
    assert any(f"drawn by seed 3 from {n} training rows" in note for note in drawn.notes)
    one = sold.why.prediction(row(sold), baseline=7)
    assert one["baseline_output"] == pytest.approx(z[7], rel=1e-9)
    given = sold.why.prediction(row(sold), baseline=row(sold, 1))
    assert given["baseline_output"] != found["baseline_output"]
    for wrong, message in ((n, f"the training rows are 0 to {n - 1}"), ("trainin", "did you mean")):
        with pytest.raises(wg.InputError, match=message):
            sold.why.prediction(row(sold), baseline=wrong)


def test_parts_of_a_table_with_dates_categories_and_gaps_sum_in_its_own_units(tmp_path):
    rng = np.random.default_rng(0)
    rows = ["listed,kind,age,price"]
    for i in range(60):
        day = np.datetime64("2023-03-01") + int(rng.integers(500))
        age = "" if i % 9 == 4 else rng.integers(1, 90)
        kind = ("flat", "house", "barn")[i % 3]
        rows.append(f"{day},{kind},{age},{1000 * (i % 3) + 5 * day.astype(int) % 365:.0f}")
    (tmp_path / "dated.csv").write_text("\n".join(rows) + "\n")
    source = find(str(tmp_path / "dated.csv"), "price")
    record_table(tmp_path / "dated.run", source, replace(QUICK, leave_out=()))
    run = wg.open_run(tmp_path / "dated.run")
    assert {"listed day number", "kind=flat", "age is missing"} <= set(run.encoding.names)
    target, kept = run.encoding.target, run.data.X
    for place in range(3):
        found = run.why.prediction(row(run, place), sample=1000)
        assert sorted(term.name for term in found.terms) == ["age", "kind", "listed"]
        said = outputs_of(run, run.why.examples(row(run, place)).X)[0]
        value = (said - outputs_of(run, kept).mean()) * target.scale
        size = sum(abs(term.value) for term in found.terms)
        assert abs(sum(term.value for term in found.terms) - value) <= 1e-12 * size
        assert abs(found.residuals["rounding"]) <= 1e-12 * size


def test_rows_left_out_of_a_training_are_no_part_of_its_baseline(sold, tmp_path):
    outliers = np.argsort(sold.data.X[:, 0])[-20:]
    less = sold.without(outliers, record=tmp_path / "less.run")
    z = outputs_of(less, np.delete(less.data.X, outliers, axis=0))
    found = less.why.prediction(row(less), sample=1000)
    assert found["baseline_output"] == pytest.approx(z.mean(), rel=1e-9)


def test_a_change_stays_within_the_range_of_the_training_rows(sold, price):
    low, high = sold.data.X.min(axis=0), sold.data.X.max(axis=0)
    seen = 0
    for place in range(8):
        found = sold.why.prediction(row(sold, place))
        here = sold.why.examples(row(sold, place)).X[0]  # which may lie outside itself
        for x in [*(one[1] for one in found["changes"]), found["nearest"]]:
            if x is not None:
                seen += 1
                assert (x >= np.minimum(low, here) - 1e-6).all()
                assert (x <= np.maximum(high, here) + 1e-6).all()
    assert seen > 8
    own = price.why.prediction(row(price), wanted=1e6)  # which no price comes near
    assert own["changes"] == () and own["nearest"] is None
    assert "No change of one column alone was found within the limits" in own.answer
    assert "Of all numbers together none was found within the limits either." in own.answer


def test_where_no_training_rows_are_known_the_answer_says_so():
    net = wg.Network(3, [wg.Dense(2, "softmax")], "cross_entropy")
    notes = prediction(net, net.init(seed=0), [1.0, 0, 0]).notes
    assert any(note.startswith("The baseline is 0 in every input, since no") for note in notes)
    assert any("How far the training rows reached is not known here" in note for note in notes)


def test_training_rows_that_are_gone_are_told_in_one_line(folder, tmp_path):
    (tmp_path / "t.csv").write_text((folder / "houses.csv").read_text())
    record_table(tmp_path / "t.run", find(str(tmp_path / "t.csv"), "sold"), QUICK, copy_data=False)
    run = wg.open_run(tmp_path / "t.run")
    asked = row(run)
    (tmp_path / "t.csv").unlink()
    gone = wg.open_run(tmp_path / "t.run")
    with pytest.raises(wg.InputError, match="give baseline= and limits=") as caught:
        gone.why.prediction(asked)
    assert "\n" not in str(caught.value)
    limits = (-3.0, 3.0)
    assert gone.why.prediction(asked, baseline=asked, limits=limits).value == 0


# ── units ────────────────────────────────────────────────────────────────────────────────────────────


def own(run, value):
    target = run.encoding.target
    return number(value * target.scale + target.center)


def test_sentences_have_a_number_in_the_units_of_its_column(price):
    asked, said = row(price, 2), float(price.predict(row(price, 2))[0])
    assert said > 5000, "far from anything standardised"
    found = price.why.prediction(asked)
    assert f"The network says price is {number(said)}." in found.answer
    assert f"baselines' mean of {number(found['baseline_output'])}:" in found.answer
    assert found["output"] == pytest.approx(said, rel=1e-5)
    assert found.question == f"Why is price {number(said)} in this example?"
    columns = {one[0]: one for one in found.tables[0].rows}
    assert columns["size"][1] == pytest.approx(float(asked["size"][0].as_py()), rel=1e-5)
    wanted = (said + 100 - price.encoding.target.center) / price.encoding.target.scale
    changed = price.why.prediction(asked, wanted=wanted)
    assert f"makes it {number(said + 100)}" in changed.answer
    (table,) = [one for one in changed.tables if one.title.startswith("What would change")]
    numbers = {one[0]: one for one in table.rows if isinstance(one[1], float)}
    assert numbers
    for name, before, after, change, then, _ in numbers.values():
        value = asked[name][0].as_py()
        assert value is None or before == pytest.approx(float(value), rel=1e-5)
        assert change == pytest.approx(after - before)
        reached = float(then.replace(",", ""))
        if name == "age":  # years are whole: the first that are enough
            assert after == int(after) and said + 99.5 <= reached < said + 300
        else:
            assert then == number(said + 100)


def test_what_was_pushed_and_what_would_be_without_an_example_has_the_units_of_the_target(price):
    asked, said = row(price), float(price.predict(row(price))[0])
    found = price.why.influence(asked, by="a", method="tracin")
    start_ = own(price, found.terms[0].value)
    assert f"went from {start_} to {number(said)}" in found.answer
    total = np.abs(found["by_example"]).sum() * price.encoding.target.scale
    assert f"ushes of {number(total)} cancelled" in found.answer
    assert found.pictures[0].lines[0].y[-1] == pytest.approx(said, rel=1e-5)
    first = found.tables[0].rows[0]
    assert float(first[0].replace(",", "")) > 5000, "the target of an example"
    assert found.tables[0].columns[0] == "target"
    without = price.why.without([3], asked)
    assert f"instead of {number(said)}" in without.answer
    what, before, after, change = without.tables[0].rows[0]
    assert before == pytest.approx(said, rel=1e-5)
    assert change == pytest.approx(without.value * price.encoding.target.scale)


def test_a_unit_is_told_of_examples_in_the_units_of_the_target(price):
    rows = price.why.examples()
    found = price.why.neuron(layer=1, unit=2)
    listed = next(one for one in found.tables if "true" in one.columns)
    for example, _, true, said in listed.rows:
        assert true == pytest.approx(float(price.encoding.decode(rows.Y[[example]])[0]), rel=1e-5)
        assert said > 1000
    output = price.why.neuron(layer=3, unit=0)
    off = output["error"].mean() * price.encoding.target.scale
    assert f"{shown(abs(off))} too {'high' if off > 0 else 'low'} on average" in output.answer
    of_size = price.why.neuron(layer=0, unit="size")
    mean = price.encoding.scales[0][0]
    assert f"0 is {number(mean)}, the mean of this column in training." in of_size.notes
    flag = price.why.neuron(layer=0, unit="kind=flat")
    assert "0 is a number like any other of this input, and not that it is missing." in flag.notes


def test_a_step_of_an_input_and_its_value_are_told_as_standardised(price):
    found = price.why.ripple(row(price), input="size", by=0.5)
    scale = price.encoding.scales[0][1]
    assert f"moved by {number(0.5 * scale)}, 0.5 standard deviations?" in found.question
    assert found.pictures[0].x_label == "Δx, standardised"
    subject = OpenedRun(price).subject()
    center = price.encoding.scales[0][0]
    assert written(subject, "0:0", 0.5) == f"{number(center + 0.5 * scale)} (0.5 standardised)"
    assert written(subject, "1:0,0", 0.5) == written(subject, "0:1", 0.5) == "0.5"
    weight = price.why.weight(row(price), layer=1, to=0, from_="size")
    factor = next(f for term in weight.terms for f in term.factors if "sender" in f.meaning)
    value = float(row(price)["size"][0].as_py())
    assert f"{number(value)} in the table, here standardised" in factor.meaning
    if weight.value:
        assert f"The sender gives {number(value)}, standardised " in weight.answer


def test_a_piece_of_a_column_is_not_told_as_standardised(folder, tmp_path):
    run, of = tmp_path / "pieces.run", ("--target", "price", "--quality", "fast", "--epochs", "2")
    assert whygrad("train", folder / "houses.csv", *of, "--no-comparison", "--run", run).code == 0
    run = wg.open_run(run)
    names = run.encoding.names
    piece = next(k for k, name in enumerate(names) if name.startswith("size ") and " to " in name)
    moved = run.why.ripple(row(run), input=names[piece], by=-0.5)
    assert moved.question == f"What happens if the input {names[piece]} is moved by -0.5?"
    assert moved.pictures[0].x_label == "Δx"
    assert written(OpenedRun(run).subject(), f"0:{piece}", 0.3) == "0.3"
    weight = run.why.weight(row(run), layer=1, to=0, from_=names[piece])
    factor = next(f for term in weight.terms for f in term.factors if "sender" in f.meaning)
    assert not re.search("standardised|in the table", factor.meaning + weight.answer)
    low = names[piece].removeprefix("size ").partition(" to ")[0]
    notes = " ".join(run.why.neuron(layer=0, unit=names[piece]).notes)
    assert re.search(f"0 is {low}[0-9]*, where this piece of its column begins", notes)


def test_the_page_asks_about_what_is_said_and_what_is_true_in_the_users_units(price):
    subject = OpenedRun(price).subject()
    X, Y = subject.examples(Chosen("training", "one", 3))
    said = own(price, wg.forward(subject.net, subject.theta, X).a[-1][0, 0])
    title = title_of(subject, "", Chosen("training", "one", 3))
    assert title == f"Says {said}, true {own(price, Y[0, 0])}. Why?"
    assert title_of(subject, "", Chosen("training", "all")) == "The whole network"
    names = Names(outputs=("4", "9"))
    net = wg.Network(1, [wg.Dense(2, "softmax")], "cross_entropy")
    digits = replace(alone(wg.Fitted(net, net.init(W=[None, [[0.0], [0.0]]]))), names=names)
    digits = replace(digits, parts={"training": Rows(np.ones((1, 1)), np.array([[0.0, 1.0]]))})
    assert title_of(digits, "", Chosen()) == 'Says "4" (50%), true "9". Why?'


def test_drawings_write_columns_and_targets_in_their_own_units(price):
    picture = price.why.picture(row(price))
    size = float(row(price)["size"][0].as_py())
    assert picture.own[0][0] == pytest.approx(size)
    assert picture.own[1] is None
    said = price.why.prediction(row(price))["output"]
    assert picture.own[-1][0] == pytest.approx(said)
    drawn = picture_svg(picture)
    assert f"size: activity {typeset(number(size))}" in drawn
    assert f"price: activity {typeset(number(said))}" in drawn
    assert price.why.prediction(row(price)).pictures[0].label == "adds to price"
    net = wg.Network(1, [wg.Dense(1, "identity")])
    assert Why(net, net.init()).picture([[0.0]]).unit_meaning == "activity"


# ── other claims ─────────────────────────────────────────────────────────────────────────────────────


def test_a_unit_whose_effects_cancel_is_not_said_to_change_nothing():
    net = wg.Network(1, [wg.Dense(1, "identity"), wg.Dense(1, "identity")])
    theta = net.init(W=[None, [[1.0]], [[1.0]]])
    found = neuron(net, theta, [[1.0], [-1.0]], [[0.0], [0.0]], layer=1, unit=0)
    assert "It changes no output on average." in found.answer
    idle = neuron(net, net.init(W=[None, [[1.0]], [[0.0]]]), [[1.0]], [[0.0]], layer=1, unit=0)
    assert "It changes no output." in idle.answer


def test_an_input_would_lower_the_cost_only_if_it_moved_a_little():
    net = wg.Network(1, [wg.Dense(1, "identity")])
    found = blame(net, net.init(W=[None, [[1.0]]]), [[1.0]], [[0.0]], layer=0, unit=0)
    assert "the cost would fall if it were a little lower" in found.answer


def test_no_share_is_rounded_to_all_or_to_none():
    assert (share(0.9999), share(1.0), share(1e-9)) == (
        "more than 99.9%", "100%", "less than 0.1%",
    )  # fmt: skip


def test_a_score_is_called_what_it_is(tmp_path, here):
    """A squared error of classes is scored by R² meanwhile, whatever the target is."""
    settings = Settings(hidden=(4,), epochs=2, cost="squared_error", engine="reference")
    record_table(tmp_path / "d.run", find("digits"), settings)
    run = wg.open_run(tmp_path / "d.run")
    assert run.history.validation_score[-1] is not None and not run.judged
    said = whygrad("show", tmp_path / "d.run").out
    assert "R² of the validation rows" in said and "accuracy of the validation rows" not in said


# ── the studio ───────────────────────────────────────────────────────────────────────────────────────


def test_the_studio_knows_the_training_rows_of_a_table_before_it_trains(folder):
    session = Session(folder)
    session.load(str(folder / "houses.csv"), target="sold", settings=QUICK)
    subject = session.subject()
    assert overview(subject, Chosen()).own[0][0] == pytest.approx(
        float(subject.parts["training"].row(0)["size"])
    )
    X, _ = subject.examples(Chosen())
    found = subject.why.prediction(X, sample=1000)
    z = outputs_of(subject, subject.parts["training"].X)
    assert found["baseline_output"] == pytest.approx(z.mean(), rel=1e-9)


# ── the page ─────────────────────────────────────────────────────────────────────────────────────────


def keys(option):
    """All keys of an option, nested ones by their path; ":" marks what the page makes a function of."""
    found = set()
    for name, value in option.items():
        found.add(name.removeprefix(":"))
        if isinstance(value, dict):
            found |= {f"{name}.{key}" for key in keys(value)}
    return found


def test_an_axis_keeps_nothing_of_the_chart_that_stood_there_before():
    """Charts are merged: what one says of its axes every other has to say as well, if only to unset it."""
    x = np.arange(3.0)
    made = [
        chart(CurvePicture("a", "step", "y", x, (Line("c", y),), scale=scale))
        for scale, y in (("percent", x / 3), ("linear", x), ("linear", x * 0 + 5), ("linear", -x))
    ]
    for one, other in permutations(made, 2):
        for axis in ("xAxis", "yAxis"):
            assert keys(one[axis]) == keys(other[axis])
    percent_, free, level, _ = (one["yAxis"] for one in made)
    assert (percent_["min"], percent_["max"]) == (0, 100)
    assert free["min"] is free["max"] is free["interval"] is None
    assert percent_["axisLabel"]["formatter"] == "{value}%" != free["axisLabel"][":formatter"]
    assert level["min"] < 5 < level["max"]
    json.dumps(made)


def test_long_equations_of_an_answer_go_on_in_further_rows():
    a = [Symbol("a", 1, (i,)) for i in range(12)]
    inner = Sum(tuple(Product((Number(0.1234), one)) for one in a))
    sides = (Symbol("z"), Sum((Product((Number(1.756), Number(0.25), inner)), Product(tuple(a)))),
             Product(tuple(a)), Sum(tuple(a)))  # fmt: skip
    about = Explanation("weight", "?", "", equations=(Equation(sides),))
    from xml.etree import ElementTree

    def rows(most):
        page = to_fragment(about, most).replace("&nbsp;", " ")
        mathematics = re.search(r"<math.*?</math>", page, re.DOTALL)[0]
        tree = ElementTree.fromstring(mathematics)
        return ["".join(one.itertext()) for one in tree.iter() if one.tag.endswith("mtr")]

    whole, broken = rows(10_000), rows(46)
    assert "".join(whole) == "".join(broken)
    assert len(whole) == 3 and max(map(len, broken)) <= 46 < max(map(len, whole))
    for above, below in pairwise(broken):
        assert "=" in below or below[0] in "+−·" or above.endswith("("), below


def test_a_folded_section_has_a_triangle_and_no_equation_is_cut(browser, served, folder):
    studio = served(folder, "price.run")
    browser.open(studio.still)
    browser.by_role("button", "Why").click()
    browser.has("Why is price")
    of = (
        "[...document.querySelectorAll('.wg-answer summary')].map(e => getComputedStyle(e).display)"
    )
    shown_as = browser.driver.execute_script(f"return {of}")
    assert shown_as and set(shown_as) == {"list-item"}
    wide = "[...document.querySelectorAll('.wg-scroll')].filter(e => e.querySelector('math')"
    wide += " && e.scrollWidth > e.clientWidth + 1).length"
    assert browser.driver.execute_script(f"return {wide}") == 0
    browser.screenshot("why-folded")
