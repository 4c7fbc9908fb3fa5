"""What Keras, PyTorch, scikit-learn and the books call the things that have another name here.

One table, from their name to ours. Case, underscores and hyphens count for nothing, so that "ReLU",
"LeakyReLU" and "Glorot-Normal" need no entry. Where a name means several things, the first that is to
be chosen from where it was said is meant.
"""

import re
from collections.abc import Sequence

_SHARES = ("validation=(X, Y)", "X_val=…, y_val=…", "validation_fraction", "validation")
_COST = ("cost", "loss", "net=Network(…, cost=…)")
_RATE = ("learning_rate", "learning-rate", "learning_rate_init", "optimizer=Adam(0.01)")
_STOPPING = ("stopping=Stopping(patience=10)", "early_stopping", "patience")
_L2 = ("l2", "alpha", "decay")

ELSEWHERE: dict[str, tuple[str, ...]] = {
    # activations
    "linear": ("identity",),
    "none": ("identity",),
    "logistic": ("sigmoid",),
    "expit": ("sigmoid",),
    "hyperbolictangent": ("tanh",),
    "rectifier": ("relu",),
    "lrelu": ("leaky_relu",),
    "swish": ("silu",),
    "exponential": ("exp",),
    "logsoftmax": ("softmax",),
    # costs
    "mse": ("squared_error",),
    "mseloss": ("squared_error",),
    "meansquarederror": ("squared_error",),
    "l2loss": ("squared_error",),
    "quadratic": ("squared_error",),
    "leastsquares": ("squared_error",),
    "mae": ("absolute_error",),
    "meanabsoluteerror": ("absolute_error",),
    "l1loss": ("absolute_error",),
    "huberloss": ("huber",),
    "smoothl1": ("huber",),
    "smoothl1loss": ("huber",),
    "poissonloss": ("poisson",),
    "poissonnllloss": ("poisson",),
    "logloss": ("cross_entropy",),
    "nllloss": ("cross_entropy",),
    "crossentropyloss": ("cross_entropy",),
    "categoricalcrossentropy": ("cross_entropy",),
    "sparsecategoricalcrossentropy": ("cross_entropy",),
    "bce": ("binary_cross_entropy",),
    "bceloss": ("binary_cross_entropy",),
    "bcewithlogits": ("binary_cross_entropy",),
    "bcewithlogitsloss": ("binary_cross_entropy",),
    # optimizers
    "gd": ("sgd",),
    "gradientdescent": ("sgd",),
    "momentum": ("sgd",),
    "nesterov": ("sgd",),
    "bfgs": ("lbfgs",),
    "lbfgsb": ("lbfgs",),
    # initialisers
    "xavier": ("glorot_uniform",),
    "xavieruniform": ("glorot_uniform",),
    "xaviernormal": ("glorot_normal",),
    "kaiminguniform": ("he_uniform",),
    "kaimingnormal": ("he_normal",),
    "zero": ("zeros",),
    # schedules
    "invscaling": ("inverse_scaling",),
    "inversetimedecay": ("inverse_scaling",),
    "steplr": ("step",),
    "exponentialdecay": ("step",),
    "cosinedecay": ("cosine",),
    "cosineannealing": ("cosine",),
    "cosineannealinglr": ("cosine",),
    "onecyclelr": ("one_cycle",),
    "plateau": ("on_plateau",),
    "reducelronplateau": ("on_plateau",),
    # arguments of networks and layers
    "inputshape": ("inputs",),
    "inputdim": ("inputs",),
    "inputsize": ("inputs",),
    "ninputs": ("inputs",),
    "infeatures": ("inputs",),
    "outfeatures": ("units",),
    "neurons": ("units",),
    "hiddenlayersizes": ("hidden", "layers=[Dense(30, 'relu'), …]"),
    "layers": ("hidden_layer_sizes", "hidden"),
    "hidden": ("hidden_layer_sizes",),
    "hiddenunits": ("hidden_layer_sizes", "hidden"),
    "kernelinitializer": ("init",),
    "weightinit": ("init",),
    "biasinitializer": ("bias_init",),
    "dropoutrate": ("dropout",),
    "loss": _COST,
    "lossfunction": _COST,
    "criterion": _COST,
    "cost": _COST[1:],
    # arguments of optimizers and schedules
    "lr": _RATE,
    "eta": _RATE,
    "learningrate": _RATE[2:],
    "learningrateinit": _RATE,
    "rate": _RATE,
    "maxlr": _RATE,
    "betas": ("beta1=…, beta2=…", "beta_1=…, beta_2=…"),
    "eps": ("epsilon",),
    "rho": ("beta",),
    "alpha": ("beta", "l2"),
    "weightdecay": ("decay", *_L2),
    "nesterovsmomentum": ("nesterov",),
    "stepsize": ("every", *_RATE),
    "gamma": ("factor",),
    "etamin": ("last",),
    "pctstart": ("rise",),
    "warmupsteps": ("warm_up",),
    # arguments of a training
    "maxiter": ("epochs",),
    "nepochs": ("epochs", "max_iter"),
    "numepochs": ("epochs", "max_iter"),
    "iterations": ("epochs", "max_iter"),
    "epochs": ("max_iter",),
    "solver": ("optimizer",),
    "optimizer": ("solver",),
    "optim": ("optimizer", "solver"),
    "scheduler": ("schedule",),
    "lrscheduler": ("schedule",),
    "learningrateschedule": ("schedule",),
    "validationdata": _SHARES,
    "validationsplit": _SHARES,
    "validationfraction": _SHARES,
    "evalset": _SHARES,
    "testsize": ("test", *_SHARES),
    "earlystopping": _STOPPING,
    "patience": _STOPPING,
    "niternochange": _STOPPING,
    "exampleweights": ("sample_weight",),
    "classweight": ("class_weight", "sample_weight"),
    "weights": ("sample_weight", "init"),
    "randomstate": ("seed",),
    "randomseed": ("seed", "random_state"),
    "seed": ("random_state",),
    "verbose": ("progress",),
    "clipnorm": ("clip",),
    "clipvalue": ("clip=Clip(value=…)",),
    "gradclip": ("clip",),
    "maxgradnorm": ("clip",),
    "l2": _L2[1:],
    "l2regularization": _L2,
    "regularization": _L2,
    "kernelregularizer": _L2,
    "tolerance": ("tol",),
}


def plain(name: str) -> str:
    """Return a name as it is compared: small letters and digits alone.

    >>> plain("Leaky-ReLU")
    'leakyrelu'
    """
    return "".join(letter for letter in name.lower() if letter.isalnum()) or name


def called_here(name: str, known: Sequence[str]) -> str:
    """Return what a name of another library is called here, among the names known; "" where nobody says so.

    >>> called_here("categorical_crossentropy", ["squared_error", "cross_entropy"])
    'cross_entropy'
    """
    for other in known:
        if plain(other) == plain(name):
            return other
    for other in ELSEWHERE.get(plain(name), ()):
        if re.split(r"[=.(]", other)[0] in known:
            return other
    return ""
