"""What moved a weight and who pushed a prediction, asked of recorded runs and their forks."""

from functools import partial

import numpy as np
import pytest

import whygrad as wg

tracin = partial(wg.why.influence, method="tracin")
X = np.random.default_rng(0).normal(size=(60, 5))
Y = np.arange(60) % 3
BEST = wg.Stopping(patience=2, restore_best=True, on="validation_cost")
EPSILON = np.finfo(np.float64).eps


def record(folder, optimizer, epochs=5, **options):
    layers = [wg.Dense(6, "tanh", dropout=0.1), wg.Dense(3, "softmax")]
    net = wg.Network(5, layers, "cross_entropy")
    wg.train(
        net, X[:50], Y[:50], optimizer=optimizer, epochs=epochs, batch_size=7, record=folder,
        validation=(X[50:], Y[50:]), **options,
    )  # fmt: skip
    return wg.open_run(folder)


RULES = {"adam": wg.Adam(0.01), "momentum": wg.SGD(0.3, momentum=0.9)}


@pytest.mark.parametrize("rule", RULES)
def test_the_ledger_of_a_run_and_of_its_forks_ends_with_their_parameters(tmp_path, rule):
    run = record(tmp_path / "a.run", RULES[rule], stopping=BEST, epochs=40)
    fork = run.fork(11, learning_rate=0.003, epochs=8, stopping=None, record=tmp_path / "fork.run")
    less = run.without([3, 5], record=tmp_path / "less.run")
    for one in (run, fork, less):
        found = wg.why.ledger(one, layer=2, to=1, from_=4)
        assert found.value == one.theta.W[2][1, 4]
        assert abs(found.residuals["rounding"]) <= 1e-13
    names = [term.name for term in wg.why.ledger(fork, layer=2, to=1, from_=4).terms]
    assert names[-1] == "momentum carried over"
    assert not wg.why.ledger(less, layer=1, to=2)["by_example"][[3, 5]].any()


def test_a_fork_that_ends_with_its_parents_best_parameters_sends_to_the_parent(tmp_path):
    run = record(tmp_path / "a.run", RULES["adam"], stopping=BEST, epochs=40)
    best = run.state(run.step).early_stopping.best_step
    fork = run.fork(best + 3, learning_rate=0.1, record=tmp_path / "fork.run")
    assert fork.state(fork.step).early_stopping.best_step == best
    with pytest.raises(wg.InputError) as caught:
        wg.why.ledger(fork, layer=2, to=1, from_=4)
    assert str(caught.value) == (
        f"fork.run ended with the best parameters of its parent, those of step {best}, before it began "
        f"itself at step {best + 3}: ask that run"
    )


@pytest.mark.parametrize("rule", RULES)
def test_without_ends_as_the_run_without_the_examples_does(tmp_path, rule):
    run = record(tmp_path / "a.run", RULES[rule])
    found = wg.why.without(run, [3, 5], X[55], y=Y[55:56])
    less = run.without([3, 5], record=tmp_path / "less.run")
    np.testing.assert_array_equal(found["theta"], less.theta.flat)
    again = wg.why.without(less, 8, X[55])
    all_three = run.without([3, 5, 8], record=tmp_path / "three.run")
    np.testing.assert_array_equal(again["theta"], all_three.theta.flat)


@pytest.mark.parametrize("rule", RULES)
def test_the_pushes_of_a_run_add_up(tmp_path, rule):
    run = record(tmp_path / "a.run", RULES[rule], schedule="cosine", l2=wg.Penalty(0.01, "step"))
    found = tracin(run, X[55], by="z", of=2)
    total = sum(term.value for term in found.terms) + sum(found.residuals.values())
    assert total == pytest.approx(found.value, rel=1e-13)
    assert abs(found.residuals["rounding"]) <= 1e-13 * np.abs(found["by_example"]).sum()
    assert found.terms[-1].name == "decay"


def test_of_lbfgs_there_is_no_ledger(tmp_path):
    net = wg.Network(5, [wg.Dense(3, "softmax")], "cross_entropy")
    wg.train(net, X, Y, optimizer="lbfgs", epochs=3, record=tmp_path / "a.run")
    run = wg.open_run(tmp_path / "a.run")
    for ask in (lambda: wg.why.ledger(run, 1, 0, 0), lambda: wg.why.influence(run, X[0])):
        with pytest.raises(wg.InputError, match="L-BFGS moves by all examples at once"):
            ask()


def test_a_run_is_asked_of_its_training_by_its_own_why(tmp_path):
    run = record(tmp_path / "a.run", RULES["adam"])
    one = run.why.ledger(2, 1, 4)
    assert one.to_dict() == wg.why.ledger(run, layer=2, to=1, from_=4).to_dict()
    assert run.why.influence(X[55]).to_dict() == wg.why.influence(run, X[55]).to_dict()
    assert run.why.influence(5, by="a").to_dict() == run.why.influence(X[55]).to_dict()
    mean = run.why.influence()
    assert mean.value == pytest.approx(wg.why.influence(run, X[50:], y=Y[50:], by="cost").value)
    found, expected = run.why.without([3], 5), wg.why.without(run, [3], X[55:56], y=Y[55:56])
    assert found.to_dict() == expected.to_dict()
    named = run.why.named(outputs=["a", "b", "c"])
    pushed = named.influence(5, of="b", method="tracin")
    assert pushed.question.endswith("output for b?")
    assert [term.name for term in pushed.terms[1:4]] == [
        "pushed by a",
        "pushed by b",
        "pushed by c",
    ]
    said = [term.name for term in named.ledger(2, "b", 4).terms[1:4]]
    assert said == ["examples of a", "examples of b", "examples of c"]
    for outside in (-1, 10):
        with pytest.raises(wg.InputError, match=f"row {outside}: the validation rows are 0 to 9"):
            run.why.influence(outside)


def test_what_was_not_recorded_says_how_to_record_it():
    net = wg.Network(5, [wg.Dense(3, "softmax")], "cross_entropy")
    fitted = wg.train(net, X, Y, epochs=1)
    with pytest.raises(wg.InputError) as caught:
        fitted.why.ledger(1, 0, 0)
    assert str(caught.value) == (
        "ledger asks of a recorded training: train with record=, then ask open_run(…).why"
    )


def test_penalties_that_are_the_largest_part_of_a_weight_are_named(tmp_path):
    run = record(tmp_path / "a.run", RULES["momentum"], l2=wg.Penalty(3.0))
    found = run.why.ledger(1, 0, 0)
    most = max(found.terms[1:], key=lambda term: abs(term.value))
    assert most.name == "penalties" and "The largest part is that of penalties" in found.answer
