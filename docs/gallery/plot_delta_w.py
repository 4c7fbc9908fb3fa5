"""
The Δw that started it all
==========================

The second chapter of Michael Nielsen's *Neural Networks and Deep Learning* (2015) ends with a
picture of where backpropagation may have come from. Move one weight by a little Δw. That moves the
activation of one neuron, that of every neuron in the next layer, and so on to the cost: a ripple.
Whoever writes down what happens on the way has the chain rule along every path from the weight to
the cost, and the derivative is the sum over all of them. Backpropagation is a way to take that sum
without walking the paths one by one.

This page follows one Δw with the numbers in it: forward to the cost, along every path, and back.
"""

from itertools import product

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits

import whygrad as wg
from whygrad.answers.names import Names

# %%
# A network of four layers has learned scikit-learn's 8 × 8 digits for a few epochs. We look at one
# image, and at the weight from the pixel in row 3, column 4 to unit 2 of the first hidden layer.

X, y = load_digits(return_X_y=True)
X = X / 16
layers = [wg.Dense(12, "tanh"), wg.Dense(10, "tanh"), wg.Dense(10, "softmax")]
net = wg.Network((8, 8), layers, "cross_entropy")
theta = wg.train(net, X, y, optimizer=wg.SGD(0.2), epochs=3, seed=0).theta
names = Names(outputs=tuple(map(str, range(10))), image=(8, 8))
image, label = X[[7]], y[[7]]
j, k = 2, 3 * 8 + 4
ref = {"layer": 1, "to": j, "from_": k, "names": names}

# %%
# Forward: the ripple
# -------------------
# The weight is moved by Δw = 0.1, and the network runs again. The true change of every neuron is
# shown next to what the derivatives promise: Δz = Δw·a for the neuron that the weight leads to, Δa
# ≈ f′(z)·Δz for its activation, Δz ≈ W·Δa for the layer above, and so on.

ripple = wg.why.ripple(net, theta, image, label, **ref, by=0.1)
ripple

# %%
# The promise holds to first order: halve Δw, and the error falls to a quarter. So the ratio ΔC/Δw
# converges to the derivative.

slope = wg.why.weight(net, theta, image, label, **ref).value
print(f"∂C/∂w = {slope:+.12f}")
print("     Δw        true ΔC/Δw         error in ΔC     error / Δw²")
steps, misses = 2.0 ** -np.arange(0, 9), []
for step in steps:
    found = wg.why.ripple(net, theta, image, label, **ref, by=step)
    missed = found.residuals["beyond first order"]
    misses.append(abs(missed))
    print(f"{step:9.6f}   {found.value / step:+.12f}   {missed:+.6e}   {missed / step**2:+.6f}")

figure, axes = plt.subplots(figsize=(6, 3.2), layout="constrained")
axes.loglog(steps, misses, "o-", color="#2f6fb0", label="error of first order")
axes.loglog(steps, misses[-1] * (steps / steps[-1]) ** 2, "--", color="#888888", label="∝ Δw²")
axes.set(xlabel="Δw", ylabel="|ΔC − ∂C/∂w · Δw|")
axes.legend()
plt.show()

# %%
# Along every path
# ----------------
# From unit 2 of the first hidden layer a path leads through one of 10 units of the second to one of
# 10 outputs. Each path is a product: the pixel, the slope and the weight at every unit on the way,
# and ∂C/∂z of the output that it ends at. Here they are multiplied out one by one, in plain loops
# that know nothing of backpropagation.

trace = wg.backward(net, theta, wg.forward(net, theta, image), label)
slopes = [None] + [1 - trace.a[l][0] ** 2 for l in (1, 2)]  # of tanh
ends = trace.a[3][0] - np.eye(10)[label[0]]  # ∂C/∂z of the outputs
by_hand = {
    (p, q): image[0, k]
    * slopes[1][j]
    * theta.W[2][p, j]
    * slopes[2][p]
    * theta.W[3][q, p]
    * ends[q]
    for p, q in product(range(10), range(10))
}
print(f"{len(by_hand)} paths; their sum is {sum(by_hand.values()):+.17f}")

# %%
# whygrad finds the heaviest paths without listing the others, and the total over all of them.

answer = wg.why.paths(net, theta, image, label, **ref, k=5)
answer

# %%
for units, value in zip(answer["units"], answer["values"], strict=True):
    p, q = units[1:]
    print(f"unit {p}, output {q}: by hand {by_hand[p, q]:+.15f}   by whygrad {value:+.15f}")
    assert abs(by_hand[p, q] - value) < 1e-15

# %%
# Backward: the same sum, in one pass
# -----------------------------------
# All paths that go through a unit have in common what lies above it. That common part is the
# unit's δ, and passing it back takes the sum over all paths at once. The two agree to rounding.

backwards = wg.gradients(net, theta, trace).dW[1][j, k]
print(f"the sum over {len(by_hand)} paths   {sum(by_hand.values()):+.17f}")
print(f"backpropagation         {backwards:+.17f}")
print(f"difference              {backwards - sum(by_hand.values()):+.1e}")
assert abs(backwards - sum(by_hand.values())) < 1e-15

# %%
# Every layer multiplies the number of paths, but only adds to the work of backpropagation. The count
# is exact, and so is the total, even for networks whose paths nobody could list:

for hidden in ([30], [30, 30], [100] * 4, [100] * 10):
    deep = wg.Network(784, [*(wg.Dense(n, "tanh") for n in hidden), wg.Dense(10, "softmax")])
    start = deep.init(seed=0)
    pixels = np.random.default_rng(0).random((1, 784))
    found = wg.why.paths(deep, start, pixels, [3], layer=1, to=0, from_=0, k=3)
    shape = "-".join(map(str, deep.sizes)) if len(hidden) < 5 else f"784-{len(hidden)} × 100-10"
    rounding = found.value - found["total"]
    print(
        f"{shape:<22} {found['count']:>26,} paths   {found.value:+.6e}   rounding {rounding:+.0e}"
    )

# %%
# Why?
# ----
# In the book's picture all paths look alike. Here they have numbers, so one can ask which of them
# matter. Most of the total comes along a few paths, and others pull against it: the sum of all
# \|path\| is larger than the \|sum\|.

sizes = np.sort(np.abs(list(by_hand.values())))[::-1]
half = int(np.searchsorted(np.cumsum(sizes), sizes.sum() / 2)) + 1
print(f"half of Σ|path| comes along {half} of the {len(sizes)} paths")
print(f"|Σ path| is {abs(backwards) / sizes.sum():.0%} of Σ|path|: the rest cancels")
