"""Whatever cannot be trained with is refused in one line: what is wrong, where, and what to do."""

import re

import numpy as np
import pytest

import whygrad as wg
from whygrad.plan.optimizers import OPTIMIZERS

NET = wg.Network(3, [wg.Dense(4, "tanh"), wg.Dense(2, "softmax")], "cross_entropy")
NUMBERS = wg.Network(3, [wg.Dense(2, "identity")])
X, Y = np.zeros((5, 3)), np.array([0, 1, 0, 1, 0])


def refused(message, function, *args, **options):
    """Check that a call is refused with this very message, on one line."""
    with pytest.raises(wg.InputError) as error:
        function(*args, **options)
    assert str(error.value) == message
    assert "\n" not in message


def fit(net=NET, X=X, Y=Y, **options):
    settings = {"batch_size": 5, "epochs": 1, "engine": "reference"} | options
    return wg.train(net, X, Y, **settings)


def with_value(array, where, value):
    array = np.array(array, float)
    array[where] = value
    return array


def test_numbers_under_a_mask_are_refused():
    hidden = np.ma.masked_array(X, mask=np.arange(15).reshape(5, 3) > 12)
    then = "(2 such values in all): impute or leave out missing values first"
    refused(f"X[4, 1] is masked {then}", fit, X=hidden)
    refused(f"Y[0] is masked {then.replace('2', '3')}", fit, Y=np.ma.masked_equal(Y, 0))
    fit(X=np.ma.masked_array(X))  # with nothing hidden


def test_every_refusal_is_a_whygrad_error_and_a_value_error():
    assert issubclass(wg.InputError, wg.WhygradError)
    assert issubclass(wg.InputError, ValueError)
    assert issubclass(wg.FileError, OSError)


# ── networks ─────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("sigmod", "unknown activation 'sigmod': did you mean 'sigmoid'? Known: "),
        ("ReLU", "unknown activation 'ReLU': "),
        ("leakyrelu", "unknown activation 'leakyrelu': did you mean 'leaky_relu'? Known: "),
        (None, "unknown activation None: "),
        (["relu"], "unknown activation ['relu']: "),
    ],
)
def test_an_unknown_activation_is_named_beside_the_nearest(given, message):
    with pytest.raises(wg.InputError, match=re.escape(message)) as error:
        wg.Dense(3, given)
    assert "identity, sigmoid, tanh, relu, " in str(error.value)


def test_an_unknown_cost_is_named_beside_the_nearest():
    refused(
        "unknown cost 'square_error': did you mean 'squared_error'? Known: squared_error, "
        "absolute_error, huber, poisson, cross_entropy, binary_cross_entropy",
        wg.Network, 3, [wg.Dense(1, "identity")], cost="square_error",
    )  # fmt: skip


def test_an_unknown_initialiser_is_named_beside_the_nearest():
    with pytest.raises(wg.InputError, match="did you mean 'glorot_normal'"):
        wg.Dense(3, "relu", init="glorot-normal")


def test_a_cost_is_a_name_or_an_object():
    with pytest.raises(
        wg.InputError, match=r"a name or an object with value\(a, y\) and derivative"
    ):
        wg.Network(3, [wg.Dense(1, "identity")], cost=42)


@pytest.mark.parametrize("units", [0, -1])
def test_a_layer_has_at_least_one_unit(units):
    refused(
        f"layer 2 has {units} units: a layer needs at least 1",
        wg.Network, 3, [wg.Dense(4, "tanh"), wg.Dense(units, "tanh")],
    )  # fmt: skip


def test_a_network_has_at_least_one_input():
    refused("layer 0 has 0 units: a layer needs at least 1", wg.Network, 0, [wg.Dense(1, "tanh")])


@pytest.mark.parametrize("units", [2.5, "3", True, None])
def test_a_number_of_units_is_whole(units):
    message = f"a number of units or inputs is a whole number, not {units!r}"
    refused(message, wg.Network, 3, [wg.Dense(units, "tanh")])


def test_a_network_has_at_least_one_layer():
    with pytest.raises(wg.InputError, match="at least one layer"):
        wg.Network(3, [])


def test_softmax_is_refused_in_a_hidden_layer():
    refused(
        "'softmax' in layer 1: it serves as output layer only",
        wg.Network, 3, [wg.Dense(4, "softmax"), wg.Dense(2, "softmax")], "cross_entropy",
    )  # fmt: skip


def test_softmax_of_a_single_unit_is_refused():
    with pytest.raises(wg.InputError, match="of a single unit is always 1: use 'sigmoid'"):
        wg.Network(3, [wg.Dense(1, "softmax")], "cross_entropy")


@pytest.mark.parametrize(
    ("activation", "cost", "message"),
    [
        (
            "tanh",
            "binary_cross_entropy",
            "cost 'binary_cross_entropy' needs outputs with 0 < a < 1, which 'tanh' does not guarantee: "
            "use the output activation sigmoid or softmax, "
            "or the cost squared_error or absolute_error or huber",
        ),
        (
            "identity",
            "poisson",
            "cost 'poisson' needs outputs with a > 0, which 'identity' does not guarantee: "
            "use the output activation sigmoid or softplus or exp or softmax, "
            "or the cost squared_error or absolute_error or huber",
        ),
        (
            "sigmoid",
            "cross_entropy",
            "cost 'cross_entropy' needs outputs with rows of probabilities, which 'sigmoid' does not "
            "guarantee: use the output activation softmax, or the cost squared_error or absolute_error "
            "or huber or poisson or binary_cross_entropy",
        ),
    ],
)
def test_an_inadmissible_pairing_is_refused_with_the_alternatives(activation, cost, message):
    refused(message, wg.Network, 3, [wg.Dense(2, activation)], cost)


@pytest.mark.parametrize(("low", "high"), [(1, 0), (np.nan, 1), (0, np.inf)])
def test_a_range_to_draw_from_is_finite_and_ordered(low, high):
    with pytest.raises(wg.InputError, match="needs finite low <= high"):
        wg.Uniform(low, high)


def test_given_arrays_have_the_shape_of_the_layer():
    refused("W[1] has shape (4, 2), the network needs (4, 3)", NET.init, W=[None, np.zeros((4, 2))])
    refused("b[2] has shape (3,), the network needs (2,)", NET.init, b=[None, None, np.zeros(3)])
    refused("W[1] contains NaN or infinity", NET.init, W=[None, np.full((4, 3), np.nan)])


@pytest.mark.parametrize("seed", [-1, 0.5, "a", True, None])
def test_a_seed_is_a_whole_number(seed):
    refused(f"a seed is a whole number of at least 0, not {seed!r}", NET.init, seed)


# ── arrays ───────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("value", "name"), [(np.nan, "NaN"), (np.inf, "infinity"), (-np.inf, "infinity")]
)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_nan_and_infinity_in_the_inputs_are_refused_with_their_place(value, name, dtype):
    bad = with_value(X, (3, 1), value).astype(dtype)
    bad[4, 2] = value
    message = f"X[3, 1] is {name} (2 such values in all): impute or leave out missing values first"
    refused(message, fit, X=bad)
    refused(message, wg.forward, NET, NET.init(), bad)
    refused(message, fit().predict, bad)


def test_values_that_cancel_do_not_hide_an_infinity():
    bad = with_value(with_value(X, (0, 0), np.inf), (0, 1), -np.inf)
    with pytest.raises(wg.InputError, match=r"X\[0, 0\] is infinity \(2 such"):
        fit(X=bad)


def test_large_finite_values_are_no_infinity():
    wg.forward(NET, NET.init(), np.full((5, 3), 3e38, np.float32))


def test_nan_in_the_targets_is_refused_with_its_place():
    targets = with_value(np.zeros((5, 2)), (1, 0), np.nan)
    message = "Y[1, 0] is NaN (the only such value): impute or leave out missing values first"
    refused(message, fit, NUMBERS, Y=targets)
    theta = NUMBERS.init()
    refused(message, wg.backward, NUMBERS, theta, wg.forward(NUMBERS, theta, X), targets)


def test_nan_in_validation_data_is_refused():
    with pytest.raises(wg.InputError, match=r"X\[0, 0\] is NaN"):
        fit(validation=(with_value(X, (0, 0), np.nan), Y))


@pytest.mark.parametrize(
    "shape", [(5, 4), (5,), (3, 5), (5, 2, 2), ()], ids=lambda shape: str(shape)
)
def test_inputs_of_another_shape_are_refused(shape):
    message = f"X has shape {shape}, but the network takes 3 inputs: expected (n, 3)"
    refused(message, fit, X=np.zeros(shape))


@pytest.mark.parametrize("shape", [(5, 3), (4, 2), (5, 1), (4,), (5, 2, 1)])
def test_targets_of_another_shape_are_refused(shape):
    message = f"Y has shape {shape}, but 5 examples and 2 outputs need (5, 2)"
    refused(message, fit, NUMBERS, Y=np.zeros(shape))


def test_weights_of_another_shape_are_refused():
    refused("sample_weight has shape (4,), but 5 examples need (5,)", fit, sample_weight=np.ones(4))


def test_weights_are_finite_and_not_negative_and_not_all_zero():
    refused(
        "sample_weight[2] is negative: a weight is at least 0", fit, sample_weight=[1, 1, -1, 1, 1]
    )
    refused(
        "sample_weight is 0 for every example: at least one must count",
        fit,
        sample_weight=np.zeros(5),
    )
    with pytest.raises(wg.InputError, match=r"sample_weight\[1\] is NaN"):
        fit(sample_weight=[1, np.nan, 1, 1, 1])


@pytest.mark.parametrize("empty", [[], np.zeros((0, 3))])
def test_empty_data_are_refused(empty):
    refused("X is empty: at least one example is needed", fit, X=empty, Y=[])


def test_text_is_refused():
    refused("X has dtype <U1: expected numbers", fit, X=[["a", "b", "c"]])
    refused("Y has dtype object: expected numbers", fit, Y=np.array(["a", None, 1, 2, 3], object))


def test_ragged_rows_are_refused():
    with pytest.raises(wg.InputError, match="X is not an array of numbers") as error:
        fit(X=[[1, 2, 3], [1, 2]])
    assert "\n" not in str(error.value)


def test_a_class_without_an_output_is_refused():
    refused("Y[3] is class 2, but 2 outputs stand for 0 … 1", fit, Y=[0, 1, 0, 2, 1])
    refused("Y[0] is class -1, but 2 outputs stand for 0 … 1", fit, Y=[-1, 1, 0, 1, 1])


def test_targets_outside_what_a_cost_understands_are_refused():
    binary = wg.Network(3, [wg.Dense(1, "sigmoid")], "binary_cross_entropy")
    refused(
        "Y[2, 0] is 2: cost 'binary_cross_entropy' needs targets between 0 and 1",
        fit, binary, Y=[0, 1, 2, 1, 0],
    )  # fmt: skip
    counts = wg.Network(3, [wg.Dense(1, "exp")], "poisson")
    refused(
        "Y[1, 0] is -0.5: cost 'poisson' needs targets at least 0",
        fit,
        counts,
        Y=[0, -0.5, 2, 1, 0],
    )
    with pytest.raises(
        wg.InputError, match=r"Y\[4\] sums to 2: .* use 'sigmoid' with 'binary_cross"
    ):
        fit(Y=[[1, 0]] * 4 + [[1, 1]])


# ── settings of a training ───────────────────────────────────────────────────────────────────────


def test_an_unknown_optimizer_is_named_beside_the_nearest():
    known = "sgd, adagrad, rmsprop, adam, adamw, nadam, lbfgs"
    message = f"unknown optimizer 'adm': did you mean 'adam'? Known: {known}"
    refused(message, fit, optimizer="adm")


@pytest.mark.parametrize("given", [0.1, None, wg.SGD])
def test_an_optimizer_is_a_name_or_an_object(given):
    with pytest.raises(
        wg.InputError, match=r"an optimizer is a name or one such as SGD\(0.1\), not "
    ):
        fit(optimizer=given)


@pytest.mark.parametrize("learning_rate", [-0.1, 0, np.nan, np.inf, "fast"])
@pytest.mark.parametrize("rule", OPTIMIZERS.values())
def test_a_rate_is_finite_and_above_zero(rule, learning_rate):
    refused(
        f"learning_rate is {learning_rate!r}: a learning rate is a finite number above 0",
        rule,
        learning_rate,
    )


@pytest.mark.parametrize(
    ("rule", "options", "message"),
    [
        (wg.SGD, {"momentum": 1.5}, "momentum is 1.5: it must be from 0 to 1"),
        (wg.SGD, {"momentum": -0.1}, "momentum is -0.1: it must be from 0 to 1"),
        (wg.SGD, {"nesterov": True}, "nesterov=True needs a momentum above 0, such as 0.9"),
        (wg.Adam, {"beta1": 1}, "beta1 is 1: it must be at least 0 and below 1"),
        (wg.Adam, {"beta2": -1}, "beta2 is -1: it must be at least 0 and below 1"),
        (wg.Adam, {"epsilon": 0}, "epsilon is 0: it must be above 0"),
        (wg.Adagrad, {"epsilon": -1}, "epsilon is -1: it must be above 0"),
        (wg.RMSprop, {"beta": 1}, "beta is 1: it must be at least 0 and below 1"),
        (wg.RMSprop, {"momentum": 2}, "momentum is 2: it must be from 0 to 1"),
        (wg.AdamW, {"decay": -1}, "decay is -1: it must be a finite number of at least 0"),
        (wg.Nadam, {"beta1": 1}, "beta1 is 1: it must be at least 0 and below 1"),
    ],
)
def test_numbers_that_an_optimizer_cannot_use_are_refused(rule, options, message):
    refused(message, rule, **options)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"batch_size": 6},
            "batch_size is 6, but there are only 5 examples: use at most 5",
        ),
        ({"batch_size": 0}, "batch_size is 0: it must be a whole number of at least 1"),
        ({"batch_size": 2.5}, "batch_size is 2.5: it must be a whole number of at least 1"),
        ({"epochs": -1}, "epochs is -1: it must be a whole number of at least 0"),
        ({"seed": -1}, "seed is -1: it must be a whole number of at least 0"),
        ({"l2": -0.1}, "penalty -0.1: it must be a finite number of at least 0"),
        ({"l1": np.inf}, "penalty inf: it must be a finite number of at least 0"),
        (
            {"l2": wg.Penalty(0.1, per="step"), "l1": wg.Penalty(0.1, per="step")},
            "a penalty per step decays parameters: it is for l2 only",
        ),
        (
            {"label_smoothing": 1},
            "label_smoothing is 1: it must be at least 0 and below 1",
        ),
        ({"dtype": "float16"}, "dtype is 'float16': use 'float32' or 'float64'"),
        ({"dtype": "decimal"}, "dtype is 'decimal': use 'float32' or 'float64'"),
        (
            {"engine": "natve"},
            "unknown engine 'natve': did you mean 'native'? Known: auto, native, reference, xla",
        ),
        (
            {"schedule": wg.Adaptive()},
            "the schedule Adaptive acts when a stopping rule's patience ends: give one",
        ),
        (
            {"stopping": wg.Stopping("validation_cost")},
            "stopping on 'validation_cost' needs validation data: give validation=(X, Y)",
        ),
        (
            {"theta": NUMBERS.init()},
            "the parameters are of layers of (3, 2) units, the network's are (3, 4, 2)",
        ),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, dict) else "",
)
def test_settings_that_make_no_sense_are_refused(options, message):
    refused(message, fit, **options)


def test_parameters_to_start_from_are_finite():
    theta = NET.init()
    theta.W[1][0, 0] = np.nan
    refused("the parameters to start from contain NaN or infinity", fit, theta=theta)


def test_penalties_and_stopping_rules_say_what_they_take():
    with pytest.raises(wg.InputError, match="use 'batch', 'example', 'data' or 'step'"):
        wg.Penalty(0.1, per="epoch")
    with pytest.raises(wg.InputError, match="stopping on 'accuracy', which is not measured: Known"):
        fit(stopping=wg.Stopping(on="accuracy"))
    refused("patience is 0: it must be at least 1", wg.Stopping, patience=0)
    refused("a decay of 1 per step: it must be below 1", wg.Penalty, 1, per="step")


def test_bounds_of_the_gradient_are_finite_and_above_zero():
    refused("clip norm is 0: it must be a finite number above 0", wg.Clip, norm=0)
    refused("clip value is inf: it must be a finite number above 0", wg.Clip, value=np.inf)


def test_labels_are_smoothed_where_targets_are_classes():
    refused(
        "label_smoothing needs targets that are classes, not 'squared_error'",
        fit, NUMBERS, label_smoothing=0.1, Y=np.zeros((5, 2)),
    )  # fmt: skip


def test_dropout_is_for_hidden_layers_and_leaves_some_units():
    refused("dropout is 1: it must be at least 0 and below 1", wg.Dense, 3, "relu", dropout=1)
    layers = [wg.Dense(3, "relu", dropout=0.5), wg.Dense(1, "identity", dropout=0.5)]
    refused("dropout in the output layer: it serves in hidden layers only", wg.Network, 2, layers)


# ── the textbook interface ───────────────────────────────────────────────────────────────────────


def test_gradients_need_a_trace_that_went_backward():
    theta = NET.init()
    message = "the trace has no delta yet: call backward before gradients"
    refused(message, wg.gradients, NET, theta, wg.forward(NET, theta, X))


def test_parameters_of_another_network_are_refused():
    with pytest.raises(wg.InputError, match=r"\(3, 2\) units"):
        wg.forward(NET, NUMBERS.init(), X)


def test_a_vector_of_another_length_makes_no_parameters():
    refused(
        "parameters of shape (7,) do not fit layers of (3, 2) units: they need one vector of 8",
        wg.Parameters, (3, 2), np.zeros(7),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"l2": "a"}, "penalty 'a': it must be a finite number of at least 0"),
        ({"stopping": True}, "stopping is True: give one such as Stopping(patience=10)"),
        ({"clip": "a"}, "clip is 'a': give one such as Clip(norm=1.0)"),
        ({"theta": np.ones(2)}, "theta is not Parameters: make some with net.init(W=[…], b=[…])"),
        ({"validation": 0.2}, "validation is a pair, validation=(X, Y)"),
        ({"seconds": -1}, "seconds is -1: it must be a number of at least 0"),
        ({"callbacks": print}, "callbacks is a list of functions, callbacks=[look]"),
        ({"cost_below": "x"}, "cost_below is 'x': it must be a number"),
        ({"label_smoothing": "x"}, "label_smoothing is 'x': it must be at least 0 and below 1"),
    ],
)
def test_an_argument_of_another_kind_is_refused(options, message):
    net = wg.Network(1, [wg.Dense(1, "identity")])
    refused(message, wg.train, net, [[0.0], [1.0]], [1.0, 0.0], **options)


def test_an_unknown_schedule_is_refused_with_the_nearest():
    net = wg.Network(1, [wg.Dense(1, "identity")])
    with pytest.raises(wg.InputError, match="unknown schedule 'cosin': did you mean 'cosine'"):
        wg.train(net, [[0.0]], [1.0], schedule="cosin")


def test_arguments_in_another_order_are_refused():
    with pytest.raises(wg.InputError, match="the first argument is a Network"):
        wg.train([[0.0]], [1.0], wg.Network(1, [wg.Dense(1, "identity")]))
    with pytest.raises(wg.InputError, match="layers are a list"):
        wg.Network(1, wg.Dense(1, "identity"))


def test_an_own_cost_whose_derivative_has_another_shape_is_refused():
    cost = wg.Cost("mine", lambda a, y: (a - y).sum(axis=1), lambda a, y: (a - y).sum(axis=1))
    net = wg.Network(1, [wg.Dense(2, "tanh")], cost)
    with pytest.raises(wg.InputError, match="mend the cost's derivative"):
        wg.train(net, [[0.0], [1.0]], [[1.0, 0.0], [0.0, 1.0]], engine="reference")
