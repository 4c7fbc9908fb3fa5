"""The recipe for tables: its inputs, its members' validation rows, and the measurements behind it."""

import importlib
import sys
from pathlib import Path

import numpy as np
import pytest

from whygrad.errors import InputError
from whygrad.pipeline.recipe import (
    encode_number,
    gather,
    learn_number,
    recommended,
    set_aside,
)

BENCHMARKS = Path(__file__).parent.parent / "benchmarks"


@pytest.fixture(scope="module")
def measured():
    sys.path.insert(0, str(BENCHMARKS))
    try:
        yield importlib.import_module("recipe")
    finally:
        sys.path.remove(str(BENCHMARKS))


@pytest.fixture
def x():
    x = np.random.default_rng(0).lognormal(size=400)
    x[::17] = np.nan
    return x


def test_a_number_is_the_sum_of_its_shares_of_the_bins(x):
    recipe = recommended(len(x), 1, 0)
    column = learn_number(x, recipe)
    shares = encode_number(column, x)[:, : len(column.edges) - 1] / recipe.weight
    back = column.edges[0] + shares @ np.diff(column.edges)
    known = ~np.isnan(x)
    assert np.allclose(back[known], x[known], rtol=1e-5)


def test_a_missing_number_is_zero_but_for_its_own_input(x):
    column = learn_number(x, recommended(len(x), 1, 0))
    row = encode_number(column, np.array([np.nan]))[0]
    assert row.shape == (column.width,)
    assert row[-1] == 1 and not row[:-1].any()


def test_inputs_stay_bounded_far_outside_of_the_training_rows(x):
    column = learn_number(x, recommended(len(x), 1, 0))
    assert np.abs(encode_number(column, np.array([-1e9, 1e9]))).max() <= 3


def test_a_column_of_two_values_is_standardised_alone():
    x = np.repeat([0.0, 1.0], 50)
    column = learn_number(x, recommended(100, 1, 0))
    assert np.allclose(encode_number(column, x).ravel(), np.repeat([-1.0, 1.0], 50))


def test_every_row_is_set_aside_once_by_eight_members():
    recipe = recommended(400, 1, 3)
    rows = np.concatenate(set_aside(400, recipe, seed=3))
    assert sorted(rows) == list(range(400))


def test_parts_are_gathered_by_column_and_keep_their_sum():
    parts = np.random.default_rng(1).normal(size=(5, 7))
    sums = gather(parts, [2, 1, 4])
    assert sums.shape == (5, 3)
    assert np.allclose(sums.sum(1), parts.sum(1))
    with pytest.raises(InputError, match="6 inputs, the parts 7"):
        gather(parts, [2, 4])


@pytest.mark.parametrize("classes", [0, 3])
def test_what_was_measured_is_what_is_recommended(measured, x, classes):
    pandas = pytest.importorskip("pandas")
    recipe, asked = recommended(len(x), 1, classes), measured.default(len(x), 1, classes)
    frame = pandas.DataFrame({"x": x})
    outside = pandas.DataFrame({"x": [*x, -9.0, 1e3, np.nan]})
    ours = encode_number(learn_number(x, recipe), outside["x"].to_numpy())
    assert np.allclose(ours, measured.learn(asked, frame)(outside))
    for ours, theirs in [("members",) * 2, ("hidden",) * 2, ("decay",) * 2, ("dropout",) * 2,
                         ("learning_rate",) * 2, ("epochs",) * 2, ("activation",) * 2,
                         ("batch_size", "batch"), ("validation", "share")]:  # fmt: skip
        assert getattr(recipe, ours) == getattr(asked, theirs)
