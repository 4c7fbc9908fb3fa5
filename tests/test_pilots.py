"""Pilots: members of an ensemble that set rows aside, and say how long the others learn from all rows."""

import shutil
from dataclasses import replace

import numpy as np
import pytest

import whygrad as wg
from command import whygrad
from whygrad.fitted import fitted_of
from whygrad.nn.arrays import Data
from whygrad.pipeline import settings
from whygrad.pipeline.fit import find, prepare_training, scored
from whygrad.pipeline.members import epochs_found, network_of, train_each
from whygrad.pipeline.recipe import Recipe, recommended, shortened
from whygrad.pipeline.settings import Settings
from whygrad.pipeline.thresholds import threshold_for
from whygrad.record import members
from whygrad.training.epochs import Epoch, History
from whygrad.training.loop import INTERRUPTED

RECIPE = Recipe(members=4, hidden=(16,), bins=4, epochs=12, learning_rate=0.05, pilots=2)
GIVEN = Settings(quality="best", engine="reference", seed=1)


@pytest.fixture(autouse=True)
def _of_few_rows(monkeypatch):
    monkeypatch.setattr(settings, "recommended", lambda *about: RECIPE)


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    """Return a table of classes that are half chance, so that the last epoch is not the best one."""
    draws, path = np.random.default_rng(5), tmp_path_factory.mktemp("tables") / "noisy.csv"
    X = draws.normal(size=(60, 3))
    kind = np.where(X[:, 0] + 2 * draws.normal(size=60) > 0, "yes", "no")
    rows = [",".join([*(f"{x:.4f}" for x in row), y]) for row, y in zip(X, kind, strict=True)]
    path.write_text("\n".join(["a,b,c,kind", *rows]))
    return path


@pytest.fixture
def source(table):
    return find(str(table), "kind")


@pytest.fixture
def trained(source, tmp_path):
    path = tmp_path / "kind.run"
    return members.record_members(path, source, GIVEN), wg.open_run(path)


def best_epochs(run):
    return [1 + int(np.argmin(run.member(k).history.validation_cost)) for k in (1, 2)]


def test_the_others_learn_from_all_rows_for_the_mean_of_the_pilots_best_epochs(trained):
    result, run = trained
    best = best_epochs(run)
    assert (run.members, run.pilots) == (4, 2) and max(best) < RECIPE.epochs
    for k in (1, 2):
        one = run.member(k)
        assert (len(one.data.Y), len(one.validation.Y)) == (42, 6) and one.plan.epochs == 12
    for k in (3, 4):
        one = run.member(k)
        assert len(one.data.Y) == 48 and one.validation is None
        assert one.plan.epochs == len(one.history.epochs) == round(sum(best) / 2)
        assert (one.settings.epochs, one.settings.validation) == (one.plan.epochs, 0)
        assert one.plan.seed == 100 + k - 1
        assert str(one.replay().verdict).endswith("equal to the last bit")
    assert len(result.fitted.members) == 4
    assert run.evaluate() == run.scores == result.scores


def test_what_is_recorded_has_the_bits_of_what_is_not(trained):
    result, _ = trained
    parts = [result.ready.part(name) for name in ("training", "validation")]
    X, Y = (np.concatenate([getattr(part, name) for part in parts]) for name in "XY")
    order = np.argsort(np.concatenate([result.parts.training, result.parts.validation]))
    net = network_of(RECIPE, X.shape[1], 1, True)
    alone = train_each(RECIPE, net, Data(X[order], Y[order]), 1, engine="reference", cores=1)
    for one, recorded in zip(alone, result.fitted.members, strict=True):
        assert one.theta.flat.tobytes() == recorded.theta.flat.tobytes()


@pytest.mark.parametrize("cut_off", ["1.run", "2.run", "3.run", "4.run"])
def test_what_was_cut_off_is_resumed_with_the_bits_of_what_never_was(
    cut_off, source, trained, tmp_path, monkeypatch
):
    path, go_on = tmp_path / "cut.run", members.go_on

    def cut(folder, training, known, observers, *more, **by):
        if folder.name == cut_off or (cut_off == "1.run" and folder == path):
            observers = [*observers, lambda report: report.state.epoch == 3]
        return go_on(folder, training, known, observers, *more, **by)

    def ended(*about):
        raise KeyboardInterrupt

    monkeypatch.setattr(members, "go_on", cut)
    # As if the process had been killed between one training and the next.
    monkeypatch.setattr(members, "epochs_found" if cut_off < "3" else "scored", ended)
    with pytest.raises(KeyboardInterrupt):
        members.record_members(path, source, GIVEN)
    monkeypatch.undo()
    monkeypatch.setattr(settings, "recommended", lambda *about: RECIPE)
    assert wg.open_run(path).members == 4
    resumed, whole = wg.open_run(path).resume(), trained[1]
    for k in range(1, 5):
        assert resumed.member(k).theta.flat.tobytes() == whole.member(k).theta.flat.tobytes()
    assert resumed.scores == whole.scores and resumed.manifest["seconds"] != 0
    with pytest.raises(wg.InputError, match="has ended"):
        resumed.resume()


def test_a_threshold_is_chosen_by_the_pilots_alone(source, tmp_path):
    path = tmp_path / "aim.run"
    result = members.record_members(path, source, replace(GIVEN, aim="f1"))
    run = wg.open_run(path)
    pilots = [run.member(k) for k in (1, 2)]
    p = np.concatenate([one.fitted.predict(one.validation.X)[:, 0] for one in pilots])
    true = np.concatenate([one.validation.Y[:, 0] > 0.5 for one in pilots])
    chosen, note = threshold_for("f1", p, true, "yes")
    assert run.encoding.target.threshold == pytest.approx(chosen, rel=1e-6)
    assert note in result.encoding.notes and run.evaluate() == run.scores


def test_where_validation_rows_are_asked_for_every_member_sets_some_aside(source, tmp_path):
    path = tmp_path / "asked.run"
    members.record_members(path, source, replace(GIVEN, validation=0.25, epochs=2))
    run = wg.open_run(path)
    assert run.pilots == 4 and all(len(run.member(k).validation.Y) == 12 for k in range(1, 5))


def test_the_command_says_how_long_the_others_learned(table, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    words = ("--quality", "best", "--engine", "reference", "--no-comparison", "--target", "kind")
    said = whygrad("train", table, *words)
    assert said.code == 0 and "4/4 trainings" in said.err
    epochs = round(sum(best_epochs(wg.open_run("noisy.run"))) / 2)
    shown = " ".join(whygrad("show", "noisy.run").out.split())
    assert f"for the mean of their best epochs, {epochs}" in shown
    assert whygrad("report", "noisy.run", "-o", "noisy.html").code == 0
    page = (tmp_path / "noisy.html").read_text()
    assert "each of the first 2 sets aside other ones" in page


def of_costs(*costs, stopped="all epochs done"):
    net = wg.Network(1, (wg.Dense(1),), "squared_error")
    epochs = tuple(Epoch(0.0, 0.1, cost) for cost in costs)
    return wg.Fitted(net, net.init(0), History(epochs, stopped))


def test_the_epochs_found_are_the_mean_of_the_best_ones():
    assert epochs_found([of_costs(3.0, 1.0, 2.0), of_costs(4.0, 3.0, 2.0, 1.0)]) == 3
    assert epochs_found([of_costs(np.nan, 1.0)]) == 2 and epochs_found([of_costs(np.nan)]) == 1
    assert epochs_found([of_costs(1.0), None]) is None
    assert epochs_found([of_costs(1.0, stopped="interrupted")]) is None


def test_pilots_are_given_up_where_there_is_no_time_to_wait_for_them():
    recipe = replace(recommended(20_000, 8, 0, "best"), epochs=60)
    rounds = -(-recipe.members // 2)
    enough = rounds * 60 * 0.1 / (1 - recipe.share)
    assert shortened(recipe, 0.1, enough * 1.001, 2) == recipe
    assert shortened(recipe, 0.1, enough * 0.999, 2).pilots == 0
    assert shortened(recipe, 0.1, 12.1, 2) == replace(recipe, pilots=0, members=4)


def test_pilots_and_those_that_wait_for_them_are_two_rounds_on_any_cores():
    recipe = replace(recommended(20_000, 8, 0, "best"), epochs=60)
    whole = 60 * 0.1 / (1 - recipe.share)
    for cores, rounds in ((1, 10), (2, 5), (6, 3), (16, 2)):
        assert shortened(recipe, 0.1, rounds * whole * 1.001, cores) == recipe
        assert shortened(recipe, 0.1, rounds * whole * 0.999, cores).pilots == 0


def test_metrics_are_measured_where_there_are_rows_for_them(source, tmp_path):
    path = tmp_path / "measured.run"
    asked = replace(GIVEN, metrics=("roc_auc", "training_accuracy"))
    members.record_members(path, source, asked)
    run = wg.open_run(path)
    found = [set(run.member(k).history.epochs[0].metrics) for k in range(1, 5)]
    assert found == 2 * [{"roc_auc", "training_accuracy"}] + 2 * [{"training_accuracy"}]


def test_a_threshold_is_chosen_where_no_epoch_is_over(source):
    ready = prepare_training(source, replace(GIVEN, aim="f1"))
    early = fitted_of(ready.training.plan, ready.training.state, History((), INTERRUPTED))
    result = scored(ready, [early, None, None, None], 0.0)
    assert result.encoding.target.threshold is not None and result.stopped == INTERRUPTED


def test_a_run_is_shown_that_a_kill_left_without_its_members(trained):
    _, run = trained
    shutil.rmtree(run.path / "members" / "4.run")
    shown = whygrad("show", run.path)
    assert shown.code == 0 and "the mean of their best epochs" in " ".join(shown.out.split())
    assert whygrad("resume", run.path).code == 0
    found = round(sum(best_epochs(run)) / 2)
    again = whygrad("show", run.path)
    assert f"best epochs, {found}" in " ".join(again.out.split())
    assert whygrad("resume", run.path, "--epochs", 14).code == 0
    again = whygrad("show", run.path)
    assert f"best epochs, {found}" in " ".join(again.out.split())


def test_copied_rows_suffice_for_members_that_waited(table, trained, tmp_path, monkeypatch):
    path, here = tmp_path / "copied.run", tmp_path / "noisy.csv"
    shutil.copy(table, here)
    with monkeypatch.context() as patch:
        patch.setattr(members, "epochs_found", lambda fits: None)  # as after Ctrl-C
        members.record_members(path, find(str(here), "kind"), GIVEN, copy_data=True)
    here.unlink()
    resumed, whole = wg.open_run(path).resume(), trained[1]
    for k in range(1, 5):
        one = resumed.member(k)
        assert one.theta.flat.tobytes() == whole.member(k).theta.flat.tobytes()
        assert str(one.replay().verdict).endswith("equal to the last bit")
    assert resumed.scores == whole.scores
