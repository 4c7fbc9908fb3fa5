"""
The blame game
==============

Nielsen's second chapter tells of a demon that sits at a neuron and disturbs its weighted input z. If
∂C/∂z is large, the demon can help or harm a lot; if it is near zero, the neuron is about as good as
it gets. So δ = ∂C/∂z is called the *error* of the neuron, and backpropagation passes it down: what
a neuron is blamed for is the sum of what the neurons above blame it for.

This page asks a network who is to blame, who was lazy, and which weights will change for it: error
attribution.
"""

import matplotlib.pyplot as plt
import numpy as np
from images_of_digits import digits

import whygrad as wg
from whygrad.answers.names import Names

data, which = digits()
print(which)
side = int(data.X.shape[1] ** 0.5)
names = Names(outputs=tuple(map(str, range(10))), image=(side, side))
X, Y, X_test, Y_test = data.X[:5000], data.y[:5000], data.X_test, data.y_test

net = wg.Network((side, side), [wg.Dense(30, "relu"), wg.Dense(10, "softmax")], "cross_entropy")
theta = wg.train(net, X, Y, optimizer=wg.SGD(0.1), epochs=5, batch_size=10, seed=0).theta
outputs = wg.forward(net, theta, X_test).a[-1]
predicted = outputs.argmax(axis=1)
print(f"{(predicted == Y_test).mean():.1%} of the test images are classified correctly")

# %%
# One misclassified image
# -----------------------
# The mistake that the network is surest of.

wrong = np.flatnonzero(predicted != Y_test)
worst = wrong[outputs[wrong].max(axis=1).argmax()]
image, label = X_test[[worst]], Y_test[[worst]]
print(
    f"image {worst}: a {label[0]}, taken for a {predicted[worst]} with {outputs[worst].max():.1%}"
)
answer = wg.why.blame(net, theta, image, label, names=names)
answer

# %%
# The shares of every neuron sum to its error
# -------------------------------------------
# ``shares[l][j, k]`` is what neuron j of layer l blames neuron k below for. Summed over j they are the
# δ of k, which backpropagation computed independently. The total differs from layer to layer: blame is
# conserved neuron by neuron, but not layer by layer.

trace = wg.backward(net, theta, wg.forward(net, theta, image), label)
shares, delta = answer["shares"][2], trace.delta[1][0]
print(f"largest |Σ shares − δ| of the {len(delta)} hidden neurons: ", end="")
print(f"{np.abs(shares.sum(axis=0) - delta).max():.1e}")
assert (np.abs(shares.sum(axis=0) - delta) <= 1e-12 * np.abs(shares).sum(axis=0)).all()
print(f"Σδ of the outputs {trace.delta[2].sum():+.1e}, of the hidden layer {delta.sum():+.3f}")

# %%
# The lazy and the active
# -----------------------
# Being blamed is one thing, being changed another. The weight from k to j moves by a·δ: the activation
# of the one below times the error of the one above. It takes both. A ReLU that is silent on this image
# has a slope of 0, so no blame reaches it, and the weights *from* it stay as they are, since it said
# nothing.

k_silent = np.flatnonzero(trace.a[1][0] == 0)
k_active = np.flatnonzero(trace.a[1][0] > 0)
change = np.abs(answer["tweaks"][2])
print(f"{len(k_silent)} of 30 hidden units are silent, {len(k_active)} are active")
print(f"largest change of a weight from a silent unit  {change[:, k_silent].max():.3g}")
print(f"largest change of a weight from an active unit {change[:, k_active].max():.3g}")

figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.4), layout="constrained")
left.scatter(trace.a[1][0], trace.delta[1][0], color="#2f6fb0")
left.axhline(0, color="#888888", lw=0.8)
left.set(xlabel="activation a", ylabel="error δ", title="30 hidden units, one image")
drawn = right.imshow(answer["tweaks"][2], cmap="PuOr", aspect="auto",
                     vmin=-change.max(), vmax=change.max())  # fmt: skip
right.set(xlabel="from hidden unit", ylabel="to output", title="a·δ of every weight")
right.set_yticks(range(10))
figure.colorbar(drawn)
plt.show()

# %%
# Two rows stand out, and they are the two that were confused: the output that was too loud, and the one
# that was too quiet. The columns of the silent units are empty.
#
# Over all images
# ---------------
# Over many images the mean of δ says little: at a minimum it vanishes, however large the individual
# errors. So neurons are ranked by the mean of \|δ\|: here over all test images, and then over those of
# one class.

everyone = wg.why.blame(net, theta, X_test, Y_test, names=names)
print(everyone.answer)
size, error = everyone["size"][1], everyone["error"][1]
print(f"hidden layer: mean |δ| from {size.min():.4f} to {size.max():.4f}, ", end="")
print(f"|mean δ| at most {np.abs(error).max():.4f}")

# %%
# Why?
# ----
# Who is to blame for the confusion about one class? The original had the error of every neuron, one
# image at a time. Here one can ask about all images of a class, and follow the blame down to the
# weights that it would change.

costs = [wg.cost(net, theta, wg.forward(net, theta, X_test[Y_test == c]), Y_test[Y_test == c])
         for c in range(10)]  # fmt: skip
hardest = int(np.argmax(costs))
print(f"the class with the highest cost is {hardest}: {costs[hardest]:.3f} per image")
wg.why.blame(net, theta, X_test, Y_test, of=str(hardest), names=names)
