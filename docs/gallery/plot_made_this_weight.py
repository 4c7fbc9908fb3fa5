"""
What made this weight
=====================

After training, a weight is a number. Where does it come from? Every step moved it, and every step was
a mean over a few examples. So a weight has a ledger: its initial value, and what each example added
over all steps, which must sum to what it is now.

This page shows the ledger of one weight of a network that reads digits. Then it asks what the network
would be without an image (influence), checks that by training again, and finds images that do harm.
"""

import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from images_of_digits import digits

import whygrad as wg
from whygrad.answers.names import Names

data, which = digits()
print(which)
side = int(data.X.shape[1] ** 0.5)
names = Names(outputs=tuple(map(str, range(10))), image=(side, side))
X, Y, X_test, Y_test = data.X[:20_000], data.y[:20_000], data.X_test, data.y_test

# %%
# A recorded training: up to 20,000 images, three epochs, batches of ten. ``record`` names the folder to
# write, from which every step can be computed again.

net = wg.Network((side, side), [wg.Dense(30, "relu"), wg.Dense(10, "softmax")], "cross_entropy")
folder = Path(tempfile.mkdtemp()) / "digits.run"
wg.train(
    net,
    X,
    Y,
    optimizer=wg.SGD(0.05),
    epochs=3,
    batch_size=10,
    seed=0,
    record=folder,
    copy_data=True,
)
run = wg.open_run(folder)
right = (run.predict(X_test).argmax(axis=1) == Y_test).mean()
print(
    f"{len(X):,} images, {run.step:,} steps; {right:.1%} of the test images are classified correctly"
)

# %%
# The ledger
# ----------
# Take the weight of the first layer that moved furthest from its start.

start = wg.Parameters(net.sizes, run.state(0).theta)
distance = np.abs(run.theta.W[1] - start.W[1])
j, k = np.unravel_index(distance.argmax(), distance.shape)
ledger = wg.why.ledger(run, 1, int(j), int(k), names=names)
ledger

# %%
# Does it balance? The start plus what the images added, compared with the weight that training ended
# with, which was computed independently.

total = start.W[1][j, k] + ledger["by_example"].sum()
print(f"start                   {start.W[1][j, k]:+.12f}")
print(f"added by {len(X):,} images  {ledger['by_example'].sum():+.12f}")
print(f"sum                     {total:+.12f}")
print(f"the weight              {run.theta.W[1][j, k]:+.12f}")
print(f"rounding                {run.theta.W[1][j, k] - total:+.0e}, steps in {run.plan.dtype}")

# %%
# How many images made it? An image that is black at this pixel, or for which the hidden unit was silent,
# left the weight alone.

added = np.sort(np.abs(ledger["by_example"]))[::-1]
share = np.cumsum(added) / added.sum()
print(f"{(added == 0).mean():.0%} of the images added nothing at all")
print(f"half of all that was added is by {np.searchsorted(share, 0.5) + 1:,} of {len(X):,} images")

by_class = [ledger["by_example"][c == Y].sum() for c in range(10)]
figure, axes = plt.subplots(figsize=(6, 3), layout="constrained")
axes.bar(range(10), by_class, color=["#2f6fb0" if v > 0 else "#d1732c" for v in by_class])
axes.axhline(0, color="#888888", lw=0.8)
axes.set(xlabel="class of the image", ylabel="added to the weight", xticks=range(10))
plt.show()

# %%
# Why?
# ----
# What would it be without an image? The ledger says what happened, and books to each image what it added
# itself. What would be without it is another question: all later steps would have gone otherwise. It is
# answered by the derivative of the whole training by what each image counts, for all of them at once. The
# answer begins with whether that can be trusted: without some images drawn at random, each by itself, the
# network was trained again. To have that in seconds, the training is a smaller one: fewer images, and a
# smooth activation.

small = wg.Network((side, side), [wg.Dense(30, "tanh"), wg.Dense(10, "softmax")], "cross_entropy")
X, Y, some = X[:2000], Y[:2000], slice(0, 500)
for name, rate in (("calm", 0.02), ("wild", 0.5)):
    wg.train(
        small,
        X,
        Y,
        optimizer=wg.SGD(rate, momentum=0.9),
        epochs=3,
        batch_size=20,
        seed=0,
        record=folder.with_name(f"{name}.run"),
        copy_data=True,
    )
calm, wild = (wg.open_run(folder.with_name(f"{name}.run")) for name in ("calm", "wild"))
found = wg.why.influence(calm, X_test[some], y=Y_test[some], names=names)
found

# %%
# With a rate at which training is at the edge of stability nothing of the kind can be said, and is not:

print(wg.why.influence(wild, X_test[some], y=Y_test[some], names=names).answer)

# %%
# Does it come true? Images drawn at random, each left out by itself, and the network trained again.
# Beside it stands what the pushes of each image on the cost add up to, as TracIn has it: most of them
# cancel, and who pushed most is not who matters most.

rng = np.random.default_rng(1)
chosen = rng.choice(len(X), 40, replace=False)


def cost(fitted):
    """Return the mean cost of the test images."""
    true_class = np.eye(10)[Y_test[some]] == 1
    return -np.log(fitted.predict(X_test[some])[true_class]).mean()


true = np.array([cost(one) - cost(calm.fitted) for one in calm.leave_one_out(chosen)])
pushes = wg.why.influence(calm, X_test[some], y=Y_test[some], method="tracin")
figure, axes = plt.subplots(1, 2, figsize=(8, 3.6), layout="constrained")
for axis, title, computed in (
    (axes[0], "influence", found["by_example"][chosen]),
    (axes[1], "pushes (TracIn), with the opposite sign", -pushes["by_example"][chosen]),
):
    axis.plot(computed, true, "o", ms=4, color="#2f6fb0")
    order = np.corrcoef(computed.argsort().argsort(), true.argsort().argsort())[0, 1]
    axis.set(title=title, xlabel="computed", ylabel="trained again without it")
    print(f"{title:<40} rank correlation {order:+.2f}")
plt.show()

# %%
# What is it good for? For finding images that do harm. Here every tenth label is wrong. The derivative of
# the cost of half of 500 test images ranks the training images; which of them to leave out is decided by
# training, and what that brings is measured on the other half.

flipped = rng.random(len(Y)) < 0.1
wrong = np.where(flipped, (Y + rng.integers(1, 10, len(Y))) % 10, Y)
wg.train(
    small,
    X,
    wrong,
    optimizer=wg.SGD(0.02, momentum=0.9),
    epochs=10,
    batch_size=20,
    record=folder.with_name("wrong.run"),
    copy_data=True,
)
harmful = wg.why.harmful(
    wg.open_run(folder.with_name("wrong.run")), X_test[some], y=Y_test[some], names=names
)
print(f"{flipped[harmful['examples']].mean():.0%} of those that it leaves out have a wrong label")
harmful
