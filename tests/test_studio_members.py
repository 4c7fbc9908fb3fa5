"""Several networks in the studio: a quality is chosen, they are trained at somebody's word, and asked."""

import shutil

import numpy as np
import pytest

import whygrad as wg
from browser import wait_for
from houses import houses
from whygrad.pipeline.fit import find
from whygrad.pipeline.settings import Settings
from whygrad.record.members import record_members
from whygrad.studio.session.controls import start_label
from whygrad.studio.session.opened_run import OpenedRun
from whygrad.studio.session.questions import Question, answer, title_of
from whygrad.studio.session.session import Session
from whygrad.studio.session.subject import Chosen

ONE = Chosen("test", "one", 0)


def over(session):
    found = wait_for(lambda: session.status.over and session.status, "the end of the training")
    session.follow()
    return found


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A run that was paused at its first step, closed in its second network, and resumed."""
    folder = tmp_path_factory.mktemp("studio")
    houses(folder, rows=60)
    session = Session(folder)
    session.load("houses.csv", "kind")
    session.set(quality="default", epochs=3, seed=1, engine="reference")
    session.go("step")
    paused = wait_for(lambda: session.status.kind == "paused" and session.status)
    session.set_speed(20.0)
    session.go()
    cut = wait_for(lambda: session.status.message == "network 2 of 8" and session.status)
    session.follow()
    session.stop()
    broken = OpenedRun.open(session.opened_run.path)
    epochs = len(broken.run.member(3).history.epochs)
    shown = (paused, cut, broken.run.concluded, epochs, start_label(broken))
    session.set_speed(None)
    session.go()
    ended = over(session)
    yield session, shown, ended
    session.close()


def test_networks_are_trained_one_by_one_and_can_be_paused_cut_off_and_resumed(trained):
    session, (paused, cut, concluded, epochs, label), ended = trained
    assert (paused.step, cut.step, cut.epoch) == (1, 6, 3)
    assert concluded and epochs == 0  # the average is that of the networks which had an epoch
    assert (ended.kind, ended.message) == ("ended", "all epochs done")
    assert (label, start_label(session.opened_run)) == ("Go on", "More epochs")
    run = wg.open_run(session.opened_run.path)
    assert [len(run.member(k).history.epochs) for k in range(1, 9)] == [3] * 8
    assert len(run.average.members) == 8 and run.evaluate() == run.scores


def test_a_run_without_the_folder_of_one_network_can_be_gone_on_with(trained, tmp_path):
    path = tmp_path / "copy.run"
    shutil.copytree(trained[0].opened_run.path, path)
    shutil.rmtree(path / "members" / "5.run")
    assert start_label(OpenedRun.open(path)) == "Go on"


def test_their_bits_are_those_of_networks_trained_side_by_side(trained, tmp_path):
    session = trained[0]
    given = Settings(quality="default", epochs=3, seed=1, engine="reference")
    table = str(session.folder / "houses.csv")
    record_members(tmp_path / "a.run", find(table, "kind"), given)
    own, other = wg.open_run(session.opened_run.path), wg.open_run(tmp_path / "a.run")
    assert own.scores == other.scores
    for k in (1, 2, 8):
        assert own.member(k).theta.flat.tobytes() == other.member(k).theta.flat.tobytes()


def test_at_the_last_step_the_average_is_asked_and_before_it_the_first_network(trained):
    session = trained[0]
    run = session.opened_run.run
    asked = answer(session.subject(), Question("", "prediction", ONE))
    x = session.subject().examples(ONE)[0]
    z = run.average.z(np.float32(x))[0, 0]
    assert abs(asked.arrays["output"]) == pytest.approx(abs(float(z)), rel=1e-5)
    early = answer(session.subject(2), Question("", "prediction", ONE))
    assert early.notes[-1].startswith("This is the first of 8 networks")
    assert asked.answer.startswith("The average of 8 networks says ")
    assert early.answer.startswith("The network says ")
    assert title_of(session.subject(), "", ONE).startswith("The first of 8 networks says ")
    alone = wg.Fitted(run.net, session.subject(2).theta).predict(np.float32(x))[0, 0]
    assert abs(early.arrays["output"]) == pytest.approx(abs(np.log(alone / (1 - alone))), rel=1e-4)


def test_a_run_of_several_networks_is_opened_with_its_rows_and_its_quality(trained):
    session, path = trained[0], trained[0].opened_run.path
    other = Session(session.folder)
    other.open(path)
    assert other.opened_run.notice == "" and set(other.opened_run.rows()) == {
        "training",
        "validation",
        "test",
    }
    assert other.config.settings.quality == "default"
    member = Session(session.folder, wg.open_run(path / "members" / "2.run"))
    assert member.opened_run.notice == ""
    other.close()
    member.close()


def test_what_is_changed_by_hand_is_a_network_of_ones_own_until_a_quality_is_chosen(tmp_path):
    houses(tmp_path, rows=60)
    session = Session(tmp_path)
    session.load("houses.csv", "kind")
    session.set(quality="fast")
    sizes = session.config.ready.training.plan.net.sizes
    assert sizes[1:] == (64, 64, 1)
    session.edit("add_unit", 1)
    assert session.config.settings.quality is None and session.config.hidden == (65, 64)
    assert session.config.ready.training.plan.net.sizes == (3, 65, 64, 1)
    session.set(quality="fast")
    assert session.config.ready.training.plan.net.sizes == sizes
    session.set(dropout=0.5)
    assert session.config.settings.quality is None and session.config.settings.dropout == 0.5
