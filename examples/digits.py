"""Train on handwritten digits, then ask why one weight moves: the chain rule with its numbers.

Run it with `make demo`. The images are scikit-learn's own: 1,797 of 8 × 8 pixels.
"""

import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

import whygrad as wg


def main() -> None:
    images, digits = load_digits(return_X_y=True)
    X, X_val, y, y_val = train_test_split(
        images / 16, digits, test_size=360, stratify=digits, random_state=0
    )
    net = wg.Network(
        (8, 8), [wg.Dense(30, "sigmoid"), wg.Dense(10, "softmax")], cost="cross_entropy"
    )
    print(f"Training on {len(X):,} handwritten digits: 64 pixels → 30 sigmoid → 10 softmax units.")
    fitted = wg.train(
        net,
        X,
        y,
        optimizer=wg.SGD(0.5),
        epochs=60,
        batch_size=10,
        validation=(X_val, y_val),
        progress=True,
    )
    a = fitted.predict(X_val)
    right = a.argmax(axis=1) == y_val
    print(f"Right on {right.sum()} of {len(right)} validation images: {right.mean():.1%}.\n")

    worst = int(np.argmin(a[np.arange(len(a)), y_val]))
    explain(fitted, X_val[worst], y_val[worst])


def explain(fitted: wg.Fitted, x: np.ndarray, digit: int) -> None:
    """Print the chain rule for the weight of layer 1 that one image would move most."""
    net, theta = fitted.net, fitted.theta
    trace = wg.backward(net, theta, wg.forward(net, theta, x), np.eye(10)[digit])
    grads = wg.gradients(net, theta, trace)
    j, k = np.unravel_index(np.abs(grads.dW[1]).argmax(), grads.dW[1].shape)

    W, z, a, delta = theta.W, trace.z, trace.a, trace.delta
    pixel, slope = a[0][0, k], net.f[1].derivative(z[1])[0, j]
    blame = W[2][:, j] * delta[2][0]
    product = pixel * slope * blame.sum()
    gap = abs(product - grads.dW[1][j, k])
    says, p = a[2][0].argmax(), a[2][0]
    row, column = divmod(k, 8)
    sign, moves = ("negative", "raises") if product < 0 else ("positive", "lowers")

    print(f"""\
Why would W[1][{j},{k}] move? It leads from pixel {k} (row {row}, column {column}) to hidden unit {j}.
The image that the network fails on most is a {digit}: it gives {says} a probability of {p[says]:.3f},
and {digit} one of {p[digit]:.3f}. The chain rule for this image:

  ∂C/∂W[1][{j},{k}] = a[0][{k}] · f′(z[1][{j}]) · Σ_m W[2][m,{j}] δ[2][m]

    m    W[2][m,{j}]      δ[2][m]      product""")
    for m, part in enumerate(blame):
        note = "   what it is" if m == digit else "   what the network says" if m == says else ""
        print(f"  {m:3}    {W[2][m, j]:+9.4f}  ·  {delta[2][0, m]:+8.4f}  =  {part:+8.4f}{note}")
    print(f"""\
                             Σ  =  {blame.sum():+8.4f}

  a[0][{k}] = {pixel:.4f}          how bright the pixel is
  f′(z[1][{j}]) = {slope:.4f}      how much the unit still reacts, at z[1][{j}] = {z[1][0, j]:+.4f}

  {pixel:.4f} · {slope:.4f} · {blame.sum():+.4f} = {product:+.6f}
  The gradient in training: {grads.dW[1][j, k]:+.6f}. The two differ by {gap:.1g}.

The gradient is {sign}: a step of gradient descent {moves} this weight.""")


if __name__ == "__main__":
    main()
