"""When two runs are the same."""

from whygrad.pipeline.settings import Settings
from whygrad.record.replay import same_state

QUICK = Settings(hidden=(5, 4), epochs=6, engine="reference", seed=3)


def assert_same_run(now, whole):
    """Every cost, every look at the layers, every epoch and the end are the same bits."""
    assert now.costs.tobytes() == whole.costs.tobytes()
    assert now.statistics.values.tobytes() == whole.statistics.values.tobytes()
    assert now.history.epochs == whole.history.epochs
    assert same_state(now.state(now.step), whole.state(whole.step))
    assert now.scores == whole.scores
