"""
What made this weight
=====================

After training, a weight is a number. Where does it come from? Every step moved it, and every step was
a mean over a few examples. So a weight has a ledger: its initial value, and what each example added
over all steps, which must sum to what it is now.

This page shows the ledger of one weight of a network that reads digits, and does the same for its
mistakes (training-data attribution). Then it retrains without the images whose pushes were largest.
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
said = run.predict(X_test)
right = (said.argmax(axis=1) == Y_test).mean()
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
# The ledger of a mistake
# -----------------------
# Take the first test image that the network gets wrong. What do the training images' pushes on its cost
# add up to? Every step is taken to first order, and what lies beyond that has a line of its own. The
# pushes mostly cancel, and the headline says how far: this is accounting, and does not measure influence.

wrong = np.flatnonzero(said.argmax(axis=1) != Y_test)
i = int(wrong[0])
print(f"image {i}: a {Y_test[i]}, taken for a {said[i].argmax()} with {said[i].max():.1%}")
pushed = wg.why.pushed(run, X_test[i], by="cost", y=Y_test[[i]], names=names)
pushed

# %%
# Why?
# ----
# The pushes say what happened. Whether the network would have been right without those images is another
# question, and there is only one way to know: leave them out and retrain. Here this is done for the first
# images that it gets wrong, ten at most, without the 100 images whose pushes on the cost of each are
# largest, and without 100 drawn at random.

rng = np.random.default_rng(0)
COUNT, changes = 100, {"most": [], "random": []}
print("image   class   probability of it   without those that pushed   without as many at random")
for i in wrong[:10]:
    x, y = X_test[i], int(Y_test[i])
    pushes = wg.why.pushed(run, x, by="cost", y=[y])["by_example"]
    most = np.argsort(-pushes)[:COUNT]
    left_out = {"most": most, "random": rng.permutation(len(X))[:COUNT]}
    after = {name: wg.why.without(run, who, x)["after"][0] for name, who in left_out.items()}
    for name, outputs in after.items():
        changes[name].append((outputs[y] - said[i, y], outputs.argmax() == y))
    print(
        f"{i:>5} {y:>7} {said[i, y]:>16.4f} {after['most'][y]:>25.4f} {after['random'][y]:>28.4f}"
    )

for name, found in changes.items():
    gains, mended = np.array(found).T
    print(f"without {COUNT}, {name:<7} now right: {mended.sum():.0f} of {len(found)}; ", end="")
    print(f"probability of the class, mean change {gains.mean():+.3f}")

# %%
# The last two lines say whether the images that pushed most matter more than as many random ones, and how
# many mistakes they are to blame for. Here is the full answer for the last one:

wg.why.without(run, most, x, y=[y], names=names)
