"""
Why backpropagation at all?
===========================

To learn, a network needs the derivative of its cost with respect to every weight. There is an obvious
way: move one weight a little, see what the cost does, put it back, take the next. That takes a forward
pass, or two, for every weight. Backpropagation needs one forward and one backward pass for all of them. How
much does that matter?
"""

import time

import matplotlib.pyplot as plt
import numpy as np

import whygrad as wg

# %%
# Both ways, on networks from a handful of weights to a million. One at a time takes so long that for
# the larger networks its time is extrapolated from a sample of the weights, whose derivatives are
# compared with backpropagation's.

rng = np.random.default_rng(0)
print(
    "network           parameters   one at a time   backpropagation      ratio   largest difference"
)
ratios, counts = [], []
for hidden in (2, 8, 32, 128, 512, 900):
    net = wg.Network(hidden, [wg.Dense(hidden, "tanh"), wg.Dense(10, "softmax")], "cross_entropy")
    theta = net.init(seed=0)
    X, Y = rng.normal(size=(1, hidden)), np.eye(10)[:1]

    def backpropagation(net=net, theta=theta, X=X, Y=Y):
        trace = wg.backward(net, theta, wg.forward(net, theta, X), Y)
        return wg.gradients(net, theta, trace).flat

    def one_at_a_time(index, net=net, theta=theta, X=X, Y=Y, h=1e-5):
        costs = []
        for moved in (theta.flat[index] + h, theta.flat[index] - h):
            kept, theta.flat[index] = theta.flat[index], moved
            costs.append(wg.cost(net, theta, wg.forward(net, theta, X), Y))
            theta.flat[index] = kept
        return (costs[0] - costs[1]) / (2 * h)

    gradient = backpropagation()
    count = len(gradient)
    sample = rng.permutation(count)[:100]
    began = time.perf_counter()
    found = [one_at_a_time(index) for index in sample]
    slow = (time.perf_counter() - began) / len(sample) * count
    passes = []
    for _ in range(20):
        began = time.perf_counter()
        backpropagation()
        passes.append(time.perf_counter() - began)
    fast = np.median(passes)
    counts.append(count)
    ratios.append(slow / fast)
    shape = "-".join(map(str, net.sizes))
    error = np.abs(found - gradient[sample]).max()
    print(
        f"{shape:<16} {count:>11,} {slow:>13.3g} s {fast:>15.3g} s {slow / fast:>10,.0f} {error:>20.1e}"
    )

# %%
# The ratio grows with the number of parameters: taking 800,000 derivatives one at a time takes some
# hundred thousand times as long – for a single step of learning.

figure, axes = plt.subplots(figsize=(6, 3.4), layout="constrained")
axes.loglog(counts, ratios, "o-", color="#4c9f70", label="measured")
axes.loglog(counts, counts, "--", color="#888888", label="one for each parameter")
axes.set(xlabel="parameters", ylabel="how many times faster")
axes.legend()
plt.show()

# %%
# Why?
# ----
# The slow way has its use: it knows nothing about the chain rule, so it can check backpropagation.
# That is what the gradient check does, with a step chosen for each parameter and an estimate of its
# error.

net = wg.Network(4, [wg.Dense(6, "tanh"), wg.Dense(3, "softmax")], "cross_entropy")
theta = net.init(seed=1)
X, Y = rng.normal(size=(20, 4)), rng.integers(3, size=20)
print(wg.why.check(net, theta, X, Y))
