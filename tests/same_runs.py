"""When two runs are the same."""

import pytest

from whygrad.pipeline.fit import find
from whygrad.pipeline.settings import Settings
from whygrad.record import open_run
from whygrad.record.replay import same_state
from whygrad.record.rows import record_table

QUICK = Settings(hidden=(5, 4), epochs=6, engine="reference", seed=3)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The same training, at once."""
    path = tmp_path_factory.mktemp("whole") / "whole.run"
    record_table(path, find("iris", seed=3), QUICK)
    return open_run(path)


def assert_same_run(now, whole):
    """Every cost, every look at the layers, every epoch and the end are the same bits."""
    assert now.costs.tobytes() == whole.costs.tobytes()
    assert now.statistics.values.tobytes() == whole.statistics.values.tobytes()
    assert now.history.epochs == whole.history.epochs
    assert same_state(now.state(now.step), whole.state(whole.step))
    assert now.scores == whole.scores
