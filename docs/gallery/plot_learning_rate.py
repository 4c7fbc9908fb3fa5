"""
The learning rate, and overfitting
==================================

Two things decide most of how a network learns: the learning rate, and the regularization that keeps it
from memorizing its examples. Both are shown on images of digits, over five seeds.
"""

import matplotlib.pyplot as plt
import numpy as np
from images_of_digits import digits

import whygrad as wg
from whygrad.answers.names import Names

data, which = digits()
print(which)
SEEDS = range(5)

# %%
# Too small, right, too large
# ---------------------------
# 30 hidden sigmoid units, plain gradient descent in batches of 10, on up to 1,000 images. The validation
# cost, on up to 1,000 others, is measured after every epoch. Bands are from the lowest to the highest of
# five seeds.

X, Y, X_val, Y_val = data.X[:1000], data.y[:1000], data.X_test[:1000], data.y_test[:1000]
outputs = len(data.classes)
print(f"{len(X):,} training images, {len(X_val):,} validation images")
net = wg.Network(
    data.X.shape[1], [wg.Dense(30, "sigmoid"), wg.Dense(outputs, "softmax")], "cross_entropy"
)


def validation(net, **settings):
    """Return the validation cost after every epoch, a row for each seed, and the histories."""
    given = {"batch_size": 10, "validation": (X_val, Y_val)} | settings
    histories = [wg.train(net, X, Y, seed=seed, **given).history for seed in SEEDS]
    longest = max(len(h.validation_cost) for h in histories)
    rows = [
        np.pad(h.validation_cost, (0, longest - len(h.validation_cost)), "edge") for h in histories
    ]
    return np.array(rows), histories


def band(panel, rows, name, colour):
    """Draw the median over the seeds and the range around it."""
    epochs = np.arange(1, rows.shape[1] + 1)
    panel.fill_between(epochs, rows.min(axis=0), rows.max(axis=0), color=colour, alpha=0.25, lw=0)
    panel.plot(epochs, np.median(rows, axis=0), color=colour, label=name)


COLOURS = ("#7b5ea7", "#4c9f70", "#d1732c", "#2f6fb0", "#555555")
figure, axes = plt.subplots(figsize=(7, 3.6), layout="constrained")
for learning_rate, colour in zip((0.005, 0.05, 0.5, 5.0), COLOURS, strict=False):
    rows, _ = validation(net, optimizer=wg.SGD(learning_rate), epochs=30)
    band(axes, rows, f"η = {learning_rate}", colour)
    last = np.median(rows[:, -1])
    print(f"η = {learning_rate:<6} validation cost, median of the last epoch: {last:.3f}")
axes.set(xlabel="epoch", ylabel="validation cost", yscale="log")
axes.legend()
plt.show()

# %%
# Overfitting
# -----------
# 100 hidden units can memorize that many images: they overfit once the training cost keeps falling while
# the validation cost rises again. Three remedies: L2 regularization, dropout, and early stopping.

wide = wg.Dense(100, "relu")
plain = wg.Network(data.X.shape[1], [wide, wg.Dense(outputs, "softmax")], "cross_entropy")
dropping = wg.Network(
    data.X.shape[1],
    [wg.Dense(100, "relu", dropout=0.5), wg.Dense(outputs, "softmax")],
    "cross_entropy",
)
rule = {"optimizer": wg.SGD(0.1), "epochs": 60}
remedies = {
    "none": (plain, rule),
    "L2, λ = 5 over the data": (plain, rule | {"l2": wg.Penalty(5.0, per="data")}),
    "dropout, half of the units": (dropping, rule),
    "early stopping": (plain, rule | {"stopping": wg.Stopping("validation_cost", patience=5)}),
}
figure, axes = plt.subplots(figsize=(7, 3.6), layout="constrained")
print(f"{'':<30} validation cost, last    lowest    training cost, last")
for (name, (net, settings)), colour in zip(remedies.items(), COLOURS, strict=False):
    rows, histories = validation(net, **settings)
    band(axes, rows, name, colour)
    learned = np.median([history.cost[-1] for history in histories])
    last, lowest = np.median(rows[:, -1]), np.median(rows.min(axis=1))
    print(f"{name:<30} {last:>18.3f} {lowest:>10.3f} {learned:>20.4f}")
axes.set(xlabel="epoch", ylabel="validation cost")
axes.legend()
plt.show()

# %%
# How far the last cost lies above the lowest is the price of overfitting, which a remedy has to prevent;
# how low the lowest is shows what else it changes. Curves that stopped early are continued flat from the
# epoch at which they stopped. The training cost includes the penalty, if there is one, and with dropout it
# is measured with units dropped.
#
# Why?
# ----
# Take a validation image that the network without a remedy gets wrong, and is sure about: which of its
# pixels speak for the wrong answer?

fitted = wg.train(plain, X, Y, batch_size=10, seed=0, **rule)
outputs_val = fitted.predict(X_val)
predicted = outputs_val.argmax(axis=1)
wrong = np.flatnonzero(predicted != Y_val)
worst = wrong[outputs_val[wrong].max(axis=1).argmax()]
print(
    f"image {worst}: a {Y_val[worst]}, taken for a {predicted[worst]} with {outputs_val[worst].max():.1%}"
)
side = int(data.X.shape[1] ** 0.5)
names = Names(outputs=tuple(map(str, range(outputs))), image=(side, side))
wg.why.prediction(plain, fitted.theta, X_val[worst : worst + 1], training=X, names=names)
