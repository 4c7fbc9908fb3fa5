"""Who waits for a diagnosis sees what is tried, and whoever breaks it off is told what that leaves open."""

import json

import numpy as np
import pytest

import whygrad as wg
from command import whygrad
from whygrad.diagnosis import trials
from whygrad.diagnosis.answer import UNDECIDED
from whygrad.diagnosis.cures import cures
from whygrad.diagnosis.setting import Setting
from whygrad.diagnosis.symptoms import Symptom
from whygrad.diagnosis.task import task_of

DRAWS = np.random.default_rng(3)
X = DRAWS.normal(size=(80, 4))
Y = (X[:, :1] + X[:, 1:2] > 0).astype(float)
NET = wg.Network(4, [wg.Dense(6, "tanh"), wg.Dense(1, "sigmoid")], "binary_cross_entropy")
SLOW = {"epochs": 20, "batch_size": 20, "optimizer": wg.SGD(1e-7)}
NEARLY = Setting(NET, X, Y, X, Y, task_of(Y, 1, True), Y, SLOW)
SIGNS = [Symptom("learning_rate_low", 1.0, "slow"), Symptom("labels_corrupted", 1.0, "wrong")]


@pytest.fixture(scope="module")
def slow(tmp_path_factory):
    path = tmp_path_factory.mktemp("slow") / "slow.run"
    wg.train(NET, X, Y, record=path, copy_data=True, **SLOW)
    return path


def test_every_stage_is_told_with_the_best_gain_so_far():
    stages = []
    answer = wg.diagnose(NET, X, Y, progress=stages.append, **SLOW)
    assert str(stages[0]) == "it is trained as it stands"
    assert [stage.compared for stage in stages] == sorted(stage.compared for stage in stages)
    assert f"{stages[-1].best:.3f}" in str(stages[-1])
    gains = [finding.gain for finding in answer.findings if finding.gain is not None]
    assert 0 < stages[-1].best <= max(gains)


def test_ctrl_c_ends_the_search_as_if_the_time_were_over(monkeypatch):
    def interrupted(settings):
        raise KeyboardInterrupt

    monkeypatch.setattr(trials, "trained_or_none", interrupted)
    stages = []
    answer = wg.diagnose(NET, X, Y, progress=stages.append, **SLOW)
    assert answer.answer == UNDECIDED
    assert len(stages) == 2
    assert answer.changes == {}
    assert {(finding.status, finding.gain) for finding in answer.findings} == {("possible", None)}


def test_ctrl_c_while_labels_are_told_without_their_rows_keeps_what_was_compared(monkeypatch):
    def interrupted(kind, setting):
        if kind == "labels_corrupted":
            raise KeyboardInterrupt
        return cures(kind, setting)

    monkeypatch.setattr(trials, "cures", interrupted)
    (base,) = trials.train_all([NEARLY])
    best, _, reached = trials.search(base, SIGNS, seconds=30.0)
    assert {kind for trial in best for kind in trial.kinds} == reached == {"learning_rate_low"}


def test_a_kind_whose_cure_turns_out_to_be_none_is_not_left_for_want_of_time(monkeypatch):
    monkeypatch.setattr(trials, "cures", lambda kind, setting: [])
    (base,) = trials.train_all([NEARLY])
    assert trials.search(base, SIGNS[1:], seconds=30.0) == ([], [], {"labels_corrupted"})


def test_what_was_not_tried_is_listed_with_its_first_cure():
    answer = wg.diagnose(NET, X, Y, seconds=0, **SLOW)
    assert answer.answer == UNDECIDED
    listed = {row[0]: row[2] for row in answer.tables[0].rows}
    assert listed["epochs_few"] == "train for 200 epochs"


def test_sentences_stand_in_tables_that_a_terminal_can_show(slow):
    answer = wg.open_run(slow).why.learning()
    assert [table.columns for table in answer.tables] == [
        ("kind", "status", "cure", "gain", "±"),
        ("kind", "seen"),
    ]
    seen = {row[0]: row[1] for row in answer.tables[1].rows}
    assert seen == {finding.kind: finding.evidence for finding in answer.findings}


def test_the_doctor_prints_its_answer_and_says_beside_it_how_long_it_takes(slow):
    result = whygrad("doctor", slow, "--seconds", "0.001", "--json")
    assert result.code == 0
    assert json.loads(result.out)["answer"] == UNDECIDED
    assert result.lines == [
        "whygrad: It is trained again with cures, for up to 0.001 s; Ctrl-C ends that, and what was found "
        "by then is the answer."
    ]


@pytest.mark.parametrize("name", ["model.keras", "model.onnx", "model.safetensors"])
def test_a_model_alone_is_refused_with_what_the_doctor_needs(tmp_path, name):
    path = tmp_path / name
    path.touch()
    result = whygrad("doctor", path)
    assert (result.code, result.out) == (2, "")
    assert result.lines == [
        f"whygrad: {path}: a model alone does not say how it was trained, nor on what: give a run, "
        f"or in Python the rows, whygrad.diagnose(whygrad.explain({str(path)!r}), X, y)"
    ]
