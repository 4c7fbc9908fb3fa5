"""Pipelines of scikit-learn are explained in the columns of the table that goes into them."""

import numpy as np
import pandas as pd
import pytest
from sklearn.compose import ColumnTransformer, TransformedTargetRegressor, make_column_selector
from sklearn.decomposition import PCA
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.feature_selection import SelectKBest
from sklearn.impute import SimpleImputer
from sklearn.model_selection import GridSearchCV
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import FeatureUnion, Pipeline, make_pipeline
from sklearn.preprocessing import (
    FunctionTransformer,
    MaxAbsScaler,
    MinMaxScaler,
    OneHotEncoder,
    OrdinalEncoder,
    PowerTransformer,
    RobustScaler,
    StandardScaler,
)

import whygrad as wg

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

RNG = np.random.default_rng(0)
N = 60
FRAME = pd.DataFrame(
    {
        "age": RNG.uniform(18, 80, N),
        "colour": RNG.choice(["red", "green", "blue"], N),
        "pay": RNG.normal(3000, 800, N),
        "size": RNG.choice(["small", "large"], N),
        "rank": RNG.choice(["low", "mid", "top"], N),
    }
)
FRAME.loc[::7, "pay"] = np.nan
KIND = np.where(FRAME["age"] + 20 * (FRAME["colour"] == "red") > 55, "old", "young")
PRICE = 1000 + 50 * FRAME["age"].to_numpy()
QUICK = {"hidden_layer_sizes": (4,), "max_iter": 20, "random_state": 0, "solver": "lbfgs"}
NUMBERS = ["age", "pay"]


def encoder(**more):
    numbers = make_pipeline(SimpleImputer(add_indicator=True), StandardScaler())
    parts = [
        ("numbers", numbers, NUMBERS),
        ("colours", OneHotEncoder(handle_unknown="ignore"), ["colour"]),
        ("sizes", OneHotEncoder(drop="first"), [3]),
        ("ranks", OrdinalEncoder(categories=[["low", "mid", "top"]]), ["rank"]),
    ]
    return ColumnTransformer(parts, **more)


@pytest.fixture(scope="module")
def pipe():
    return make_pipeline(encoder(), MLPClassifier(**QUICK)).fit(FRAME, KIND)


def test_the_inputs_are_named_after_the_columns_of_the_table(pipe):
    names = wg.explain(pipe).why.names
    assert names.inputs == (
        *("age", "pay", "pay is missing", "colour=blue", "colour=green", "colour=red"),
        *("size=small", "rank"),
    )
    assert names.origins == ("age", "pay", "pay", "colour", "colour", "colour", "size", "rank")
    assert names.classes == ("old", "young")


def test_numbers_stand_in_the_units_of_the_table(pipe):
    model = wg.explain(pipe)
    given = model.why.examples(FRAME.iloc[[3]]).X[0]
    own = [model.why.names.own(model.why.net, 0, k, given[k]) for k in (0, 1, 7)]
    np.testing.assert_allclose(own[:2], FRAME.loc[3, NUMBERS].astype(float), rtol=1e-12)
    assert own[2] == ["low", "mid", "top"].index(FRAME.loc[3, "rank"])
    assert model.why.net.sizes[0] == len(given)


def test_what_a_category_adds_is_gathered_and_the_answer_shows_it(pipe):
    found = wg.explain(pipe, training=FRAME).why.prediction(FRAME.iloc[[4]])
    terms = {term.name: term.value for term in found.terms}
    assert {"age", "pay", "colour", "size", "rank"} <= set(terms)
    inputs = found["inputs"]
    assert terms["colour"] == pytest.approx(inputs[3:6].sum())
    rows = {row[0]: row[1] for row in found.tables[0].rows}
    assert rows["colour"] == FRAME.loc[4, "colour"]
    assert rows["age"] == pytest.approx(FRAME.loc[4, "age"])


def test_rows_go_in_as_they_are_and_the_outputs_are_the_pipelines(pipe):
    model = wg.explain(pipe)
    expected = pipe.predict_proba(FRAME)[:, 1:]
    np.testing.assert_allclose(model.predict(FRAME), expected, rtol=0, atol=1e-14)
    np.testing.assert_allclose(model.predict(FRAME.iloc[5]), expected[[5]], rtol=0, atol=1e-14)
    assert model.check(FRAME[:9], KIND[:9])["passed"]
    assert model.source == "scikit-learn's MLPClassifier in a Pipeline"
    assert "'rank' stands by the place of its value: 0 is low, 1 is mid, 2 is top" in model.notes
    with pytest.raises(ValueError, match="columns are missing"):
        model.predict(FRAME.drop(columns="age"))


def scale(model, k):
    return model.why.names.own(
        model.why.net, 0, k, model.why.examples(FRAME[NUMBERS].dropna()).X[:, k]
    )


@pytest.mark.parametrize(
    "scaler",
    [
        StandardScaler(),
        StandardScaler(with_mean=False),
        StandardScaler(with_std=False),
        MinMaxScaler((-2, 3)),
        MaxAbsScaler(),
        RobustScaler(),
        RobustScaler(with_centering=False),
        RobustScaler(with_scaling=False),
        make_pipeline(MinMaxScaler(), "passthrough", StandardScaler()),
        ColumnTransformer([("one", RobustScaler(), [1])], remainder=MinMaxScaler()),
        ColumnTransformer([("one", StandardScaler(), slice("age", "pay"))]),
        ColumnTransformer([("one", StandardScaler(), make_column_selector("a"))]),
        ColumnTransformer([("two", StandardScaler(), [False, True]), ("one", "passthrough", slice(0, 1))]),
        FunctionTransformer(),
    ],
    ids=lambda scaler: str(scaler)[:60].replace("\n", ""),
)  # fmt: skip
def test_every_scaler_is_followed_back(scaler):
    table = FRAME[NUMBERS].dropna()
    pipe = make_pipeline(scaler, MLPRegressor(**QUICK)).fit(table, PRICE[table.index])
    model = wg.explain(pipe)
    names = model.why.names
    assert sorted(names.inputs) == NUMBERS
    for k, name in enumerate(names.inputs):
        np.testing.assert_allclose(scale(model, k), table[name], rtol=1e-9)


@pytest.mark.filterwarnings("ignore:invalid value encountered in divide:RuntimeWarning")
def test_columns_are_picked_repeated_and_dropped():
    table = FRAME[NUMBERS].dropna()
    y = PRICE[table.index]
    best = make_pipeline(StandardScaler(), SelectKBest(k=1), MLPRegressor(**QUICK)).fit(table, y)
    assert wg.explain(best).why.names.inputs == tuple(best[:-1].get_feature_names_out())
    empty = FRAME.assign(empty=np.nan)[["empty", "age"]]
    with pytest.warns(UserWarning, match="Skipping features without any observed values"):
        filled = make_pipeline(SimpleImputer(), MLPRegressor(**QUICK)).fit(empty, PRICE)
    assert wg.explain(filled).why.names.inputs == ("age",)
    union = FeatureUnion([("a", StandardScaler()), ("b", MinMaxScaler())])
    both = make_pipeline(union, MLPRegressor(**QUICK)).fit(table, y)
    assert wg.explain(both).why.names.inputs == ("age", "pay", "age", "pay")
    rare = OneHotEncoder(min_frequency=N // 3, sparse_output=False)
    common = make_pipeline(rare, MLPRegressor(**QUICK)).fit(FRAME[["colour", "size"]], PRICE)
    inputs = wg.explain(common).why.names.inputs
    counts = FRAME["colour"].value_counts()
    assert ("colour=other" in inputs) == bool((counts < N // 3).any())


def test_a_category_that_is_scaled_stands_by_itself():
    pipe = make_pipeline(
        OneHotEncoder(sparse_output=False), StandardScaler(), MLPClassifier(**QUICK)
    )
    names = wg.explain(pipe.fit(FRAME[["colour"]], KIND)).why.names
    assert names.inputs == ("colour=blue", "colour=green", "colour=red") and names.origins == ()
    assert all(scale != (0.0, 1.0) for scale in names.scales)


def test_tables_without_names_keep_their_places():
    table = FRAME[NUMBERS].dropna().to_numpy()
    pipe = make_pipeline(StandardScaler(), MLPRegressor(**QUICK)).fit(table, PRICE[: len(table)])
    why = wg.explain(pipe).why
    assert why.names.inputs == () and len(why.names.scales) == 2
    colours = make_pipeline(OneHotEncoder(), MLPClassifier(**QUICK)).fit(
        FRAME[["size"]].to_numpy(), KIND
    )
    assert wg.explain(colours).why.names.inputs == ("input 0=large", "input 0=small")


def test_what_mixes_or_bends_columns_is_said():
    table = FRAME[NUMBERS].dropna()
    y = PRICE[table.index]
    mixed = wg.explain(make_pipeline(StandardScaler(), PCA(2), MLPRegressor(**QUICK)).fit(table, y))
    assert mixed.why.names.inputs == ("pca0", "pca1")
    assert "PCA makes new columns: answers speak of these, such as 'pca0'" in mixed.notes
    bent = wg.explain(make_pipeline(PowerTransformer(), MLPRegressor(**QUICK)).fit(table, y))
    assert bent.why.names.inputs == ("age", "pay") and bent.why.names.scales == ()
    assert any(
        note.startswith("PowerTransformer bends the numbers of 'age', 'pay'") for note in bent.notes
    )


def tenth(table):
    return table / 10


def test_functions_of_numpy_and_functions_that_name_their_columns_are_followed():
    table = FRAME[["age"]]
    for step, name, said in (
        (FunctionTransformer(np.log1p), "age", "FunctionTransformer bends the numbers of 'age'"),
        (
            FunctionTransformer(tenth, feature_names_out=lambda _, names: [f"{names[0]}/10"]),
            "age/10",
            "FunctionTransformer makes new columns: answers speak of these, such as 'age/10'",
        ),
    ):
        model = make_pipeline(step, StandardScaler(), MLPRegressor(**QUICK)).fit(table, PRICE)
        found = wg.explain(model)
        assert found.why.names.inputs == (name,) and any(said in note for note in found.notes)
        np.testing.assert_allclose(found.predict(table).ravel(), model.predict(table), rtol=1e-12)


def test_a_pipeline_may_begin_with_a_step_that_is_left_out_and_with_texts():
    table, texts = FRAME[["age"]], FRAME["colour"] + " " + FRAME["size"]
    for rows, steps in (
        (table, [("none", "passthrough"), ("scale", StandardScaler())]),
        (texts, [("words", TfidfVectorizer())]),
    ):
        model = Pipeline([*steps, ("mlp", MLPClassifier(**QUICK))]).fit(rows, KIND)
        expected = model.predict_proba(rows)[:, 1]
        np.testing.assert_allclose(wg.explain(model).predict(rows).ravel(), expected, rtol=1e-12)


def test_steps_with_code_of_their_own_are_refused():
    table = FRAME[["age"]]
    own = make_pipeline(FunctionTransformer(tenth), MLPRegressor(**QUICK)).fit(table, PRICE)
    with pytest.raises(
        wg.InputError, match="step 'functiontransformer', a FunctionTransformer, comput"
    ):
        wg.explain(own)
    part = ColumnTransformer([("log", FunctionTransformer(tenth), ["age"])])
    with pytest.raises(
        wg.InputError, match="step 'log', a FunctionTransformer, computes what only its"
    ):
        wg.explain(make_pipeline(part, MLPRegressor(**QUICK)).fit(table, PRICE))

    class Silent(StandardScaler):
        def get_feature_names_out(self, *given):
            raise AttributeError

    with pytest.raises(
        wg.InputError, match="step 'one', a Silent, does not tell what it makes of col"
    ):
        wg.explain(Pipeline([("one", Silent()), ("two", MLPRegressor(**QUICK))]).fit(table, PRICE))


def test_a_standardised_target_stands_in_its_own_units():
    inner = make_pipeline(StandardScaler(), MLPRegressor(**QUICK))
    others = None, StandardScaler(), MinMaxScaler((-1, 1)), MaxAbsScaler()
    for scaler in (*others, RobustScaler(with_scaling=False)):
        model = TransformedTargetRegressor(inner, transformer=scaler).fit(FRAME[["age"]], PRICE)
        found = wg.explain(model)
        np.testing.assert_allclose(
            found.predict(FRAME[["age"]])[:, 0], model.predict(FRAME[["age"]])
        )
        assert found.check(FRAME[["age"]][:9], PRICE[:9])["passed"]
    y = found.why.examples(FRAME[["age"]], PRICE).Y
    np.testing.assert_allclose(y[:, 0], PRICE - np.median(PRICE))
    logs = TransformedTargetRegressor(inner, func=np.log, inverse_func=np.exp)
    with pytest.raises(
        wg.InputError, match="a target transformed by a FunctionTransformer is not foll"
    ):
        wg.explain(logs.fit(FRAME[["age"]], PRICE))
    two = TransformedTargetRegressor(inner, transformer=StandardScaler())
    with pytest.raises(wg.InputError, match="2 targets transformed by a StandardScaler are not"):
        wg.explain(two.fit(FRAME[["age"]], np.column_stack([PRICE, -PRICE])))


def test_a_search_over_pipelines_and_whygrads_own_estimators_are_followed_as_well(pipe):
    options = QUICK | {"engine": "reference", "max_iter": 3}
    own = make_pipeline(encoder(), wg.MLPClassifier(**options))
    search = GridSearchCV(own, {"mlpclassifier__alpha": [0.1, 1.0]}, cv=2).fit(FRAME, KIND)
    model = wg.explain(search)
    assert model.why.names.inputs == wg.explain(pipe).why.names.inputs
    assert model.source == "whygrad's MLPClassifier in a Pipeline"
    np.testing.assert_allclose(model.predict(FRAME), search.predict_proba(FRAME)[:, 1:], atol=1e-12)
