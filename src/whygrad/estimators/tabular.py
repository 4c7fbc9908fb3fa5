"""TabularClassifier and TabularRegressor: tables in, predictions out, by the recipe that was measured best.

    a frame or an array  →  columns, read as `whygrad train` reads them (`tables`)  →  inputs
                         →  networks trained side by side (`pipeline.members`)      →  classes or numbers

What is trained is `pipeline.recipe.recommended`. scikit-learn's contract holds: parameters, `clone`,
pipelines, searches, cross-validation.
"""

import json
import time
from collections.abc import Mapping
from dataclasses import asdict, replace
from numbers import Integral, Real
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.utils import check_array, check_random_state, column_or_1d
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.class_weight import compute_sample_weight
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import _check_sample_weight, check_is_fitted, validate_data

from whygrad import errors
from whygrad.errors import InputError, known_arguments, row_of
from whygrad.estimators.estimator import checks_parameters, keep, one_of_many
from whygrad.estimators.to_onnx import ToOnnx
from whygrad.fitted import Ensemble, Fitted
from whygrad.nn.arrays import Data, check_unmasked, one_hot
from whygrad.nn.functions import Array
from whygrad.pipeline.members import network_of, train_members
from whygrad.pipeline.recipe import QUALITIES, Recipe, recommended
from whygrad.training.loop import INTERRUPTED
from whygrad.training.model_file import members_from_state, members_to_state

if TYPE_CHECKING:
    from whygrad.tables import Encoding, Target
    from whygrad.why.bound import Examples, Why

DTYPE = "float32"
ROWS = 8192  # encoded at a time, where they are only predicted
BACKGROUND = 256  # training rows that are kept for questions


class TabularEstimator(ToOnnx, BaseEstimator):  # type: ignore[misc]
    """What both have in common: the columns, the members, and the questions."""

    # What a fit sets.
    ensemble_: Ensemble
    encoding_: "Encoding"
    recipe_: Recipe
    background_: Array
    n_features_in_: int

    _parameter_constraints: dict[str, Any] = {
        "quality": [StrOptions(set(QUALITIES)), Recipe],
        "time_limit": [None, Interval(Real, 0, None, closed="neither")],
        "types": [None, Mapping],
        "na": [tuple, list],
        "random_state": ["random_state"],
        "cores": [None, Interval(Integral, 1, None, closed="left")],
        "engine": [str],
    }

    quality: str | Recipe
    time_limit: float | None
    types: Mapping[str, str] | None
    na: Any
    random_state: Any
    cores: int | None
    engine: str

    def _fit(self, X: Any, target: "Target", Y: Array, s: Array | None, **learned: Any) -> Self:
        """Learn the columns and train the members on Y, (n, n_L); a fit is whole or not at all."""
        from whygrad.tables import learn

        deadline = None if self.time_limit is None else time.perf_counter() + self.time_limit
        learner = object.__new__(type(self))
        learner.__dict__.update(self.get_params(deep=False))
        table, types = _table_of(learner, X, fitting=True)
        if table.num_rows != len(Y):
            raise InputError(f"X has {table.num_rows} rows and y {len(Y)}: give one label for each")
        if len(Y) < 2:
            raise InputError("n_samples = 1: a table to learn from needs at least 2 rows")
        while target.name in table.column_names:
            target = replace(target, name=f"{target.name}_")
        chosen: list[Recipe] = []

        def bins(numbers: int) -> int:
            given, classes = self.quality, len(target.classes)
            if isinstance(given, str):
                given = recommended(len(Y), numbers, classes, given)
            chosen.append(given)
            return given.bins

        encoding = learn(table, target, types, bins, Y)
        recipe, inputs = chosen[0], encoding.encode(table, DTYPE)
        net = network_of(recipe, inputs.shape[1], Y.shape[1], bool(target.classes))
        data = Data(inputs, Y.astype(DTYPE), None if s is None else s.astype(DTYPE))
        seed = _seed(self.random_state)
        ensemble = train_members(
            recipe, net, data, seed, engine=self.engine, cores=self.cores, deadline=deadline
        )
        if any(one.history.stopped == INTERRUPTED for one in ensemble.members):
            if one_of_many():  # a fit that was cut off must not be scored among others
                raise KeyboardInterrupt
            errors.warn("Training interrupted by user.")
        rows = np.sort(np.random.default_rng([seed, 11]).permutation(len(Y))[:BACKGROUND])
        learned |= {"ensemble_": ensemble, "encoding_": encoding, "recipe_": recipe}
        own = {name: value for name, value in vars(self).items() if not name.endswith("_")}
        self.__dict__ = own | vars(learner) | learned | {"background_": inputs[rows]}
        return self

    def _weights(self, sample_weight: Any, y: Array) -> Array | None:
        if sample_weight is None:
            return None
        s: Array = _check_sample_weight(sample_weight, y, ensure_non_negative=True)
        return s

    def _outputs(self, X: Any) -> Array:
        """Return a[L] for rows, (n, n_L), float64."""
        from whygrad.tables import Oddities

        check_is_fitted(self)
        table = self._table(X)
        odd, z = Oddities(), []
        for start in range(0, table.num_rows, ROWS):
            rows = table.slice(start, ROWS)
            z.append(self.ensemble_.z(self.encoding_.encode(rows, DTYPE, start, odd)))
        for line in self.encoding_.oddities(odd, gaps=False):
            errors.warn(line)
        a: Array = self.ensemble_.net.f[-1].value(np.concatenate(z).astype(np.float64))
        return a

    @property
    def why_(self) -> "Why":
        """All questions, about the ensemble as one network: `clf.why_.prediction(X.iloc[:1])`.

        Rows and labels are given as to `fit`. Predictions are compared with those of `background_`.
        """
        check_is_fitted(self)
        from whygrad.pipeline.names import names_of_encoding
        from whygrad.why.bound import Why

        joined = self.ensemble_.joined()
        return Why(
            joined.net,
            joined.theta,
            names_of_encoding(self.encoding_),
            self._examples,
            notes=(f"Of the training rows {len(self.background_)} are known, `background_`.",),
            training=lambda: self.background_,
            members=tuple((member.net, member.theta) for member in self.ensemble_.members),
        )

    def _table(self, X: Any) -> Any:
        """Return rows as an arrow table with the columns of training."""
        return _table_of(self, X, fitting=False)[0]

    def _examples(self, X: Any, y: Any, sample_weight: Any) -> "Examples":
        from whygrad.estimators.why import rows_of
        from whygrad.why.bound import Examples

        if X is None:
            raise InputError("an estimator keeps no table: give X, and y")
        table = self._table(rows_of(X))
        rows = self.encoding_.encode(table, DTYPE)
        return Examples(rows, None if y is None else self._targets(y), sample_weight)

    def _targets(self, y: Any) -> Array:
        """Return the targets of the network, (n, n_L), of a fitted estimator."""
        raise NotImplementedError

    def __getstate__(self) -> dict[str, Any]:
        """Return the estimator as arrays and text, which any way of saving takes without code."""
        state: dict[str, Any] = dict(super().__getstate__())
        if "ensemble_" in state:
            ensemble: Ensemble = state["ensemble_"]
            members = [(one.theta, one.history) for one in ensemble.members]
            state["ensemble_"] = members_to_state(ensemble.net, members)
            state["encoding_"] = json.dumps(state["encoding_"].to_dict())
            state["recipe_"] = asdict(state["recipe_"])
        if isinstance(state["quality"], Recipe):
            state["quality"] = asdict(state["quality"])
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        state = dict(state)
        if isinstance(state["quality"], dict):
            state["quality"] = Recipe(**state["quality"])
        if "ensemble_" in state:
            from whygrad.tables import Encoding

            net, members = members_from_state(state["ensemble_"])
            state["ensemble_"] = Ensemble([Fitted(net, *one) for one in members])
            state["encoding_"] = Encoding.from_dict(json.loads(state["encoding_"]))
            state["recipe_"] = Recipe(**state["recipe_"])
        super().__setstate__(state)

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "ensemble_")

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.input_tags.string = True
        tags.input_tags.categorical = True
        return tags


@known_arguments
class TabularClassifier(ClassifierMixin, TabularEstimator):  # type: ignore[misc]
    """Classes of the rows of a table with columns of all kinds, by an ensemble of networks.

    Columns are numbers, also as text in the many ways that people write them, dates, true and false, and
    categories; missing values are welcome. Identifiers, free text and constants are left out. How each
    column is read stands in `encoding_.facts`.

    Parameters
    ----------
    quality : {"fast", "default", "best"} or Recipe, default "default"
        "fast" trains one network, "default" eight, from 5,000 rows on five, whose outputs are averaged.
        "best" trains ten of so many rows, with numbers in more pieces, of which eight learn from all rows.
        A `whygrad.pipeline.recipe.Recipe` says all of it.
    time_limit : float, optional
        Seconds that a fit may take. Where they are few, there are fewer networks, then fewer epochs; at the
        end of the time each network has its best epoch so far. Without it the same seed gives the same
        bits.
    class_weight : dict, "balanced" or None, default None
        How much the rows of each class count; it multiplies `sample_weight`.
    types : mapping of str to {"number", "category", "date", "leave-out"}, optional
        What columns are, where it is not what their values suggest. Columns of an array are "x0", "x1", …
    na : tuple of str, default ()
        What stands for a missing value, beside the usual signs.
    random_state : int, RandomState or None, default None
        Decides the rows that each network sets aside, the initial weights and the order.
    cores : int, optional
        How many networks are trained at a time; by default as many as this process has cores.
    engine : {"auto", "native", "reference"}, default "auto"
        What computes the steps.

    Attributes
    ----------
    classes_ : array, shape (n_classes,)
        The classes, in the order of `predict_proba`.
    ensemble_ : Ensemble
        The networks, each with its history.
    encoding_ : Encoding
        How columns become inputs.
    recipe_ : Recipe
        What was asked of the training.
    background_ : array, shape (n, n_inputs)
        At most 256 training rows, encoded, to which questions compare a row. They are saved with the rest.
    n_features_in_, feature_names_in_
        As in scikit-learn; the latter only of frames.
    why_ : Why
        The questions, in terms of columns and classes.

    See Also
    --------
    TabularRegressor : the same for numbers.
    MLPClassifier : one network on an array of numbers, in scikit-learn's terms.

    References
    ----------
    Gorishniy, Rubachev, Babenko (2022). On embeddings for numerical features in tabular deep learning.
    Holzmüller, Grinsztajn, Steinwart (2024). Better by default: strong pre-tuned MLPs.

    Examples
    --------
    >>> import pandas as pd
    >>> X = pd.DataFrame({"rooms": [2, 3, None, 5] * 10, "town": ["Ulm", "Bonn", "Ulm", "Ulm"] * 10})
    >>> y = ["cheap", "cheap", "dear", "dear"] * 10
    >>> clf = TabularClassifier(quality="fast", random_state=0).fit(X, y)
    >>> clf.predict(X[:3]), clf.predict_proba(X[:3]).shape
    (array(['cheap', 'cheap', 'dear'], dtype='<U5'), (3, 2))
    """

    _parameter_constraints: dict[str, Any] = TabularEstimator._parameter_constraints | {
        "class_weight": [None, StrOptions({"balanced"}), dict],
    }

    classes_: Array

    def __init__(
        self,
        quality: str | Recipe = "default",
        *,
        time_limit: float | None = None,
        class_weight: Any = None,
        types: Mapping[str, str] | None = None,
        na: Any = (),
        random_state: Any = None,
        cores: int | None = None,
        engine: str = "auto",
    ) -> None:
        keep(self, locals())

    @checks_parameters
    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Learn how to read the columns, and train.

        Parameters
        ----------
        X : pandas, polars or arrow frame, or array-like of shape (n, n_features)
            The rows.
        y : array-like, shape (n,)
            Their classes: text, numbers or truth values.
        sample_weight : array-like, shape (n,), optional
            How much each row counts.

        Returns
        -------
        self
            The fitted estimator.

        Raises
        ------
        InputError
            For data that cannot be learned from.
        """
        from whygrad.tables import Target

        if (gone := _first_missing(y)) is not None:
            raise InputError(f"y has no label in {row_of(gone)}: leave out the rows without one")
        name, y = _name_of(y), _given(y, None)
        check_classification_targets(y)
        classes, index = np.unique(y, return_inverse=True)
        if len(classes) < 2:
            raise InputError(
                f"y holds one class, {classes[0]!s:.60}, in every row: there is nothing to tell apart"
            )
        s = self._weights(sample_weight, index)
        if self.class_weight is not None:
            by_class: Array = compute_sample_weight(self.class_weight, y)
            s = by_class if s is None else s * by_class
        labels = tuple(classes.tolist())
        target = Target(name, "classification", "text", labels, na=tuple(self.na))
        return self._fit(X, target, _indicators(index, len(classes)), s, classes_=classes)

    def predict_proba(self, X: Any) -> Array:
        """Return the probability of each class.

        Parameters
        ----------
        X : as in `fit`
            The rows; columns of a frame are found by name, in any order.

        Returns
        -------
        array, shape (n, n_classes)
            Probabilities, in the order of `classes_`.
        """
        a = self._outputs(X)
        return np.hstack([1 - a, a]) if a.shape[1] == 1 else a

    def predict_log_proba(self, X: Any) -> Array:
        """Return the logarithms of `predict_proba`, (n, n_classes)."""
        with np.errstate(divide="ignore"):
            logarithm: Array = np.log(self.predict_proba(X))
        return logarithm

    def predict(self, X: Any) -> Array:
        """Return the most likely class of each row, (n,)."""
        likeliest = self.predict_proba(X).argmax(axis=1)
        found: Array = self.classes_.take(likeliest)
        return found

    def _targets(self, y: Any) -> Array:
        from whygrad.why.bound import as_class_indices

        index = as_class_indices(np.atleast_1d(np.asarray(y)).tolist(), self.classes_.tolist())
        return _indicators(index, len(self.classes_))


@known_arguments
class TabularRegressor(RegressorMixin, TabularEstimator):  # type: ignore[misc]
    """Numbers of the rows of a table with columns of all kinds, by an ensemble of networks.

    Parameters
    ----------
    quality, time_limit, types, na, random_state, cores, engine
        As of `TabularClassifier`.

    Attributes
    ----------
    ensemble_, encoding_, recipe_, background_, n_features_in_, feature_names_in_, why_
        As of `TabularClassifier`; the networks give y standardised.

    See Also
    --------
    TabularClassifier : the same for classes, with all parameters described.

    Examples
    --------
    >>> import numpy as np
    >>> X = np.linspace(-1, 1, 200).reshape(-1, 1)
    >>> reg = TabularRegressor(quality="fast", random_state=0).fit(X, np.sin(3 * X.ravel()))
    >>> reg.score(X, np.sin(3 * X.ravel())) > 0.95
    True
    """

    def __init__(
        self,
        quality: str | Recipe = "default",
        *,
        time_limit: float | None = None,
        types: Mapping[str, str] | None = None,
        na: Any = (),
        random_state: Any = None,
        cores: int | None = None,
        engine: str = "auto",
    ) -> None:
        keep(self, locals())

    @checks_parameters
    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Learn how to read the columns, and train.

        Parameters
        ----------
        X : pandas, polars or arrow frame, or array-like of shape (n, n_features)
            The rows.
        y : array-like, shape (n,)
            Their numbers.
        sample_weight : array-like, shape (n,), optional
            How much each row counts.

        Returns
        -------
        self
            The fitted estimator.

        Raises
        ------
        InputError
            For data that cannot be learned from.
        """
        from whygrad.tables import Target, standardised

        name, y = _name_of(y), _given(y, np.float64)
        center, scale = standardised(y)
        target = Target(name, "regression", "number", (), center, scale, na=tuple(self.na))
        return self._fit(X, target, _in_scale(target, y), self._weights(sample_weight, y))

    def predict(self, X: Any) -> Array:
        """Return the number of each row.

        Parameters
        ----------
        X : as in `fit`
            The rows; columns of a frame are found by name, in any order.

        Returns
        -------
        array, shape (n,)
            In the units of y.
        """
        a = self._outputs(X)
        return self.encoding_.decode(a)

    def _targets(self, y: Any) -> Array:
        return _in_scale(self.encoding_.target, _given(np.atleast_1d(np.asarray(y)), np.float64))


def _in_scale(target: "Target", y: Array) -> Array:
    """Return numbers as the networks give them, (n, 1)."""
    return ((y - target.center) / target.scale)[:, None]


def _indicators(index: Array, classes: int) -> Array:
    """Return indices of classes as targets: one-hot, or of two classes a column of zeros and ones."""
    return index[:, None].astype(np.float64) if classes == 2 else one_hot(index, classes)


def _seed(random_state: Any) -> int:
    """Return the seed of a fit: the number given, or one that is drawn."""
    if isinstance(random_state, Integral):
        return int(random_state)
    return int(check_random_state(random_state).randint(2**31 - 1))


def _name_of(y: Any) -> str:
    name = getattr(y, "name", None)
    return name if isinstance(name, str) and name else "y"


def _given(y: Any, dtype: Any) -> Array:
    """Return y, (n,), as a dtype, or as it is where that is None; none of it is missing."""
    if y is None:
        raise InputError("a fit requires y to be passed, but the target y is None")
    check_unmasked(y, "y")
    if dtype is not None and (odd := _first_text(y)) is not None:
        row, text = odd
        raise InputError(
            f"y is {text!r:.60} in {row_of(row)}, which is no number: for classes use a TabularClassifier"
        )
    y = check_array(y, ensure_2d=False, dtype=dtype, input_name="y")
    flat: Array = column_or_1d(y, warn=True)
    return flat


def _first_missing(y: Any) -> int | None:
    """Return the first row, from 0, without a label: None, NaN or NA; None for arrays of numbers."""
    kind = getattr(y, "dtype", None)
    values = np.asarray(y, kind if isinstance(kind, np.dtype) else object)
    if values.dtype.kind != "O" or values.ndim != 1:
        return None
    for row, one in enumerate(values):
        if one is None or type(one).__name__ == "NAType" or (isinstance(one, float) and one != one):
            return row
    return None


def _first_text(y: Any) -> tuple[int, str] | None:
    """Return the first text in y that is no number, and its row, from 0; None where there is none."""
    values = np.asarray(y)
    if values.dtype.kind not in "OSU":
        return None
    for row, value in enumerate(values.ravel()):
        if isinstance(value, str):
            try:
                float(value)
            except ValueError:
                return row, str(value)
    return None


def _table_of(estimator: TabularEstimator, X: Any, fitting: bool) -> tuple[Any, dict[str, str]]:
    """Return X as an arrow table, and what is known of its columns' types.

    Columns of an array, and of a frame where an array was fitted, are known by position; an array of
    numbers has no codes and no identifiers.
    """
    from whygrad.tables import as_table

    types = dict(estimator.types or {})
    frame = ("collect_schema", "column_names", "columns")  # of polars, arrow and pandas
    if not any(hasattr(X, name) for name in frame):
        check_unmasked(X, "X")
        X = validate_data(estimator, X, reset=fitting, dtype=None, ensure_all_finite="allow-nan")
        names = [f"x{k}" for k in range(X.shape[1])]
        if not fitting:
            names = list(getattr(estimator, "feature_names_in_", names))
        if X.dtype.kind in "fiu":
            types = dict.fromkeys(names, "number") | types
        return _from_columns(X, names), types
    table = as_table(X)
    if table.num_rows == 0 and not fitting:
        raise InputError("the frame has no rows")
    if fitting:
        estimator.n_features_in_ = table.num_columns
        estimator.feature_names_in_ = np.array(table.column_names, dtype=object)
    elif not hasattr(estimator, "feature_names_in_"):
        if table.num_columns != estimator.n_features_in_:
            raise InputError(
                f"X has {table.num_columns} columns, in training it had {estimator.n_features_in_}"
            )
        table = table.rename_columns([f"x{k}" for k in range(table.num_columns)])
    return table, types


def _from_columns(X: Array, names: list[str]) -> Any:
    """Return an array as an arrow table; what mixes types is text."""
    import pyarrow as pa

    columns = []
    for k in range(X.shape[1]):
        column = np.ascontiguousarray(X[:, k])
        try:
            columns.append(pa.array(column, from_pandas=True))
        except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError):
            cells = [None if one is None or one != one else str(one) for one in column.tolist()]
            columns.append(pa.array(cells, pa.large_string()))
    return pa.table(columns, names=names)
