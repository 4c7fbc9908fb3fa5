"""What stands out of a run in the studio, and questions that take long: stages, cancelling, a cure."""

from dataclasses import replace
from functools import partial
from types import SimpleNamespace

import numpy as np
import pytest

import whygrad as wg
from browser import wait_for
from whygrad.diagnosis.answer import UNDECIDED, Diagnosis
from whygrad.errors import InputError
from whygrad.record import open_run
from whygrad.studio.session.asking import CANCELLED, Asking, fork_changes
from whygrad.studio.session.opened_run import OpenedRun
from whygrad.studio.session.questions import Question, answer, left_out
from whygrad.studio.session.session import Session
from whygrad.studio.session.subject import Chosen

DRAWS = np.random.default_rng(3)
X = DRAWS.normal(size=(80, 4))
Y = (X[:, :1] + X[:, 1:2] > 0).astype(float)
NET = wg.Network(4, [wg.Dense(6, "tanh"), wg.Dense(1, "sigmoid")], "binary_cross_entropy")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("diagnosed")
    for name, rate in (("slow", 1e-7), ("well", 0.5)):
        path = folder / f"{name}.run"
        given = {"epochs": 20, "batch_size": 20, "optimizer": wg.SGD(rate), "copy_data": True}
        wg.train(NET, X, Y, record=path, **given)
    return folder


def opened(folder, name):
    return OpenedRun(open_run(folder / f"{name}.run"))


class StopsAt(Asking):
    """Breaks itself off when so many stages were told."""

    def __init__(self, most):
        super().__init__()
        self.stages, self.most = [], most

    def take_note(self, stage):
        super().take_note(stage)
        self.stages.append(self.stage)
        if len(self.stages) == self.most:
            self.cancel()


LEARNING = Question("", "learning", Chosen())
OVER = (UNDECIDED, CANCELLED)  # as a training meanwhile is over or not, which the machine decides


def ask(asking, subject, question=LEARNING):
    return asking.answer(partial(answer, subject, question))


def told(ask):
    try:
        return ask().answer
    except InputError as error:
        return str(error)


def test_what_stands_out_of_a_run_is_told_with_the_network(folder):
    assert opened(folder, "slow").standing().startswith("the cost stands still at ")
    assert opened(folder, "well").standing() == ""


@pytest.mark.filterwarnings("ignore::whygrad.DivergenceWarning")
def test_the_line_of_a_run_is_of_the_fault_that_its_terminal_named(folder, tmp_path, capsys):
    net = wg.Network(4, [wg.Dense(1)])
    path = tmp_path / "risen.run"
    given = {"optimizer": wg.SGD(3.0), "batch_size": 80, "epochs": 30}
    wg.train(net, X, Y, record=path, progress=True, **given)
    said = [line for line in capsys.readouterr().err.splitlines() if "has risen" in line]
    risen = "the cost has risen from 0.9873 to "
    assert len(said) == 1
    assert said[0].startswith(risen)
    assert OpenedRun(open_run(path)).standing().startswith(risen)


def test_a_diagnosis_tells_its_stages_and_stopped_it_answers_with_what_it_has(folder):
    diagnosing = StopsAt(2)
    found = ask(diagnosing, opened(folder, "slow").subject())
    first, second = diagnosing.stages
    assert first == "it is trained as it stands"
    assert second.startswith("train for 200 epochs; ")
    untried = {finding.kind for finding in found.findings if finding.gain is None}
    assert untried >= {"optimizer", "units_few"}


def test_a_diagnosis_that_is_stopped_before_a_cure_is_tried_has_proven_nothing(folder):
    subject = opened(folder, "slow").subject()
    assert told(lambda: ask(StopsAt(1), subject)) in OVER


def test_a_diagnosis_that_is_broken_off_in_its_first_training_has_no_answer():
    def broken_off(progress):
        raise KeyboardInterrupt

    subject = SimpleNamespace(run=1, notice="", why=SimpleNamespace(learning=broken_off))
    with pytest.raises(InputError) as stopped:
        ask(Asking(), subject)
    assert str(stopped.value) == CANCELLED


def test_nothing_is_diagnosed_before_a_training(tmp_path):
    session = Session(tmp_path)
    with pytest.raises(InputError, match="there is no training yet to be diagnosed"):
        session.ask(Asking(), session.subject(), LEARNING)


def test_the_end_of_the_studio_breaks_a_diagnosis_off(folder):
    session = Session(folder)
    subject = opened(folder, "slow").subject()

    class Closes(Asking):
        def take_note(self, stage):
            session.close()

    assert told(lambda: session.ask(Closes(), subject, LEARNING)) in OVER
    assert told(lambda: session.ask(Asking(), subject, LEARNING)) in OVER  # nor does one begin then


LONG = {
    "influence": Question("", "influence", Chosen()),
    "who taught it": Question("", "tracin", Chosen()),
    "without": Question("", "without", Chosen(), left_out=(3, 4)),
    "ledger": Question("1:0,1", "ledger", Chosen()),
}


@pytest.mark.parametrize("name", LONG)
def test_what_takes_long_says_how_much_is_done_and_ends_when_it_is_cancelled(folder, name):
    subject = opened(folder, "well").subject()

    class Follows(StopsAt):
        def take_note(self, stage):
            super().take_note(stage)
            parts.append(self.part)

    parts = []
    whole = Follows(10**9)
    assert ask(whole, subject, LONG[name]).kind in name or name == "who taught it"
    known = [part for part in parts if part is not None]
    assert known
    assert all(0 <= part <= 1 for part in known)
    cancelled = StopsAt(1)
    with pytest.raises(InputError, match=CANCELLED):
        ask(cancelled, subject, LONG[name])
    assert len(cancelled.stages) <= 2  # of which the last was told that it is the end


def test_examples_to_leave_out_are_read_as_a_person_writes_them(folder):
    subject = opened(folder, "well").subject()
    assert left_out(subject, " 3, 17 3") == (3, 17)
    for text in ("", "3 and 4", "-1", "1.5"):
        with pytest.raises(InputError, match="give numbers of training examples, 0 to 79"):
            left_out(subject, text)
    with pytest.raises(InputError, match="example 80: the training examples are 0 to 79"):
        left_out(subject, "80")
    found = answer(subject, Question("", "without", Chosen(), left_out=(3, 4)))
    expected = subject.run.without([3, 4])
    x = subject.examples(Chosen())[0]
    after = wg.forward(NET, expected.theta, x).a[-1][0, 0]
    before = wg.forward(NET, subject.theta, x).a[-1][0, 0]
    assert abs(found.value) == pytest.approx(abs(after - before), rel=1e-5)


@pytest.mark.parametrize(
    ("changes", "fork"),
    [
        ({"optimizer": wg.SGD(0.3)}, {"learning_rate": 0.3}),
        ({"optimizer": wg.Adam()}, {"learning_rate": 0.001, "optimizer": "adam"}),
        ({"optimizer": wg.SGD(0.05, momentum=0.9)}, {}),
        ({"epochs": 200, "l2": 0.0}, {"epochs": 200, "l2": 0.0}),
        ({"clip": None}, {}),
        ({}, {}),
    ],
)
def test_a_cure_that_a_fork_can_have_becomes_its_settings(folder, changes, fork):
    found = Diagnosis("learning", "", "", changes=changes)
    plan = opened(folder, "slow").run.plan
    assert fork_changes(plan, found) == fork
    if fork.get("optimizer"):
        assert fork_changes(replace(plan, optimizer=wg.LBFGS(), batch_size=plan.n), found) == fork


def test_the_cure_that_is_proven_is_told_as_changes_of_a_fork(folder):
    answer = open_run(folder / "slow.run").why.learning()
    assert answer.findings[0].status == "proven"
    run = open_run(folder / "slow.run")
    assert set(answer.changes) <= {"optimizer", "epochs", "batch_size"}
    assert run.fork(0, **answer.changes).history.cost[-1] < 0.9 * run.history.cost[-1]


def test_what_is_wrong_is_asked_and_stopped_on_the_page(served, browser, tmp_path):
    given = {"epochs": 1000, "batch_size": 1, "optimizer": wg.SGD(1e-9), "copy_data": True}
    wg.train(NET, X, Y, record=tmp_path / "slow.run", **given)
    studio = served(tmp_path, "slow.run")
    browser.open(studio.url)
    browser.has("The cost stands still at ")
    browser.by_role("button", "What is wrong?").click()
    wait_for(lambda: " compared" in browser.text(), "a first cure that was compared")
    browser.by_role("button", "Cancel").click()
    browser.has("Why isn't it learning?")
    browser.screenshot("what-is-wrong")
    assert browser.foreign(studio) == []
    assert browser.complaints() == []
