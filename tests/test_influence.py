"""What a number would be without an example, and by other settings; what can be trusted; what does harm."""

import re
from dataclasses import replace

import numpy as np
import pytest

import whygrad as wg
from trajectories import ROW, N, make_trajectory
from whygrad.answers.formatting import number
from whygrad.answers.names import Names
from whygrad.cores import allowed_cores
from whygrad.nn.arrays import as_data
from whygrad.plan.plan import Plan, start
from whygrad.training.again import Change, leaving_out
from whygrad.why import harmful, influence, influences, ledger, settings, without
from whygrad.why.training_history import influence as module
from whygrad.why.training_history.functional import functional
from whygrad.why.training_history.influence import Judged, verdict
from whygrad.why.training_history.removals import Removals, sizes_of, turned
from whygrad.why.training_history.settings import promises_more
from whygrad.why.training_history.trajectory import trajectory

M = 120
DRAWS = np.random.default_rng(7)
CENTRES = DRAWS.normal(size=(3, 4))


def rows(m, seed, apart=1.0):
    rng = np.random.default_rng(seed)
    y = rng.integers(3, size=m)
    return apart * CENTRES[y] + 0.9 * rng.normal(size=(m, 4)), y


X, Y = rows(M, 1)
X_OUT, Y_OUT = rows(200, 2)


def trained(rule, X=X, y=Y, epochs=12, **more):
    net = wg.Network(4, [wg.Dense(6, "tanh"), wg.Dense(3, "softmax")], "cross_entropy")
    plan = Plan(net, rule, M, epochs=epochs, batch_size=10, **more)
    return trajectory(plan, start(plan), as_data(net, X, y))


@pytest.fixture(scope="module")
def calm():
    return trained(wg.SGD(0.03, momentum=0.8), epochs=8)


@pytest.fixture(scope="module")
def answer(calm):
    return influence(calm, X_OUT, y=Y_OUT)


def cost_of(made, theta):
    f = functional(made.plan.net, Names(), made.theta, X_OUT, Y_OUT, None, "cost")
    return f.value(theta)


def test_what_is_computed_comes_true_when_every_example_is_left_out(calm, answer):
    thetas = calm.again([leaving_out(M, np.array([i])) for i in range(M)])
    true = np.array([cost_of(calm, theta) for theta in thetas]) - answer.value
    ranks = [each.argsort().argsort() for each in (answer["by_example"], true)]
    assert np.corrcoef(*ranks)[0, 1] > 0.95
    off = np.abs(answer["by_example"] - true)
    assert (off <= answer["error"]).mean() >= 0.8
    assert answer.answer.startswith("Trust single examples") and answer["trusted"] == 1
    assert {int(i): change for i, change in answer["again"]} == {
        int(i): pytest.approx(true[int(i)], abs=1e-12) for i, _ in answer["again"]
    }


def test_the_strongest_three_and_the_first_of_either_sign_are_shown_with_their_true_effect(calm):
    counts = set()
    for found in influences(calm, X_OUT[:6], y=Y_OUT[:6]):
        by_example = found["by_example"]
        strongest = np.argsort(-np.abs(by_example), kind="stable")[:3].tolist()
        ends = [int(by_example.argmax()), int(by_example.argmin())]
        spoken_of = [*dict.fromkeys([*strongest, *ends])]
        assert found["again"][:, 0].tolist() == spoken_of
        listed = {row[1]: row[-1] for table in found.tables[:2] for row in table.rows}
        assert {i for i, true in listed.items() if true is not None} == {*spoken_of}
        counts.add(len(spoken_of))
    assert counts == {3, 4}


def test_sentences_speak_of_examples_that_were_trained_without_alone(answer):
    said = re.findall(
        r"example (\d+) .*? would (rise|fall).*?: (\S+) \(trained again\)", answer.answer
    )
    again = {int(i): change for i, change in answer["again"]}
    ends = max(again, key=again.get), min(again, key=again.get)
    expected = [
        (str(i), way, number(again[i], sign=True))
        for i, way in zip(ends, ("rise", "fall"), strict=True)
    ]
    assert said == expected and answer.answer.count("Without example") == 2
    made = trained(wg.Adam(0.02), epochs=20)  # of which some of the strongest are far off
    found = influence(made, X_OUT, y=Y_OUT)
    known = {int(i): change for i, change in found["again"]}
    best = found["by_example"] * (found["trusted"] == 1)
    for i, change in known.items():
        best[i] = change
    for i, most in re.findall(r"example (\d+) [^:]*? would (?:rise|fall)( most)?: ", found.answer):
        first = best[int(i)] in (best.min(), best.max())
        assert bool(most) == (first and found["trusted"] == 1)


def test_at_the_edge_of_stability_the_answer_begins_with_a_warning_and_shows_what_is_true_alone():
    made = trained(wg.SGD(1.5, momentum=0.9), epochs=20)
    found = influence(made, X_OUT, y=Y_OUT)
    assert found["growth"] > 7 and found["trusted"] == 0
    assert found.answer.startswith("Do not trust this: the run is at the edge of stability")
    shown = [row for table in found.tables[:2] for row in table.rows]
    assert shown and all(row[-1] is not None for row in shown)


def test_exact_trains_without_as_many_as_asked_for(calm):
    found = influence(calm, X_OUT, y=Y_OUT, exact=6)
    for i, change in found["again"]:
        theta = without(calm, int(i), X_OUT)["theta"]
        assert change == pytest.approx(cost_of(calm, theta) - found.value, abs=1e-12)
    assert len(found["again"]) == 6


def test_a_weight_is_asked_about_as_rows_are(calm):
    found = influence(calm, layer=1, to=2, from_=3)
    place = 2 * 4 + 3
    assert found.value == calm.theta[place] and found.part == "1:2,3"
    i = int(found["again"][0, 0])
    assert found["again"][0, 1] == without(calm, i, X[0])["theta"][place] - found.value
    assert found["by_example"][i] == pytest.approx(found["again"][0, 1], rel=0.5)


def test_several_numbers_are_answered_as_each_alone_in_one_walk(calm, monkeypatch):
    alone = [influence(calm, layer=1, to=j, from_=k) for j in (2, 4) for k in (3, "bias")]
    alone_rows = [influence(calm, X_OUT[i], y=Y_OUT[i : i + 1]) for i in range(3)]
    trained, walks = [], []
    again, walk = calm.retrain, module.adjoint

    def counted(changes, tell):
        trained.extend(np.flatnonzero(change.factors == 0).tolist() for change in changes)
        return again(changes, tell)

    def walked(*given):
        walks.append(len(given[1]))
        return walk(*given)

    monkeypatch.setattr(module, "adjoint", walked)
    made = replace(calm, retrain=counted)
    together = influences(made, weights=[(1, j, k) for j in (2, 4) for k in (3, "bias")])
    together_rows = influences(calm, X_OUT[:3], y=Y_OUT[:3])
    assert walks == [4, 3] and len({tuple(one) for one in trained}) == len(trained)
    for ours, theirs in zip(together + together_rows, alone + alone_rows, strict=True):
        assert (ours.answer, ours.value, ours.part) == (theirs.answer, theirs.value, theirs.part)
        scale = np.abs(theirs["by_example"]).max()
        np.testing.assert_allclose(ours["by_example"], theirs["by_example"], atol=1e-12 * scale)
        np.testing.assert_array_equal(ours["true"], theirs["true"])


def test_with_rescale_removals_are_those_of_without(calm):
    found = influence(calm, X_OUT, y=Y_OUT, rescale=True)
    i = int(found["again"][0, 0])
    theta = without(calm, i, X_OUT, rescale=True)["theta"]
    assert found["again"][0, 1] == pytest.approx(cost_of(calm, theta) - found.value, abs=1e-12)
    assert found["by_example"][i] == pytest.approx(found["again"][0, 1], rel=0.3)


def test_an_example_that_counts_for_nothing_changes_nothing():
    s = np.ones(N)
    s[[2, 9]] = 0
    found = influence(make_trajectory(ROW, sample_weight=s), np.ones(20), of=1)
    assert np.flatnonzero(found["by_example"] == 0).tolist() == [2, 9]


def test_pushes_that_cancel_are_said_to_in_the_first_sentence_and_others_are_not(calm):
    x = np.random.default_rng(5).normal(size=20)
    long = influence(make_trajectory(ROW, epochs=40), x, method="tracin")
    brief = influence(calm, X_OUT, y=Y_OUT, method="tracin")
    for found, cancels in ((long, True), (brief, False)):
        change = abs(found.value - found.terms[0].value)
        assert (np.abs(found["by_example"]).sum() > 5 * change) == cancels
        assert found.answer.startswith("Pushes of") == cancels


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"method": "tracing"}, "method is 'tracing': did you mean 'tracin'?"),
        ({}, "there are no rows here to ask about: give x, or layer= and to="),
        ({"layer": 1}, "a weight is meant by layer=, to= and from_= alone"),
        ({"layer": 1, "to": 0, "by": "z"}, "a weight is meant by layer=, to= and from_= alone"),
        ({"layer": 1, "to": 0, "method": "tracin"}, "what pushed a weight, its ledger says"),
        ({"x": X[0], "by": "cost"}, "the cost of x needs its target: give y"),
        ({"x": X[0], "top": 0}, "top is 0: it must be a whole number of at least 1"),
    ],
)
def test_what_cannot_be_asked_is_refused_in_one_line(calm, changes, message):
    with pytest.raises(wg.InputError) as error:
        influence(calm, **changes)
    assert str(error.value).startswith(message) and "\n" not in str(error.value)


def test_rows_and_targets_that_do_not_match_are_refused_before_the_walk(calm):
    for n in (2, 4):
        with pytest.raises(wg.InputError, match="but 3 examples and"):
            influences(calm, X_OUT[:3], y=Y_OUT[:n])


def test_rows_without_targets_judge_no_settings_and_no_examples(calm):
    for ask in (settings, harmful):
        with pytest.raises(wg.InputError, match="by the cost of rows: give x and y"):
            ask(calm, X_OUT)
    with pytest.raises(wg.InputError, match="one row is no two halves"):
        harmful(calm, X_OUT[:1], y=Y_OUT[:1])


def test_a_fitted_network_that_was_not_recorded_says_how_to_record_it():
    net = wg.Network(4, [wg.Dense(3, "softmax")], "cross_entropy")
    fitted = wg.train(net, X, Y, epochs=1)
    for ask in ("influence", "settings", "harmful"):
        with pytest.raises(wg.InputError, match=f"{ask} asks of a recorded training: train with"):
            getattr(fitted.why, ask)(X_OUT, Y_OUT)


def test_functions_of_ones_own_are_differenced_and_the_answer_says_so(calm):
    bump = wg.Activation("bump", lambda z: z / (1 + z * z), lambda z: (1 - z**2) / (1 + z**2) ** 2)
    net = wg.Network(3, [wg.Dense(2, bump), wg.Dense(1, "identity")], "squared_error")
    rng = np.random.default_rng(0)
    data = as_data(net, rng.normal(size=(9, 3)), rng.normal(size=(9, 1)))
    plan = Plan(net, wg.SGD(0.05), 9, epochs=1, batch_size=3)
    made = trajectory(plan, start(plan), data, engine="reference")
    rows = np.ones((2, 3)), np.ones((2, 1))
    notes = influence(made, rows[0], y=rows[1]).notes, settings(made, rows[0], y=rows[1]).notes
    assert all(any("of bump is not known" in note for note in each) for each in notes)
    known = influence(calm, calm.data.X[:2], y=calm.data.Y[:2]).notes
    assert not any("is not known" in note for note in known)


def test_settings_that_are_tried_show_what_they_truly_bring(calm):
    found = settings(calm, X_OUT, y=Y_OUT, attempt=True)
    (tried,) = found.tables[1:]
    assert "Trained again so" in found.answer and len(found["true"]) == len(tried.rows)
    for name, computed, true in tried.rows:
        assert true == pytest.approx(computed, rel=0.3), name
    rates = found["by_epoch"].sum() * 0.1
    rule = replace(calm.plan.optimizer, learning_rate=1.1 * 0.03)
    (theta,) = calm.again([Change(plan=replace(calm.plan, optimizer=rule))])
    assert cost_of(calm, theta) - found.value == pytest.approx(rates, rel=0.3)


def test_the_setting_of_the_table_that_promises_most_is_named(calm):
    found = settings(calm, X_OUT, y=Y_OUT)
    (table,) = found.tables
    of = {row[0]: row for row in table.rows}
    possible = {what: abs(row[4]) for what, row in of.items() if row[1] or row[4] < 0}
    most = max(possible, key=possible.get)
    assert most == "learning rate" or most in found.answer
    rows = [("l1", 0.0, 5.0, "+0.0001", 0.5), ("weight of a", 1.0, 3.0, "× 1.1", 0.3)]
    assert "weight of a, × 0.9, promises more: cost -0.3" in promises_more(rows, 0.1)
    assert promises_more(rows, -0.4) == "" and promises_more(rows[:1], 0.0) == ""


def test_a_slope_that_holds_for_no_change_of_that_size_is_not_shown_but_what_training_again_brings():
    # Adam divides what a penalty says of an input that was always 0 by no more than its epsilon.
    silent = trained(wg.Adam(0.003), X=X * [1, 1, 1, 0])
    found = settings(silent, X_OUT, y=Y_OUT)
    of = {row[0]: row for row in found.tables[0].rows}
    for what in ("l1", "l2"):
        assert abs(1e-4 * found[what]) > found.value and of[what][2] is None
        plan = replace(silent.plan, **{what: wg.Penalty(1e-4)})
        (theta,) = silent.again([Change(plan=plan)])
        assert of[what][3:] == ("+0.0001", cost_of(silent, theta) - found.value)
        assert f"A change of {what}, +0.0001, promises" not in found.answer
    assert any("No slope of l1 and l2 is shown" in note for note in found.notes)


def test_a_steep_slope_that_holds_is_shown_beside_what_training_again_brings(calm):
    plan = replace(calm.plan, l2=wg.Penalty(0.05))
    made = trajectory(plan, start(plan), calm.data)
    found = settings(made, X_OUT, y=Y_OUT)
    (row,) = [row for row in found.tables[0].rows if row[0] == "l2"]
    (theta,) = made.again([Change(plan=replace(plan, l2=wg.Penalty(0.05 + float(row[3]))))])
    assert abs(float(row[3])) == pytest.approx(0.005) and row[2] == found["l2"]
    assert (
        row[4]
        == cost_of(made, theta) - found.value
        == pytest.approx(float(row[3]) * row[2], rel=0.5)
    )
    assert "change of l2 brings was trained again" in " ".join(found.notes)


def test_what_is_to_take_off_more_than_the_whole_cost_is_recommended_only_where_it_was_trained():
    rows = [("l1", 0.0, -5e4, "+0.0001", -5.0), ("beta1", 0.9, -3.0, "+0.01", -0.03)]
    assert "beta1, +0.01, promises more" in promises_more(rows, 0.01, 0.5)
    said = promises_more(rows, 0.01, 0.5, {"l1": (1e-4, -0.2)})
    assert said == " A change of l1, +0.0001, brings more: cost -0.2, trained again."
    assert "beta1, +0.01, promises more" in promises_more(rows, 0.01, 0.5, {"l1": (1e-4, 0.2)})


def test_only_what_was_trained_is_said_where_single_examples_cannot_be_trusted():
    true = np.linspace(-1, 1, 8)
    assert _said(1, true, true).startswith("Trust single examples: ")
    assert _said(4, 0.1 * true, true).startswith("Trust the order, not the size, of groups of 4, ")


def _said(size, computed, true):
    return verdict("cost", Judged(1.0, size, (Removals(size, computed, true),), {}), 400, 1.0)


def test_wrong_labels_do_harm_and_leaving_them_out_is_judged_by_other_rows():
    (near, y), (far, y_far) = rows(M, 1, apart=3.0), rows(200, 2, apart=3.0)
    wrong = np.random.default_rng(3).choice(M, 12, replace=False)
    y[wrong] = (y[wrong] + 1) % 3
    made = trained(wg.SGD(0.03, momentum=0.8), near, y, epochs=25)
    found = harmful(made, far, y=y_far, seed=4)
    assert found.value < 0 and "took no part in finding them falls" in found.answer
    assert np.isin(found["examples"], wrong).mean() > 0.6
    judging = np.random.default_rng(4).permutation(200)[100:]
    f = functional(made.plan.net, Names(), made.theta, far[judging], y_far[judging], None, "cost")
    (theta,) = made.again([leaving_out(M, found["examples"])])
    assert found.value == pytest.approx(f.value(theta) - f.value(made.theta), abs=1e-12)
    rows_alone = [replace(f, X=f.X[i : i + 1], Y=f.Y[i : i + 1]) for i in range(100)]
    changes = np.array([one.value(theta) - one.value(made.theta) for one in rows_alone])
    assert found["error"] == pytest.approx(changes.std(ddof=1) / 10, rel=1e-9)
    assert -found.value > 2 * found["error"] and "from chance" not in found.answer


@pytest.mark.parametrize(
    "rules",
    [
        {"stopping": wg.Stopping(patience=1, on="validation_cost")},
        {"schedule": wg.OnPlateau(patience=1, on="validation_score")},
    ],
)
def test_a_rule_on_validation_data_that_are_not_there_is_told_in_a_line(rules):
    with pytest.raises(wg.InputError, match="goes by 'validation_.*', which needs validation data"):
        trained(wg.SGD(0.03), **rules)


def test_a_fall_that_rows_cannot_tell_from_chance_says_so(calm):
    told = set()
    for seed in range(12):
        found = harmful(calm, X_OUT[:60], y=Y_OUT[:60], seed=seed)
        chance = -2 * found["error"] <= found.value < 0
        assert chance == ("which these rows cannot tell from chance" in found.answer)
        told.add((found.value < 0, chance))
    assert told >= {(True, True), (False, False)}
    for count, seed, chance in (
        (100, 9, True),
        (140, 9, False),
    ):  # close to the bound, on both sides
        found = harmful(calm, X_OUT[:count], y=Y_OUT[:count], seed=seed)
        assert -found.value / found["error"] == pytest.approx(2, rel=0.1)
        assert ("from chance" in found.answer) == chance
    (one,) = {
        found.answer[-23:]
        for found in (harmful(calm, X_OUT[:2], y=Y_OUT[:2], seed=seed) for seed in range(6))
        if found.value < 0
    }
    assert one == "; one row proves little."[-23:]


def test_removals_are_trusted_by_their_order_and_not_by_chance():
    true = np.linspace(-1, 1, 16)
    assert Removals(1, 1.2 * true, true).settled
    assert Removals(1, -true, true).settled is False
    assert Removals(1, np.random.default_rng(0).normal(size=16), true).settled is False
    assert Removals(1, true, np.zeros(16)).settled is False
    assert Removals(1, true + 0.1, true).error == pytest.approx(0.2)
    assert sizes_of(2000) == [1, 20, 200] and sizes_of(5) == [1]


@pytest.mark.parametrize(("m", "settled"), [(8, None), (16, None), (24, False)])
def test_more_removals_are_asked_for_until_they_settle_it(m, settled):
    true, noise = np.linspace(-1, 1, m), np.random.default_rng(1).normal(size=m)
    off = np.linspace(0, 1, 400)
    near = next(x for x in off if Removals(1, true + x * noise, true).order < 0.9)
    assert 0.8 < Removals(1, true + near * noise, true).order < 0.9
    assert Removals(1, true + near * noise, true).settled is settled
    assert Removals(1, true, true).settled is (None if m == 8 else True)


def test_units_that_change_side_are_counted_and_forbid_trust(calm):
    assert turned(calm, [calm.theta]) == 0.0  # of tanh, which has no kink
    net = wg.Network(1, [wg.Dense(2, "relu"), wg.Dense(1, "identity")])
    plan = Plan(net, wg.SGD(1e-3), n=4, epochs=1, batch_size=4)
    points = np.array([[-2.0], [-1.0], [1.0], [2.0]])
    made = trajectory(plan, start(plan), as_data(net, points, points))
    theta = made.theta.copy()
    parameters = wg.Parameters(net.sizes, theta)
    parameters.W[1][:], parameters.b[1][:] = [[1.0], [1.0]], [0.0, 0.0]
    moved = theta.copy()
    wg.Parameters(net.sizes, moved).b[1][0] = 1.5  # -1 is above the first unit's kink now
    assert turned(replace(made, theta=theta), [moved, theta]) == 1 / 16
    true = np.linspace(-1, 1, 16)
    assert Removals(1, true, true, turned=0.1).settled is False
    said = verdict("cost", Judged(1.0, 0, (Removals(1, true, true, 0.1),), {}), 400, 1.0)
    assert "many units pass their kink" in said and "10.00% of units changed side" in said


def test_every_form_of_the_answers_can_be_written(calm, answer):
    for found in (answer, settings(calm, X_OUT, y=Y_OUT), harmful(calm, X_OUT, y=Y_OUT)):
        assert str(found) and found.html().startswith("<!DOCTYPE html>") and found.to_dict()
        assert found.svg().startswith("<svg")


def test_up_to_a_step_removals_are_trained_up_to_that_step(tmp_path):
    net = wg.Network(4, [wg.Dense(6, "tanh"), wg.Dense(3, "softmax")], "cross_entropy")
    keys = {"optimizer": "adam", "batch_size": 10, "seed": 2}
    wg.train(net, X, Y, epochs=6, record=tmp_path / "a.run", **keys)
    run = wg.open_run(tmp_path / "a.run")
    part = run.trajectory(24)
    (same, less) = part.again([Change(), leaving_out(M, np.array([5]))])
    np.testing.assert_array_equal(same, run.state(24).theta)
    wg.train(net, X, Y, epochs=2, record=tmp_path / "b.run", **keys)
    expected = wg.open_run(tmp_path / "b.run").why.without(5, X[0])["theta"]
    np.testing.assert_array_equal(less, expected)


@pytest.mark.parametrize("of", [(2, 0, 1), (2, 0), (1,)])
def test_a_ledger_shows_beside_its_largest_three_what_training_without_them_changes(calm, of):
    found = ledger(calm, *of, influence=True)
    largest = np.argsort(-np.abs(found["by_example"]))[:3].tolist()
    assert found["again"][:, 0].tolist() == largest
    thetas = [*calm.again([leaving_out(M, np.array([i])) for i in largest]), calm.theta]
    ends = [wg.Parameters(calm.plan.net.sizes, theta) for theta in thetas]
    layer, *place = of
    matrices = np.array([np.hstack([one.W[layer], one.b[layer][:, None]]) for one in ends])
    chosen = matrices[(slice(None), *(slice(i, i + 1) for i in place))]
    first = wg.Parameters(calm.plan.net.sizes, calm.start.theta)
    way = (
        chosen[-1]
        - np.hstack([first.W[layer], first.b[layer][:, None]])[
            tuple(slice(i, i + 1) for i in place)
        ]
    )
    direction = np.ones_like(way) if way.size == 1 else way / np.linalg.norm(way)
    true = ((chosen[:-1] - chosen[-1]) * direction).sum(axis=(1, 2))
    np.testing.assert_allclose(found["again"][:, 1], true, rtol=0, atol=1e-12)
    listed = {row[1]: row[-1] for table in found.tables for row in table.rows}
    assert [listed[i] for i in largest] == found["again"][:, 1].tolist()
    assert "again" not in ledger(calm, *of, influence=False).arrays


def test_a_ledger_trains_without_its_largest_three_by_itself_where_that_is_soon_done(calm):
    soon, long, unknown = (
        ledger(replace(calm, seconds=seconds), 2, 0, 1) for seconds in (0.001, 60.0, None)
    )
    assert soon["again"].tolist() == ledger(calm, 2, 0, 1, influence=True)["again"].tolist()
    assert "influence=True" not in soon.notes[0] and "Trained again without it" in soon.answer
    rounds = -(-3 // allowed_cores())
    times = "as long as the training" if rounds == 1 else f"{rounds} times as long as the training"
    for found, time in ((long, f"{f'{rounds * 60} s' if rounds == 1 else f'{rounds} min'}, {times}"),
                        (unknown, times)):  # fmt: skip
        assert "again" not in found.arrays
        assert found.notes[0].endswith(f"shows what that changes. That takes {time}.")
    by_hand = ledger(replace(calm, seconds=0.001), 2, 0, 1, influence=False)
    assert f"That takes less than a second, {times}." in by_hand.notes[0]
    stages = []
    ledger(replace(calm, seconds=0.01), 2, 0, 1, progress=stages.append)
    assert stages[0].trainings > rounds and str(stages[-1]).startswith("training again, 3 of 3")


def test_of_one_example_alone_a_ledger_trains_nothing_without_it():
    net = wg.Network(1, [wg.Dense(1, "identity")])
    plan = Plan(net, wg.SGD(0.1), n=1, epochs=3, batch_size=1)
    made = trajectory(plan, start(plan), as_data(net, [[1.0]], [[2.0]]))
    assert "again" not in ledger(replace(made, seconds=0.0), 1, 0, 0).arrays
