"""What Keras, PyTorch, scikit-learn and the books call the things that have another name here.

One table: what each of our names is called elsewhere. Case, underscores and hyphens count for nothing,
so that "ReLU", "LeakyReLU" and "Glorot-Normal" need no entry. Where a name means several things, the
first that is to be chosen from where it was said is meant.
"""

import re
from collections.abc import Sequence

_SHARES = ("validation=(X, Y)", "X_val=…, y_val=…", "validation_fraction", "validation")
_COST = ("cost", "loss", "net=Network(…, cost=…)")
_RATE = ("learning_rate_init", "learning_rate", "learning-rate", "optimizer=Adam(0.01)")
_STOPPING = ("stopping=Stopping(patience=10)", "early_stopping", "patience")
_L2 = ("l2", "alpha", "decay")

# What is meant here: what others call it.
_NAMES: dict[tuple[str, ...], str] = {
    # activations
    ("identity",): "linear none",
    ("sigmoid",): "logistic expit",
    ("tanh",): "hyperbolictangent",
    ("relu",): "rectifier",
    ("leaky_relu",): "lrelu",
    ("silu",): "swish",
    ("exp",): "exponential",
    ("softmax",): "logsoftmax",
    # costs
    ("squared_error",): "mseloss l2loss quadratic leastsquares",
    ("squared_error", "neg_mean_squared_error"): "mse meansquarederror",
    ("absolute_error",): "l1loss",
    ("absolute_error", "neg_mean_absolute_error"): "mae meanabsoluteerror",
    ("huber",): "huberloss smoothl1 smoothl1loss",
    ("poisson",): "poissonloss poissonnllloss",
    ("cross_entropy",): "logloss nllloss crossentropyloss categoricalcrossentropy "
    "sparsecategoricalcrossentropy",
    ("binary_cross_entropy",): "bce bceloss bcewithlogits bcewithlogitsloss",
    # metrics
    ("neg_root_mean_squared_error",): "rmse rootmeansquarederror",
    ("roc_auc",): "auc auroc rocaucscore",
    ("average_precision",): "auprc prauc averageprecisionscore",
    ("accuracy",): "acc accuracyscore",
    ("matthews_corrcoef",): "mcc",
    # optimizers
    ("sgd",): "gd gradientdescent momentum nesterov",
    ("lbfgs",): "bfgs lbfgsb",
    # initialisers
    ("glorot_uniform",): "xavier xavieruniform",
    ("glorot_normal",): "xaviernormal",
    ("he_uniform",): "kaiminguniform",
    ("he_normal",): "kaimingnormal",
    ("zeros",): "zero",
    # schedules
    ("inverse_scaling",): "invscaling inversetimedecay",
    ("step",): "steplr exponentialdecay",
    ("cosine",): "cosinedecay cosineannealing cosineannealinglr",
    ("one_cycle",): "onecyclelr",
    ("on_plateau",): "plateau reducelronplateau",
    # arguments of networks and layers
    ("inputs",): "inputshape inputdim inputsize ninputs infeatures",
    ("units",): "outfeatures neurons",
    ("hidden", "layers=[Dense(30, 'relu'), …]"): "hiddenlayersizes",
    ("hidden_layer_sizes", "hidden"): "layers hiddenunits",
    ("hidden_layer_sizes",): "hidden",
    ("init",): "kernelinitializer weightinit",
    ("bias_init",): "biasinitializer biases",
    ("dropout",): "dropoutrate",
    _COST: "loss lossfunction criterion",
    _COST[1:]: "cost",
    # arguments of optimizers and schedules
    _RATE: "lr eta learningrateinit rate maxlr",
    _RATE[3:]: "learningrate",
    ("beta1=…, beta2=…", "beta_1=…, beta_2=…"): "betas",
    ("epsilon",): "eps",
    ("beta",): "rho",
    ("beta", "l2"): "alpha",
    ("decay", *_L2): "weightdecay",
    ("nesterov",): "nesterovsmomentum",
    ("every", *_RATE): "stepsize",
    ("factor",): "gamma",
    ("last",): "etamin",
    ("rise",): "pctstart",
    ("warm_up",): "warmupsteps",
    # arguments of a training
    ("epochs",): "maxiter",
    ("epochs", "max_iter"): "nepochs numepochs iterations",
    ("max_iter",): "epochs",
    ("optimizer",): "solver",
    ("solver",): "optimizer",
    ("optimizer", "solver"): "optim",
    ("schedule",): "scheduler lrscheduler learningrateschedule",
    _SHARES: "validationdata validationsplit validationfraction evalset",
    ("test", *_SHARES): "testsize",
    _STOPPING: "earlystopping patience niternochange",
    ("sample_weight",): "exampleweights",
    ("class_weight", "sample_weight"): "classweight",
    ("sample_weight", "init"): "weights",
    ("seed",): "randomstate",
    ("seed", "random_state"): "randomseed",
    ("random_state",): "seed",
    ("progress",): "verbose",
    ("rate_multipliers",): "paramgroups lrmultipliers lrmult",
    ("clip",): "clipnorm gradclip maxgradnorm",
    ("clip=Clip(value=…)",): "clipvalue",
    _L2[1:]: "l2",
    _L2: "l2regularization regularization kernelregularizer",
    ("tol",): "tolerance",
}
ELSEWHERE = {name: meant for meant, names in _NAMES.items() for name in names.split()}


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
