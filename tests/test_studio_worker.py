"""The training process of the studio: exact to the step, to be paused, closed and killed at any moment."""

import pytest

from whygrad.fitting import find
from whygrad.record import open_run
from whygrad.record.replay import same_state
from whygrad.record.rows import record_table
from whygrad.settings import Settings
from whygrad.studio.worker import Worker

QUICK = Settings(hidden=(5, 4), epochs=6, engine="reference", seed=3)


def paused_at(step):
    return lambda status: status.kind == "paused" and status.step == step


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The same training, at once."""
    path = tmp_path_factory.mktemp("whole") / "whole.run"
    record_table(path, find("iris", seed=3), QUICK)
    return open_run(path)


def assert_same_run(run, whole):
    """Every cost, every statistic, every epoch and the end are the same bits."""
    assert run.costs.tobytes() == whole.costs.tobytes()
    assert run.statistics.values.tobytes() == whole.statistics.values.tobytes()
    assert run.history.epochs == whole.history.epochs
    assert same_state(run.state(run.step), whole.state(whole.step))
    assert run.scores == whole.scores


def test_a_paused_training_stands_exactly_where_it_says_and_ends_as_one_that_never_was(
    tmp_path, whole
):
    path = tmp_path / "a.run"
    with Worker.start(path, "iris", QUICK, paused=True) as worker:
        assert worker.wait(paused_at(0)).step == 0
        per_epoch = whole.plan.steps_per_epoch
        worker.command("step")
        worker.command("step")
        for step, epoch in ((2, 0), (per_epoch, 1), (2 * per_epoch, 2), (2 * per_epoch + 1, 2)):
            status = worker.wait(paused_at(step))
            assert (status.kind, status.step, status.epoch) == ("paused", step, epoch)
            now = open_run(path)
            assert now.step == step and len(now.history.epochs) == epoch
            assert now.snapshots()[-1].step == step
            assert now.costs.tobytes() == whole.costs[:step].tobytes()
            assert same_state(now.state(step), whole.state(step))
            worker.command("step" if step == 2 * per_epoch else "epoch")
        worker.command("go")
        status = worker.wait(lambda status: False)
    assert (status.kind, status.message) == ("ended", "all epochs done")
    assert status.step == whole.step and status.epoch == 6
    assert_same_run(open_run(path), whole)
