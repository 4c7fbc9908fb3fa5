"""
Coming from scikit-learn, PyTorch, Keras
========================================

The same tasks, each in the library you know and then in whygrad. Every block on this page ran when it
was built. Where both should compute the same thing, both get the same initial weights and the same
batches, and the difference in what they learned is printed.

Keras runs on JAX here.
"""

import os
import warnings

os.environ |= {"KERAS_BACKEND": "jax", "JAX_PLATFORMS": "cpu", "JAX_ENABLE_X64": "1"}

import keras
import matplotlib.pyplot as plt
import numpy as np
import torch
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier as TheirClassifier

import whygrad as wg

warnings.simplefilter("ignore")  # short trainings need not have settled
torch.manual_seed(0)
torch.set_num_threads(1)  # which is fastest for networks of this size
keras.utils.set_random_seed(0)
X, y = load_digits(return_X_y=True)
X_train, X_test, y_train, y_test = train_test_split(X / 16, y, random_state=0)

# %%
# Train a classifier
# ------------------
#
# .. rubric:: scikit-learn

theirs = TheirClassifier((30,), learning_rate_init=0.01, max_iter=20, random_state=0)
theirs.fit(X_train, y_train)
print(f"{theirs.score(X_test, y_test):.1%}")

# %%
# .. rubric:: PyTorch

module = torch.nn.Sequential(torch.nn.Linear(64, 30), torch.nn.ReLU(), torch.nn.Linear(30, 10))
rule = torch.optim.Adam(module.parameters(), lr=0.01)
loss = torch.nn.CrossEntropyLoss()
data = torch.utils.data.TensorDataset(torch.tensor(X_train).float(), torch.tensor(y_train))
for _ in range(20):
    for x_batch, y_batch in torch.utils.data.DataLoader(data, batch_size=32, shuffle=True):
        rule.zero_grad()
        loss(module(x_batch), y_batch).backward()
        rule.step()
with torch.no_grad():
    said = module(torch.tensor(X_test).float()).argmax(dim=1).numpy()
print(f"{(said == y_test).mean():.1%}")

# %%
# .. rubric:: Keras

model = keras.Sequential(
    [keras.Input((64,)), keras.layers.Dense(30, "relu"), keras.layers.Dense(10, "softmax")]
)
model.compile(keras.optimizers.Adam(0.01), "sparse_categorical_crossentropy", metrics=["accuracy"])
model.fit(X_train, y_train, epochs=20, batch_size=32, verbose=0)
print(f"{model.evaluate(X_test, y_test, verbose=0)[1]:.1%}")

# %%
# .. rubric:: whygrad, with scikit-learn's words

clf = wg.MLPClassifier((30,), learning_rate_init=0.01, max_iter=20, random_state=0)
clf.fit(X_train, y_train)
print(f"{clf.score(X_test, y_test):.1%}")

# %%
# .. rubric:: whygrad, with its own

net = wg.Network(64, [wg.Dense(30, "relu"), wg.Dense(10, "softmax")], "cross_entropy")
fitted = wg.train(net, X_train, y_train, optimizer=wg.Adam(0.01), epochs=20, batch_size=32)
print(f"{(fitted.predict(X_test).argmax(axis=1) == y_test).mean():.1%}")

# %%
# Is it the same?
# ---------------
# Without shuffling, only the initial weights are random. scikit-learn and whygrad draw the same ones for
# the same ``random_state``.

settings = {"max_iter": 20, "shuffle": False, "random_state": 0}
theirs = TheirClassifier((30,), **settings).fit(X_train, y_train)
ours = wg.MLPClassifier((30,), **settings).fit(X_train, y_train)
for name, a, b in zip(("W[1]", "W[2]"), theirs.coefs_, ours.coefs_, strict=True):
    print(f"scikit-learn, {name} after 20 epochs: largest difference {np.abs(a - b).max():.0e}")

# %%
# PyTorch and Keras start elsewhere, so their initial weights are handed over. PyTorch stores W as whygrad
# does, to unit j from unit k; Keras, like scikit-learn, stores the transpose.


def as_arrays(torch_module):
    """Return the weights and the biases of the Linear layers, counted from 1."""
    layers = [layer for layer in torch_module if isinstance(layer, torch.nn.Linear)]
    W, b = ([layer.weight for layer in layers], [layer.bias for layer in layers])
    return [[None, *(p.detach().numpy().copy() for p in ps)] for ps in (W, b)]


module = torch.nn.Sequential(torch.nn.Linear(64, 30), torch.nn.ReLU(), torch.nn.Linear(30, 10))
module = module.double()
W, b = as_arrays(module)
rule = torch.optim.SGD(module.parameters(), lr=0.1, momentum=0.9)
for _ in range(20):
    for i in range(0, len(X_train), 32):
        rule.zero_grad()
        x_batch, y_batch = torch.tensor(X_train[i : i + 32]), torch.tensor(y_train[i : i + 32])
        loss(module(x_batch), y_batch).backward()
        rule.step()

same = {"epochs": 20, "batch_size": 32, "shuffle": False, "optimizer": wg.SGD(0.1, momentum=0.9)}
fitted = wg.train(net, X_train, y_train, theta=net.init(W=W, b=b), **same)
for l in (1, 2):
    gap = np.abs(as_arrays(module)[0][l] - fitted.theta.W[l]).max()
    print(f"PyTorch, W[{l}] after 20 epochs: largest difference {gap:.0e}")

# %%

model = keras.Sequential(
    [
        keras.Input((64,), dtype="float64"),
        keras.layers.Dense(30, "relu", dtype="float64"),
        keras.layers.Dense(10, "softmax", dtype="float64"),
    ]
)


def from_keras(model):
    """Return the weights and the biases as whygrad keeps them."""
    kernels, biases = model.get_weights()[::2], model.get_weights()[1::2]
    return [None, *(kernel.T for kernel in kernels)], [None, *biases]


W, b = from_keras(model)
model.compile(keras.optimizers.SGD(0.1, momentum=0.9), "sparse_categorical_crossentropy")
model.fit(X_train, y_train, epochs=20, batch_size=32, shuffle=False, verbose=0)
fitted = wg.train(net, X_train, y_train, theta=net.init(W=W, b=b), **same)
for l in (1, 2):
    gap = np.abs(from_keras(model)[0][l] - fitted.theta.W[l]).max()
    print(f"Keras, W[{l}] after 20 epochs: largest difference {gap:.0e}")

# %%
# What is left is rounding; Keras takes its learning rate in single precision.
#
# Regularization
# --------------
# Dropout and L2. In PyTorch, ``weight_decay`` of SGD is λ₂ for every parameter; in Keras, a regularizer
# ``L2(c)`` is λ₂ = 2c for the weights that it is attached to; whygrad's λ₂ applies to weights, not to
# biases.
#
# .. rubric:: PyTorch

module = torch.nn.Sequential(
    torch.nn.Linear(64, 100), torch.nn.ReLU(), torch.nn.Dropout(0.5), torch.nn.Linear(100, 10)
)
rule = torch.optim.SGD(module.parameters(), lr=0.1, weight_decay=1e-3)

# %%
# .. rubric:: Keras

penalty = keras.regularizers.L2(5e-4)
model = keras.Sequential(
    [
        keras.Input((64,)),
        keras.layers.Dense(100, "relu", kernel_regularizer=penalty),
        keras.layers.Dropout(0.5),
        keras.layers.Dense(10, "softmax", kernel_regularizer=penalty),
    ]
)

# %%
# .. rubric:: whygrad

wide = wg.Network(
    64, [wg.Dense(100, "relu", dropout=0.5), wg.Dense(10, "softmax")], "cross_entropy"
)
fitted = wg.train(wide, X_train, y_train, optimizer=wg.SGD(0.1), l2=1e-3, epochs=20)
clf = wg.MLPClassifier((100,), dropout=0.5, alpha=1e-3 * 200, max_iter=20).fit(X_train, y_train)
print(f"{(fitted.predict(X_test).argmax(axis=1) == y_test).mean():.1%}, ", end="")
print(f"{clf.score(X_test, y_test):.1%}")

# %%
# Early stopping
# --------------
# On validation data of your own, keeping the best parameters.
#
# .. rubric:: scikit-learn, which splits off the validation set by itself

theirs = TheirClassifier((30,), early_stopping=True, random_state=0).fit(X_train, y_train)
print(f"{theirs.n_iter_} epochs")

# %%
# .. rubric:: Keras; in PyTorch you write the loop yourself

model = keras.Sequential(
    [keras.Input((64,)), keras.layers.Dense(30, "relu"), keras.layers.Dense(10, "softmax")]
)
model.compile("adam", "sparse_categorical_crossentropy")
stop = keras.callbacks.EarlyStopping(patience=5, restore_best_weights=True)
history = model.fit(
    X_train, y_train, validation_data=(X_test, y_test), callbacks=[stop], epochs=200, verbose=0
)
print(f"{len(history.history['loss'])} epochs")

# %%
# .. rubric:: whygrad

fitted = wg.train(
    net,
    X_train,
    y_train,
    validation=(X_test, y_test),
    stopping=wg.Stopping("validation_cost", patience=5),
    epochs=200,
)
clf = wg.MLPClassifier((30,), early_stopping=True, random_state=0)
clf.fit(X_train, y_train, X_val=X_test, y_val=y_test)
print(f"{len(fitted.history.cost)} epochs, {clf.n_iter_} epochs")

# %%
# A cost of your own
# ------------------
# In PyTorch and Keras it is a function, which the library differentiates. In whygrad it is a value and its
# derivative side by side, and ``why.check`` checks one against the other.
#
# .. rubric:: PyTorch and Keras


def torch_cost(a, y):
    return torch.log(torch.cosh(a - y)).sum(dim=1).mean()


def keras_cost(y, a):
    return keras.ops.sum(keras.ops.log(keras.ops.cosh(a - y)), axis=1)


# %%
# .. rubric:: whygrad

log_cosh = wg.Cost(
    "log_cosh",
    lambda a, y: np.log(np.cosh(a - y)).sum(axis=1),
    lambda a, y: np.tanh(a - y),
)
own = wg.Network(64, [wg.Dense(8, "tanh"), wg.Dense(10, "sigmoid")], log_cosh)
start = own.init(seed=0)
print(wg.why.check(own, start, X_train[:20], y_train[:20]).answer)

# %%
# The three values and gradients agree:

a, target = wg.forward(own, start, X_train[:5]).a[-1], np.eye(10)[y_train[:5]]
at = torch.tensor(a, requires_grad=True)
torch_cost(at, torch.tensor(target)).backward()
in_keras = keras_cost(keras.ops.array(target, "float64"), keras.ops.array(a, "float64"))
print(f"value      {log_cosh.value(a, target).mean():.12f}")
print(f"PyTorch    {torch_cost(at, torch.tensor(target)).item():.12f}")
print(f"Keras      {float(in_keras.mean()):.12f}")
gap = np.abs(at.grad.numpy() - log_cosh.derivative(a, target) / 5).max()
print(f"derivative: largest difference from PyTorch's {gap:.0e}")

# %%
# Sample weights and class weights
# --------------------------------
#
# .. rubric:: PyTorch: a weight for each class, the mean divided by their sum

loss = torch.nn.CrossEntropyLoss(weight=torch.linspace(1, 2, 10).double())

# %%
# .. rubric:: Keras: divided by the number of examples

class_weight = dict(enumerate(np.linspace(1, 2, 10)))

# %%
# .. rubric:: whygrad: divided by their sum, as in PyTorch

weights = np.linspace(1, 2, 10)[y_train]
fitted = wg.train(net, X_train, y_train, sample_weight=weights, epochs=5)
clf = wg.MLPClassifier((30,), class_weight="balanced", max_iter=5).fit(X_train, y_train)

# %%
# Save and load
# -------------
#
# .. rubric:: PyTorch and Keras: parameters without the architecture, or a format of its own
#
# ::
#
#     torch.save(module.state_dict(), "digits.pt")
#     model.save("digits.keras")
#
# .. rubric:: whygrad: a safetensors file that describes itself

import tempfile  # noqa: E402
from pathlib import Path  # noqa: E402

with tempfile.TemporaryDirectory() as folder:
    fitted.save(Path(folder) / "digits.safetensors")
    again = wg.load(Path(folder) / "digits.safetensors")
print(again, (again.theta.flat == fitted.theta.flat).all())

# %%
# Gradients, to look at
# ---------------------
#
# .. rubric:: PyTorch: what ``backward`` left in ``.grad``

module = torch.nn.Sequential(torch.nn.Linear(64, 30), torch.nn.ReLU(), torch.nn.Linear(30, 10))
module = module.double()
x_batch, y_batch = torch.tensor(X_train[:32]), torch.tensor(y_train[:32])
torch.nn.CrossEntropyLoss()(module(x_batch), y_batch).backward()
theirs = module[0].weight.grad.numpy()

# %%
# .. rubric:: whygrad: all of it, z, a and δ of every layer and example

W, b = as_arrays(module)
theta = net.init(W=W, b=b)
trace = wg.backward(net, theta, wg.forward(net, theta, X_train[:32]), y_train[:32])
ours = wg.gradients(net, theta, trace).dW[1]
print(
    f"largest difference {np.abs(theirs - ours).max():.0e}; δ of the hidden layer {trace.delta[1].shape}"
)

# %%
# Why?
# ----
# A network trained in PyTorch can be asked directly, and so can one from scikit-learn. From Keras, hand
# over the weights, as above. Which pixels made the network say what it says about an image that it gets
# wrong?

module = torch.nn.Sequential(torch.nn.Linear(64, 30), torch.nn.ReLU(), torch.nn.Linear(30, 10))
rule, loss = torch.optim.Adam(module.parameters(), lr=0.01), torch.nn.CrossEntropyLoss()
for _ in range(20):
    for x_batch, y_batch in torch.utils.data.DataLoader(data, batch_size=32, shuffle=True):
        rule.zero_grad()
        loss(module(x_batch), y_batch).backward()
        rule.step()
asked = wg.explain(module, cost=loss, outputs=[str(digit) for digit in range(10)], image=(8, 8)).why
with torch.no_grad():
    said = module(torch.tensor(X_test).float()).argmax(dim=1).numpy()
wrong = int(np.flatnonzero(said != y_test)[0])
print(f"image {wrong}: a {y_test[wrong]}, taken for a {said[wrong]}")
asked.trained_on(X_train).prediction(X_test[wrong : wrong + 1])

# %%
# The image itself, for comparison:

figure, axes = plt.subplots(figsize=(1.8, 1.8), layout="constrained")
axes.imshow(X_test[wrong].reshape(8, 8), cmap="gray_r")
axes.set_axis_off()
plt.show()
