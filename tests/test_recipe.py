"""The recipe for tables: its inputs, and its members' validation rows."""

import importlib
import sys
from pathlib import Path

import numpy as np
import pytest

pandas = pytest.importorskip("pandas")
BENCHMARKS = Path(__file__).parent.parent / "benchmarks"


@pytest.fixture(scope="module")
def recipes():
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


@pytest.fixture
def encoder(recipes, x):
    return recipes.learn(recipes.recommended(len(x), 1, 0), _frame(x))


def _frame(x):
    return pandas.DataFrame({"x": np.asarray(x, float)})


def test_a_number_is_the_sum_of_its_shares_of_the_bins(encoder, x):
    _, _, _, edges, _, _ = encoder.columns["x"]
    shares = encoder(_frame(x))[:, : len(edges) - 1] / encoder.recipe.weight
    back = edges[0] + shares @ np.diff(edges)
    known = ~np.isnan(x)
    assert np.allclose(back[known], x[known], rtol=1e-5)


def test_a_missing_number_is_zero_but_for_its_own_input(encoder):
    row = encoder(_frame([np.nan]))[0]
    _, _, _, edges, _, _ = encoder.columns["x"]
    assert row.shape == (len(edges) + 1,)
    assert row[-1] == 1 and not row[:-1].any()


def test_inputs_stay_bounded_far_outside_of_the_training_rows(encoder):
    assert np.abs(encoder(_frame([-1e9, 1e9]))).max() <= 3


def test_a_column_of_two_values_is_standardised_alone(recipes):
    frame = _frame(np.repeat([0.0, 1.0], 50))
    encoder = recipes.learn(recipes.recommended(100, 1, 0), frame)
    assert np.allclose(encoder(frame).ravel(), np.repeat([-1.0, 1.0], 50))


def test_a_column_of_one_value_is_left_out(recipes):
    assert not recipes.learn(recipes.recommended(200, 1, 0), _frame(np.ones(200))).columns


def test_every_row_is_set_aside_once_by_eight_members(recipes):
    order = np.random.default_rng(3).permutation(400)
    rows = np.concatenate(recipes.set_aside(order, recipes.recommended(400, 1, 3)))
    assert sorted(rows) == list(range(400))


def test_few_rows_of_classes_get_small_networks_and_many_columns_few_bins(recipes):
    assert recipes.recommended(400, 5, 3).hidden == (64, 64)
    assert recipes.recommended(20_000, 20, 0).bins == 19
