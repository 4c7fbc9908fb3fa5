"""The recipe for tables: numbers in pieces, the members' validation rows, and what fits a table."""

import numpy as np
import pyarrow as pa
import pytest

from whygrad.errors import InputError
from whygrad.pipeline.recipe import Recipe, recommended, set_aside, shortened
from whygrad.tables import Encoding, Oddities, Target, learn
from whygrad.tables.encoding import WEIGHT

RENT = Target("rent", "regression", "number")


def _table(x):
    return pa.table({"x": pa.array(x)})


def _learned(x, bins=8):
    return learn(_table(x), RENT, bins=bins)


@pytest.fixture(scope="module")
def x():
    x = np.random.default_rng(0).lognormal(size=400)
    x[::17] = np.nan
    return x


def test_a_number_is_the_sum_of_its_shares_of_the_bins(x):
    encoding = _learned(x)
    edges = np.array(encoding.columns[0].edges)
    shares = encoding.encode(_table(x))[:, 1 : len(edges)] / WEIGHT
    known = ~np.isnan(x)
    back = edges[0] + shares @ np.diff(edges)
    np.testing.assert_allclose(back[known], x[known], rtol=1e-5)


def test_a_missing_number_is_zero_but_for_its_own_input(x):
    encoding = _learned(x)
    (row,) = encoding.encode(_table([None]).cast(pa.schema({"x": pa.float64()})))
    assert encoding.names[-1] == "x is missing"
    assert row[-1] == 1 and not row[:-1].any()


def test_inputs_stay_bounded_far_outside_of_the_training_rows(x):
    assert np.abs(_learned(x).encode(_table([-1e90, 1e90]))).max() <= 3


def test_a_column_of_two_values_is_standardised_alone():
    encoding = _learned(np.repeat([0.0, 1.0], 50))
    assert encoding.names == ("x",)
    found = encoding.encode(_table([0.0, 1.0]))
    np.testing.assert_allclose(found.ravel(), [-1, 1])


def test_numbers_written_as_text_and_dates_come_in_pieces_as_numbers_do():
    days = np.arange("2020-01-01", "2021-06-01", dtype="datetime64[D]")
    written = [f"{k},50 €" for k in range(len(days))]
    table = pa.table({"price": written, "when": pa.array(days)})
    encoding = learn(table, RENT, bins=4)
    assert encoding.names[1] == "price 0.5 to 129.5"
    pieces = [name for name in encoding.names if name.startswith("when 20")]
    assert len(pieces) == 4 and "when day number" in encoding.names
    assert pieces[0].startswith("when 2020-01-01 to 2020-")
    np.testing.assert_allclose(
        encoding.encode(table)[-1][[4, encoding.names.index(pieces[-1])]], WEIGHT
    )


def test_pieces_of_large_numbers_and_of_times_are_called_by_what_people_write():
    incomes = np.linspace(20_000, 90_000, 500)
    names = learn(_table(incomes), RENT, bins=4).names
    assert names[1].startswith("x 20000 to ") and not any("e+" in name for name in names)
    hours = np.datetime64("2024-05-01T00:00", "s") + np.arange(500) * np.timedelta64(900, "s")
    names = learn(pa.table({"when": pa.array(hours)}), RENT, bins=16).names
    pieces = [name for name in names if name.startswith("when 20")]
    assert len(set(pieces)) == len(pieces) > 4
    assert pieces[0].startswith("when 2024-05-01T00:00 to 2024-05-01T")


def test_numbers_and_dates_far_outside_of_training_are_told_where_rows_are_predicted():
    days = np.arange("2020-01-01", "2021-06-01", dtype="datetime64[D]")
    table = pa.table({"size": np.linspace(30, 180, len(days)), "when": pa.array(days)})
    encoding = learn(table, RENT, bins=4)
    new = [np.datetime64("2021-07-01"), np.datetime64("2035-12-31"), np.datetime64("1990-01-01")]
    odd = Oddities()
    encoding.encode(pa.table({"size": [-20.0, 1e9, 320.0], "when": np.array(new)}), odd=odd)
    size, when = encoding.oddities(odd)
    assert size == (
        "column 'size' is far outside the 30 to 180 of training in row 1 (from 0), '1000000000.0': "
        "a prediction there is a guess"
    )
    assert (
        "2020-01-01 to 2021-05-31 of training in 2 rows, the first is row 1 (from 0), '2035-"
        in when
    )
    assert encoding.oddities(odd, gaps=False) == []
    assert encoding.noted(odd).notes == encoding.notes


def test_inputs_in_pieces_are_gathered_by_their_column_and_read_in_its_units(x):
    import whygrad as wg
    from whygrad.pipeline.names import names_of_encoding
    from whygrad.why.prediction.columns import columns_of

    encoding = _learned(x)
    names = names_of_encoding(encoding)
    net = wg.Network(len(encoding.names), [wg.Dense(1)])
    (column,) = columns_of(net, names)
    row = encoding.encode(_table([2.5]), np.float64)[0]
    assert len(column.inputs) == len(encoding.names) and not column.numeric
    assert column.shown(net, names, row) == pytest.approx(2.5)
    low, high = encoding.columns[0].edges[1:3]
    part = encoding.encode(_table([low + (high - low) / 4]), np.float64)[0, 2]
    assert names.own(net, 0, 2, part) == pytest.approx(low + (high - low) / 4)


def test_pieces_come_back_from_json_and_damaged_ones_are_told(x):
    encoding = _learned(x)
    about = encoding.to_dict()
    back = Encoding.from_dict(about)
    assert back == encoding
    np.testing.assert_array_equal(back.encode(_table(x)), encoding.encode(_table(x)))
    about["columns"][0]["edges"] = [2.0, 1.0]
    with pytest.raises(InputError, match="damaged"):
        Encoding.from_dict(about)


def test_edges_that_look_alike_are_written_with_more_digits():
    x = 1_700_000_000 + np.arange(100.0)
    names = _learned(x, bins=4).names
    assert len(set(names)) == len(names)


def test_every_row_is_set_aside_once_by_eight_members():
    order = np.random.default_rng(3).permutation(400)
    rows = np.concatenate(set_aside(order, recommended(400, 1, 3)))
    assert sorted(rows) == list(range(400))
    sizes = [len(rows) for rows in set_aside(order, Recipe(members=4, pilots=2))]
    assert sizes == [50, 50, 0, 0]


def test_few_rows_of_classes_get_small_networks_and_many_columns_few_bins():
    assert recommended(400, 5, 3).hidden == (64, 64)
    assert [recommended(rows, 5, 0).hidden for rows in (999, 1000)] == [(256,), (256, 256)]
    assert recommended(20_000, 20, 0).bins == 19
    assert recommended(300, 20_000, 0).bins == 0
    found = [recommended(20_000, 20, 0, quality) for quality in ("fast", "default", "best")]
    assert [(one.members, one.pilots, one.bins, one.decay) for one in found] == [
        (1, 0, 19, 0.1),
        (5, 0, 19, 0.1),
        (10, 2, 102, 1.0),
    ]
    assert recommended(4_999, 20, 0, "best") == recommended(4_999, 20, 0)


def test_little_time_means_fewer_members_first_and_then_fewer_epochs():
    recipe = Recipe(members=8, epochs=60)
    assert shortened(recipe, 0.1, 1000.0, 2) == recipe
    assert shortened(recipe, 0.1, 13.0, 2).members == 4
    short = shortened(recipe, 0.1, 3.0, 2)
    assert (short.members, short.epochs) == (2, 30)
    assert shortened(recipe, 0.1, -1.0, 2).epochs == 1


@pytest.mark.parametrize(
    "given", [{"members": 0}, {"epochs": 0}, {"bins": -1}, {"pilots": -1}, {"share": 1.0}], ids=str
)
def test_a_recipe_that_makes_no_sense_is_refused_by_name(given):
    with pytest.raises(InputError, match=f"^{next(iter(given))} is "):
        Recipe(**given)
