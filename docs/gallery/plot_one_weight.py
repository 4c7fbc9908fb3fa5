"""
One weight by hand
==================

A network of 4 inputs, two hidden layers of two units and one output, with numbers small enough for
a pencil. We calculate one derivative by hand, then ask whygrad for the same and compare every
number.
"""

# sphinx_gallery_thumbnail_path = "images/why_weight_iris.svg"
import math

import whygrad as wg

net = wg.Network(4, [wg.Dense(2, "relu"), wg.Dense(2, "sigmoid"), wg.Dense(1, "sigmoid")])
theta = net.init(
    W=[None, [[1, 0.5, 1, 1], [0.5, 1, -1, 0.5]], [[2, -1], [1, -0.5]], [[2, 4]]],
    b=[None, [0, 0], [0, math.log(3)], [-4]],
)
x, y = [[1.0, 2.0, 0.0, -1.0]], [[1.0]]

# %%
# By hand
# -------
# Forward, layer by layer. The first hidden layer lets positive numbers through, the others squash
# with the sigmoid σ(z) = 1/(1 + e⁻ᶻ), whose slope is σ(1 − σ).

by_hand = {}
by_hand["a[1][1]"] = 0.5 * 1 + 1 * 2 - 1 * 0 + 0.5 * -1  # = 2, positive, so it passes
a_10 = 1 * 1 + 0.5 * 2 + 1 * 0 + 1 * -1  # = 1
by_hand["z[2][1]"] = 1 * a_10 - 0.5 * by_hand["a[1][1]"] + math.log(3)  # = ln 3
by_hand["a[2][1]"] = 1 / (1 + 1 / 3)  # σ(ln 3) = 3/4
a_20 = 0.5  # σ(2·1 − 1·2) = σ(0)
by_hand["z[3][0]"] = 2 * a_20 + 4 * by_hand["a[2][1]"] - 4  # = 0
by_hand["a[3][0]"] = 0.5  # σ(0)
by_hand["C"] = 0.5 * (0.5 - 1) ** 2  # squared error, ½ (a − y)²

# %%
# Backward, for the weight ``W[2][1,1]`` from unit 1 of the first hidden layer to unit 1 of the
# second. By the chain rule it changes z[2][1], which changes a[2][1], which changes the output's z,
# its a, and the cost:
#
# ∂C/∂W[2][1,1] = ∂z[2][1]/∂W[2][1,1] · ∂a[2][1]/∂z[2][1] · ∂z[3][0]/∂a[2][1] · ∂a[3][0]/∂z[3][0] ·
# ∂C/∂a[3][0]

by_hand["f′(z[2][1])"] = 0.75 * (1 - 0.75)
by_hand["W[3][0,1]"] = 4
by_hand["f′(z[3][0])"] = 0.5 * (1 - 0.5)
by_hand["∂C/∂a[3][0]"] = 0.5 - 1
product = (
    by_hand["a[1][1]"]
    * by_hand["f′(z[2][1])"]
    * by_hand["W[3][0,1]"]
    * by_hand["f′(z[3][0])"]
    * by_hand["∂C/∂a[3][0]"]
)
print(f"by hand: 2 · 0.1875 · 4 · 0.25 · (−0.5) = {product}")

# %%
# By whygrad
# ----------
# The same question, unrolled down to the output.

answer = wg.why.weight(net, theta, x, y, layer=2, to=1, from_=1, depth=2)
print(answer)

# %%
# The two are equal, number by number:

trace = wg.backward(net, theta, wg.forward(net, theta, x), y)
computed = {
    "a[1][1]": trace.a[1][0, 1],
    "z[2][1]": trace.z[2][0, 1],
    "a[2][1]": trace.a[2][0, 1],
    "z[3][0]": trace.z[3][0, 0],
    "a[3][0]": trace.a[3][0, 0],
    "C": wg.cost(net, theta, trace, y),
    "f′(z[2][1])": net.f[2].derivative(trace.z[2])[0, 1],
    "W[3][0,1]": theta.W[3][0, 1],
    "f′(z[3][0])": net.f[3].derivative(trace.z[3])[0, 0],
    "∂C/∂a[3][0]": net.C.derivative(trace.a[3], [[1.0]])[0, 0],
}
for name, value in by_hand.items():
    print(f"{name:<12} by hand {value:8.4f}   computed {computed[name]:8.4f}")
    assert math.isclose(value, computed[name], abs_tol=1e-15)
assert math.isclose(product, answer.value, rel_tol=1e-14)

# %%
# And it is what training uses: the gradient of the whole network holds it at [1, 1].

print(wg.gradients(net, theta, trace).dW[2])

# %%
# Why?
# ----
# The picture shows what the product says: the weight in question, and the way from it to the cost.

answer
