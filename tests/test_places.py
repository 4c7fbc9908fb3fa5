"""Places: latitude and longitude, which a network also sees along directions between their own two."""

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

import whygrad as wg
from command import whygrad
from whygrad.pipeline.comparing import leaks
from whygrad.pipeline.fit import find, prepare_training
from whygrad.pipeline.names import names_of_encoding
from whygrad.pipeline.recipe import Recipe
from whygrad.pipeline.settings import Settings
from whygrad.tables import Encoding, Target, describe, learn, learning
from whygrad.tables.encoding import in_pieces
from whygrad.why.prediction.columns import columns_of

RECIPE = Recipe(members=2, hidden=(32,), epochs=40, bins=12, learning_rate=0.01)
PRICE = Target("price", "regression", "number")


def some_places(rows=400, seed=0):
    draws = np.random.default_rng(seed)
    frame = pd.DataFrame(
        {
            "lat": 47 + 3 * draws.random(rows),
            "rooms": draws.integers(1, 9, rows).astype(float),
            "long": 8 + 5 * draws.random(rows),
        }
    )
    # A coast that runs from north-west to south-east.
    coast = frame["lat"] + 0.6 * frame["long"] - 55
    price = 1.0 * (np.abs(coast) < 0.4) + 0.02 * frame["rooms"]
    return frame, price.to_numpy()


@pytest.fixture(scope="module")
def frame():
    return some_places()[0]


@pytest.fixture(scope="module")
def fitted():
    frame, price = some_places()
    return wg.TabularRegressor(RECIPE, random_state=0, engine="reference").fit(frame, price)


def learned(frame, bins=12, **more):
    return learn(pa.Table.from_pandas(frame), PRICE, more, bins)


def test_a_place_is_seen_along_four_directions_beside_its_own(frame):
    encoding = learned(frame)
    assert [one.name for one in encoding.turned] == [
        f"lat & long {bearing}°" for bearing in (30, 60, 120, 150)
    ]
    X = encoding.encode(pa.Table.from_pandas(frame), np.float64)
    first = X.shape[1] - 4 * 13
    φ, λ = (np.deg2rad(frame[name].to_numpy()) for name in ("lat", "long"))
    for bearing in (30, 60, 120, 150):
        β = np.deg2rad(bearing)
        far = np.rad2deg(φ * np.cos(β) + λ * np.sin(β) * np.cos(np.deg2rad(frame["lat"].mean())))
        edges = np.quantile(far, np.linspace(0, 1, 13))
        expected = in_pieces(far, far.mean(), far.std(), edges)
        np.testing.assert_allclose(X[:, first : first + 13], expected, rtol=0, atol=1e-9)
        first += 13
    assert first == X.shape[1] == len(encoding.names) == len(encoding.scales)


def test_a_step_along_a_bearing_counts_whole_and_across_it_not_at_all(frame):
    turned = {one.name: dict(one.of) for one in learned(frame).turned}
    north, east = turned["lat & long 30°"]["lat"], turned["lat & long 30°"]["long"]
    per_degree = np.cos(np.deg2rad(frame["lat"].mean()))
    assert north == pytest.approx(np.cos(np.pi / 6))
    # A degree of longitude is so much shorter; one along 30° lies across 120°.
    step = {"lat": np.cos(np.pi / 6), "long": np.sin(np.pi / 6) / per_degree}
    assert north * step["lat"] + east * step["long"] == pytest.approx(1)
    across = turned["lat & long 120°"]
    assert across["lat"] * step["lat"] + across["long"] * step["long"] == pytest.approx(0)


def test_where_one_of_the_two_is_missing_its_own_median_stands_in(frame):
    holes = frame.copy()
    holes.loc[:9, "lat"], holes.loc[5:14, "long"] = np.nan, np.nan
    encoding = learned(holes)
    X = encoding.encode(pa.Table.from_pandas(holes), np.float64)
    filled = holes.fillna({name: holes[name].median() for name in ("lat", "long")})
    first = len(encoding.names) - 4 * 13
    for one in encoding.turned:
        far = sum(factor * filled[name] for name, factor in one.of).to_numpy()
        expected = in_pieces(far, one.center, one.scale, one.edges)
        np.testing.assert_allclose(X[:, first : first + 13], expected, rtol=0, atol=1e-12)
        first += 13
    known = holes.dropna()
    assert encoding.turned[0].edges[0] == pytest.approx(
        (known[["lat", "long"]] * [dict(encoding.turned[0].of)[n] for n in ("lat", "long")])
        .sum(axis=1)
        .min()
    )


@pytest.mark.parametrize(
    ("names", "found"),
    [
        (("Latitude", "Longitude"), 1),
        (("pickup_lat", "pickup_lng"), 1),
        (("LAT (deg)", "LON (deg)"), 1),
        (("latitude of shop", "longitude of shop"), 1),
        (("flat", "flong"), 0),
        (("latency", "longevity"), 0),
        (("lat", "price_long"), 0),
    ],
    ids=str,
)
def test_places_are_known_by_their_names(names, found, frame):
    renamed = frame.rename(columns=dict(zip(("lat", "long"), names, strict=True)))
    assert len(learned(renamed).turned) == 4 * found


def test_what_are_no_degrees_or_no_numbers_in_pieces_is_no_place(frame):
    assert not learned(frame.assign(lat=frame["lat"] * 1000)).turned
    assert not learned(frame, bins=0).turned
    assert not learned(frame, lat="leave-out").turned
    assert not learned(frame.assign(long=1.0)).turned
    assert len(learned(frame.assign(long=frame["long"] + 300)).turned) == 4


def pairs(encoding):
    return {tuple(name for name, _ in one.of) for one in encoding.turned}


def test_a_longitude_is_of_one_place_alone(frame):
    rounded = frame[["lat", "long"]].round(1)
    both = frame.assign(latitude=rounded["lat"], longitude=rounded["long"])
    assert pairs(learned(both)) == {("lat", "long"), ("latitude", "longitude")}
    assert pairs(learned(both.drop(columns="long"))) == {("lat", "longitude")}
    assert pairs(learned(frame.assign(LAT=rounded["lat"]))) == {("lat", "long")}


@pytest.mark.parametrize("names", [("R & D lat", "R & D long"), ("lat & so", "long & so")], ids=str)
def test_names_with_the_sign_between_the_two_are_told_apart(names, frame):
    encoding = learned(frame.rename(columns=dict(zip(("lat", "long"), names, strict=True))))
    net = wg.Network(len(encoding.names), [wg.Dense(1)], "squared_error")
    place, rooms = columns_of(net, names_of_encoding(encoding))
    assert (place.name, rooms.name) == (" & ".join(names), "rooms") and not place.categories
    assert [encoding.names[k] for k in place.placed] == [*names]


def test_a_column_that_is_called_as_the_place_keeps_its_name(frame):
    encoding = learned(frame.assign(**{"lat & long": frame["rooms"] > 4}))
    assert not encoding.turned and "lat & long" in encoding.origins


def test_a_place_that_tells_the_answer_is_no_leak_and_a_column_of_it_is(frame, tmp_path):
    north, east = frame["lat"] > 48.5, frame["long"] > 10.5
    path = tmp_path / "flats.csv"
    for kind, told in ((north == east, 0), (north, 1)):
        frame.assign(kind=np.where(kind, "yes", "no")).to_csv(path, index=False)
        ready = prepare_training(find(str(path), "kind"), Settings(quality="fast"))
        assert len(ready.encoding.turned) == 4
        warned = leaks(ready)
        assert len(warned) == told and all("--leave-out 'lat'" in line for line in warned)


def test_it_comes_back_from_json_and_damage_is_told(frame):
    encoding = learned(frame)
    about = encoding.to_dict()
    assert Encoding.from_dict(about) == encoding
    assert "turned" not in learned(frame, bins=0).to_dict()
    for key, value in (
        ("of", [["rooms?", 1.0]]),
        ("of", []),
        ("of", [["lat", 1.0]]),
        ("edges", []),
        ("edges", [2.0, 1.0]),
        ("of", [["lat", "far"]]),
        ("more", 1),
    ):
        damaged = about | {"turned": [about["turned"][0] | {key: value}]}
        with pytest.raises(wg.InputError, match="the description of the table is damaged"):
            Encoding.from_dict(damaged)


def test_every_answer_speaks_of_the_place_as_one(fitted, frame):
    why, row = fitted.why_, frame.iloc[[7]]
    answer = why.prediction(row)
    place = next(cells for cells in answer.tables[0].rows if cells[0] == "lat & long")
    lat, long = (f"{row[name].iloc[0]:.5g}" for name in ("lat", "long"))
    assert place[1] == f"{lat}, {long}" and len(answer.tables[0].rows) == 2
    parts = [term.value for term in answer.terms]
    assert sum(parts) == pytest.approx(answer.value, abs=1e-12)
    columns = columns_of(why.net, why.names)
    assert [column.name for column in columns] == ["lat & long", "rooms"]
    assert len(columns[0].inputs) == 2 * 13 + 4 * 13 and not columns[0].numeric
    assert "lat & long" in str(answer)


def test_another_place_that_turns_the_answer_is_one_of_training():
    frame, price = some_places()
    kinds = np.where(price > 0.5, "coast", "inland")
    clf = wg.TabularClassifier(RECIPE, random_state=0, engine="reference").fit(frame, kinds)
    row = frame[(kinds == "inland") & (clf.predict(frame) == "inland")].iloc[[0]]
    answer = clf.why_.prediction(row)
    changes = {rows[0]: rows for table in answer.tables[1:] for rows in table.rows}
    _, here, there, *_ = changes["lat & long"]
    met = [f"{a:.5g}, {b:.5g}" for a, b in zip(frame["lat"], frame["long"], strict=True)]
    assert there in met and here != there
    moved = row.copy()
    moved[["lat", "long"]] = frame[["lat", "long"]].iloc[met.index(there)].to_numpy()
    assert clf.predict(moved) == ["coast"]
    # Whoever bounds the latitude from below gets no place south of it.
    why, name = clf.why_, next(iter(changes))
    assert name == "lat & long"
    (x,) = clf.encoding_.encode(pa.Table.from_pandas(row))
    k = list(clf.encoding_.names).index("lat")
    low, high = np.full(len(x), -9.0), np.full(len(x), 9.0)
    there = next(to for place, to, *_ in answer.arrays["changes"] if place == name)
    south = there[k] < x[k]
    (low if south else high)[k] = x[k]
    bounded = why.prediction(row, limits=(low, high)).arrays["changes"]
    for place, there, *_ in bounded:
        assert place != name or low[k] <= there[k] <= high[k]


def test_what_runs_across_both_is_learned_better(monkeypatch):
    frame, price = some_places(600)
    seen, rest = slice(0, 400), slice(400, 600)

    def score():
        reg = wg.TabularRegressor(RECIPE, random_state=0, engine="reference")
        return reg.fit(frame[seen], price[seen]).score(frame[rest], price[rest])

    with_directions = score()
    monkeypatch.setattr(learning, "BEARINGS", ())
    assert with_directions > score() + 0.1


def test_the_table_of_columns_the_run_and_the_report_tell_of_it(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    frame, price = some_places(200)
    frame.assign(price=price).to_csv("flats.csv", index=False)
    facts = describe(pa.Table.from_pandas(frame), bins=lambda rows, target: 8).facts
    assert facts[0].becomes.endswith(
        "; a place with 'long', in 36 inputs more along 4 other directions"
    )
    assert facts[2].becomes.endswith("; a place with 'lat'")
    words = ("--target", "price", "--epochs", 2, "--engine", "reference", "--no-comparison")
    assert whygrad("train", "flats.csv", *words, "--quality", "fast").code == 0
    run = wg.open_run("flats.run")
    assert len(run.encoding.turned) == 4
    assert str(run.replay().verdict).endswith("equal to the last bit")
    assert run.evaluate() == run.scores
    assert whygrad("report", "flats.run", "-o", "flats.html").code == 0
    assert "lat &amp; long" in (tmp_path / "flats.html").read_text()
    said = whygrad("why", "prediction", "flats.run")
    assert said.code == 0 and "lat & long" in said.out
