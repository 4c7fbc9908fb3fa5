"""The same training by whygrad and by its peers: same start, same batches, same cost, same update.

Each contestant is built from a `Case`, data and a start, and runs epochs: in the order it is given, or in
one that it draws. `theta` returns its parameters in the order of `whygrad.Parameters.flat`.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

import whygrad as wg


@dataclass(frozen=True)
class Case:
    """A network and how it is trained.

    One output is a number, with the squared error; more are sigmoids with binary cross-entropy, or softmax.
    """

    name: str
    sizes: tuple[int, ...]
    hidden: str
    batch: int
    optimizer: str
    learning_rate: float
    inputs: str = "dense"  # or "zeros", MNIST as it is, or "csr", the same as a SciPy array
    dtype: str = "float32"
    products: str | None = None  # what operands are rounded to: of whygrad alone

    @property
    def output(self) -> str:
        if self.sizes[-1] == 1:
            return "identity"
        return "sigmoid" if self.hidden == "sigmoid" and len(self.sizes) == 3 else "softmax"

    @property
    def net(self) -> wg.Network:
        units = [*((n, self.hidden) for n in self.sizes[1:-1]), (self.sizes[-1], self.output)]
        return wg.Network(self.sizes[0], [wg.Dense(n, f) for n, f in units], _COSTS[self.output])

    @property
    def shared(self) -> bool:
        """Return whether one batch is all the data: each contestant then takes it without shuffling."""
        return self.batch >= 10000

    @property
    def multiplications(self) -> int:
        """Multiplications and additions of a step: forward, back (not to the input) and update."""
        products = [a * b for a, b in zip(self.sizes, self.sizes[1:], strict=False)]
        return 6 * self.batch * sum(products) - 2 * self.batch * products[0]


_COSTS = {
    "identity": "squared_error",
    "sigmoid": "binary_cross_entropy",
    "softmax": "cross_entropy",
}


class Native:
    """whygrad's native engine."""

    engine_name = "native"

    def __init__(self, case: Case, theta: np.ndarray, X: np.ndarray, Y: np.ndarray) -> None:
        from whygrad.engines import choose
        from whygrad.nn.arrays import Data
        from whygrad.plan.plan import Plan, State

        rule: Any = wg.SGD(case.learning_rate)
        if case.optimizer != "sgd":
            rule = wg.Adam(
                case.learning_rate, epsilon_hat=case.optimizer == "adam like scikit-learn's"
            )
        self.plan = Plan(
            case.net, rule, len(X), epochs=10**6, batch_size=case.batch, dtype=case.dtype,
            products=case.products,
        )  # fmt: skip
        if case.inputs == "csr":
            from scipy.sparse import csr_array

            X = csr_array(X)
        self.data = Data(X, Y)
        self.state = State(theta.copy(), rule.init(theta))
        self.engine = choose(self.engine_name, self.plan)

    def epoch(self, order: np.ndarray | None, steps: int) -> None:
        """Run some steps, in an order of its own by seed and epoch, or with an order as examples lie."""
        from dataclasses import replace

        from whygrad.engines import Probes

        if self.plan.shuffle != (order is None):
            self.plan = replace(self.plan, shuffle=order is None)
        if self.state.batch_index + steps > self.plan.steps_per_epoch:
            self.state = replace(self.state, epoch=self.state.epoch + 1, batch_index=0)
        until = self.state.step + steps
        self.state, _ = self.engine.run(self.plan, self.state, self.data, until, Probes())

    @property
    def theta(self) -> np.ndarray:
        return self.state.theta


class Xla(Native):
    """whygrad's engine on JAX."""

    engine_name = "xla"


class NumPy:
    """NumPy written well: products into buffers that are there, one update per layer."""

    def __init__(self, case: Case, theta: np.ndarray, X: np.ndarray, Y: np.ndarray) -> None:
        self.case, self.X, self.Y = case, X, Y
        self.parameters = wg.Parameters(case.sizes, theta.copy())
        self.opt_state = np.zeros((2, len(theta)), theta.dtype)
        self.g = wg.Gradients(case.sizes, np.zeros_like(theta))
        self.t = 0
        self.a = [np.empty((case.batch, n), theta.dtype) for n in case.sizes]
        self.d = [np.empty((case.batch, n), theta.dtype) for n in case.sizes]

    def epoch(self, order: np.ndarray | None, steps: int) -> None:
        order, B = _drawn(order, len(self.X)), self.case.batch
        for i in range(steps):
            self.step(order[i * B : (i + 1) * B])

    def step(self, batch: np.ndarray) -> None:
        case, W, b, a, d = self.case, self.parameters.W, self.parameters.b, self.a, self.d
        L = len(case.sizes) - 1
        np.take(self.X, batch, axis=0, out=a[0], mode="clip")  # else by way of a buffer
        y = self.Y[batch]
        for l in range(1, L + 1):
            np.matmul(a[l - 1], W[l].T, out=a[l])
            a[l] += b[l]
            self.activate(a[l], case.output if l == L else case.hidden)
        np.subtract(a[L], y, out=d[L])
        d[L] /= case.batch
        for l in range(L, 0, -1):
            np.matmul(d[l].T, a[l - 1], out=self.g.dW[l])
            np.sum(d[l], axis=0, out=self.g.db[l])
            if l > 1:
                np.matmul(d[l], W[l], out=d[l - 1])
                if case.hidden == "sigmoid":
                    d[l - 1] *= a[l - 1] * (1 - a[l - 1])
                elif case.hidden == "tanh":
                    d[l - 1] *= 1 - a[l - 1] ** 2
                else:
                    d[l - 1] *= a[l - 1] > 0
        self.update()

    def update(self) -> None:
        g, theta = self.g.flat, self.parameters.flat
        if self.case.optimizer == "sgd":
            g *= self.case.learning_rate
            theta -= g
            return
        self.t += 1
        m, v = self.opt_state
        number = theta.dtype.type
        m *= 0.9
        m += number(0.1) * g
        v *= number(0.999)
        g *= g
        g *= number(0.001)
        v += g
        root = np.sqrt(1 - 0.999**self.t)
        np.sqrt(v, out=g)
        g += number(1e-8 * root)
        np.divide(m, g, out=g)
        g *= number(self.case.learning_rate * root / (1 - 0.9**self.t))
        theta -= g

    @staticmethod
    def activate(z: np.ndarray, name: str) -> None:
        if name == "sigmoid":
            np.negative(z, out=z)
            np.exp(z, out=z)
            z += 1
            np.reciprocal(z, out=z)
        elif name == "tanh":
            np.tanh(z, out=z)
        elif name == "relu":
            np.maximum(z, 0, out=z)
        elif name == "softmax":
            z -= z.max(axis=1, keepdims=True)
            np.exp(z, out=z)
            z /= z.sum(axis=1, keepdims=True)

    @property
    def theta(self) -> np.ndarray:
        return self.parameters.flat


class ScikitLearn:
    """scikit-learn's MLP, continued by `partial_fit`, which keeps Adam's averages."""

    def __init__(self, case: Case, theta: np.ndarray, X: np.ndarray, Y: np.ndarray) -> None:
        import warnings

        from sklearn.neural_network import MLPClassifier, MLPRegressor

        warnings.simplefilter("ignore")
        self.case, self.X, self.Y = case, X, Y
        if case.output == "softmax":
            self.Y = Y.argmax(axis=1)
        elif case.output == "identity":
            self.Y = Y[:, 0]
        kind = MLPRegressor if case.output == "identity" else MLPClassifier
        self.mlp = kind(
            hidden_layer_sizes=case.sizes[1:-1],
            activation={"sigmoid": "logistic"}.get(case.hidden, case.hidden),
            solver=case.optimizer,
            alpha=0,
            batch_size=case.batch,
            learning_rate_init=case.learning_rate,
            momentum=0,
            nesterovs_momentum=False,
            max_iter=1,
        )
        self.mlp._validate_hyperparameters = lambda: None
        rows = [int(np.argmax(Y[:, c])) for c in range(Y.shape[1])] * case.batch
        self.mlp.fit(X[rows], self.Y[rows])
        start = wg.Parameters(case.sizes, theta)
        self.mlp.coefs_ = [W.T.copy() for W in start.W[1:]]
        self.mlp.intercepts_ = [b.copy() for b in start.b[1:]]
        del self.mlp._optimizer

    def epoch(self, order: np.ndarray | None, steps: int) -> None:
        rows = steps * self.case.batch
        self.mlp.shuffle = order is None  # it shuffles by itself
        chosen = slice(rows) if order is None else order[:rows]
        self.mlp.partial_fit(self.X[chosen], self.Y[chosen])

    @property
    def theta(self) -> np.ndarray:
        pairs = zip(self.mlp.coefs_, self.mlp.intercepts_, strict=True)
        return np.concatenate([part for W, b in pairs for part in (W.T.ravel(), b)])


class PyTorch:
    """PyTorch, eager: a Sequential, a loss, an optimizer."""

    def __init__(self, case: Case, theta: np.ndarray, X: np.ndarray, Y: np.ndarray) -> None:
        import torch
        from torch import nn

        self.torch, self.case = torch, case
        torch.set_default_dtype(getattr(torch, case.dtype))
        torch.set_num_threads(int(__import__("os").environ.get("OMP_NUM_THREADS", "1")))
        self.X, self.Y = torch.from_numpy(X), torch.from_numpy(Y)
        f = {"sigmoid": nn.Sigmoid, "relu": nn.ReLU, "tanh": nn.Tanh}[case.hidden]
        start = wg.Parameters(case.sizes, theta)
        layers: list[Any] = []
        for l in range(1, len(case.sizes)):
            layers += [nn.Linear(case.sizes[l - 1], case.sizes[l]), f()]
            with torch.no_grad():
                layers[-2].weight.copy_(torch.from_numpy(start.W[l].copy()))
                layers[-2].bias.copy_(torch.from_numpy(start.b[l].copy()))
        self.net = nn.Sequential(*layers[:-1])
        self.cost: Any = lambda x, y: self.loss(self.net(x), y)
        # What is quickest here: Adam is with its loops fused, SGD without; `index_select` beats X[batch].
        if case.optimizer == "sgd":
            self.optimizer: Any = torch.optim.SGD(self.net.parameters(), lr=case.learning_rate)
        else:
            self.optimizer = torch.optim.Adam(
                self.net.parameters(), lr=case.learning_rate, fused=True
            )

    def loss(self, z: Any, y: Any) -> Any:
        F = self.torch.nn.functional
        if self.case.output == "softmax":
            return F.cross_entropy(z, y)
        if self.case.output == "identity":
            return F.mse_loss(z, y) / 2
        return F.binary_cross_entropy_with_logits(z, y, reduction="sum") / len(y)

    def epoch(self, order: np.ndarray | None, steps: int) -> None:
        index = self.torch.from_numpy(_drawn(order, len(self.X), np.int64))
        B = self.case.batch
        for i in range(steps):
            batch = index[i * B : (i + 1) * B]
            self.optimizer.zero_grad()
            x, y = self.X.index_select(0, batch), self.Y.index_select(0, batch)
            self.cost(x, y).backward()
            self.optimizer.step()

    @property
    def theta(self) -> np.ndarray:
        return np.concatenate([p.detach().numpy().ravel() for p in self.net.parameters()])


class PyTorchByHand(PyTorch):
    """PyTorch without autograd: the four equations by hand, into tensors that are there."""

    def __init__(self, case: Case, theta: np.ndarray, X: np.ndarray, Y: np.ndarray) -> None:
        super().__init__(case, theta, X, Y)
        torch = self.torch
        self.p = [p.detach() for p in self.net.parameters()]
        self.g = [torch.empty_like(p) for p in self.p]
        self.m, self.v = ([torch.zeros_like(p) for p in self.p] for _ in range(2))
        self.t = 0
        self.a = [torch.empty(case.batch, n) for n in case.sizes]
        self.d = [torch.empty(case.batch, n) for n in case.sizes]

    def epoch(self, order: np.ndarray | None, steps: int) -> None:
        index = self.torch.from_numpy(_drawn(order, len(self.X), np.int64))
        B = self.case.batch
        with self.torch.no_grad():
            for i in range(steps):
                self.step(index[i * B : (i + 1) * B])

    def step(self, batch: Any) -> None:
        torch, case, a, d, L = self.torch, self.case, self.a, self.d, len(self.case.sizes) - 1
        torch.index_select(self.X, 0, batch, out=a[0])
        for l in range(1, L + 1):
            torch.addmm(self.p[2 * l - 1], a[l - 1], self.p[2 * l - 2].t(), out=a[l])
            if l < L:
                {"sigmoid": a[l].sigmoid_, "relu": a[l].relu_, "tanh": a[l].tanh_}[case.hidden]()
            elif case.output == "sigmoid":
                a[l].sigmoid_()
            elif case.output == "softmax":
                a[l] = torch.softmax(a[l], 1)
        torch.sub(a[L], self.Y[batch], out=d[L])
        d[L].div_(case.batch)
        for l in range(L, 0, -1):
            torch.mm(d[l].t(), a[l - 1], out=self.g[2 * l - 2])
            torch.sum(d[l], 0, out=self.g[2 * l - 1])
            if l == 1:
                break
            torch.mm(d[l], self.p[2 * l - 2], out=d[l - 1])
            if case.hidden == "relu":
                d[l - 1].mul_(a[l - 1] > 0)
            elif case.hidden == "sigmoid":
                d[l - 1].mul_(a[l - 1]).mul_(1 - a[l - 1])
            else:
                d[l - 1].addcmul_(d[l - 1], a[l - 1].square(), value=-1)
        if case.optimizer == "sgd":
            torch._foreach_add_(self.p, self.g, alpha=-case.learning_rate)
            return
        self.t += 1
        root = (1 - 0.999**self.t) ** 0.5
        torch._foreach_lerp_(self.m, self.g, 0.1)
        torch._foreach_mul_(self.v, 0.999)
        torch._foreach_addcmul_(self.v, self.g, self.g, 0.001)
        roots = torch._foreach_sqrt(self.v)
        torch._foreach_add_(roots, 1e-8 * root)
        scale = -case.learning_rate * root / (1 - 0.9**self.t)
        torch._foreach_addcdiv_(self.p, self.m, roots, scale)


class PyTorchCompiled(PyTorch):
    """PyTorch with the cost of a batch under `torch.compile`, which needs a C++ compiler."""

    mode = "default"

    def __init__(self, case: Case, theta: np.ndarray, X: np.ndarray, Y: np.ndarray) -> None:
        super().__init__(case, theta, X, Y)
        self.cost = self.torch.compile(self.cost, mode=self.mode)


class PyTorchTuned(PyTorchCompiled):
    """PyTorch compiled with `mode="max-autotune"`, which tries several kernels for every product."""

    mode = "max-autotune"


class Jax:
    """JAX: an epoch as one `lax.scan` under one `jit`."""

    def __init__(self, case: Case, theta: np.ndarray, X: np.ndarray, Y: np.ndarray) -> None:
        import jax
        import jax.numpy as jnp

        jax.config.update("jax_enable_x64", case.dtype == "float64")
        self.jax, self.case = jax, case
        f = {"sigmoid": jax.nn.sigmoid, "relu": jax.nn.relu, "tanh": jnp.tanh}[case.hidden]
        start = wg.Parameters(case.sizes, theta)
        parameters = [
            (jnp.array(W), jnp.array(b)) for W, b in zip(start.W[1:], start.b[1:], strict=True)
        ]
        self.X, self.Y = jnp.array(X), jnp.array(Y)

        def cost(theta: Any, x: Any, y: Any) -> Any:
            for W, b in theta[:-1]:
                x = f(x @ W.T + b)
            W, b = theta[-1]
            z = x @ W.T + b
            if case.output == "softmax":
                return -jnp.mean(jnp.sum(y * jax.nn.log_softmax(z), axis=1))
            if case.output == "identity":
                return jnp.mean((z - y) ** 2) / 2
            return jnp.mean(jnp.sum(jnp.logaddexp(0, z) - y * z, axis=1))

        def step(state: Any, batch: Any, X: Any, Y: Any) -> tuple[Any, None]:
            theta, m, v, t = state
            g = jax.grad(cost)(theta, X[batch], Y[batch])
            if case.optimizer == "sgd":
                return (
                    jax.tree.map(lambda p, d: p - case.learning_rate * d, theta, g),
                    m,
                    v,
                    t,
                ), None
            t = t + 1
            m = jax.tree.map(lambda m, d: 0.9 * m + 0.1 * d, m, g)
            v = jax.tree.map(lambda v, d: 0.999 * v + 0.001 * d * d, v, g)
            root = jnp.sqrt(1 - 0.999**t)
            scale = case.learning_rate * root / (1 - 0.9**t)
            theta = jax.tree.map(
                lambda p, m, v: p - scale * m / (jnp.sqrt(v) + 1e-8 * root), theta, m, v
            )
            return (theta, m, v, t), None

        def epoch(state: Any, batches: Any, X: Any, Y: Any) -> Any:
            return jax.lax.scan(lambda s, i: step(s, i, X, Y), state, batches)[0]

        self.run = jax.jit(epoch, donate_argnums=0)
        zeros = jax.tree.map(jnp.zeros_like, parameters)
        t = jnp.zeros((), case.dtype)
        self.state = (parameters, zeros, jax.tree.map(jnp.zeros_like, parameters), t)

    def epoch(self, order: np.ndarray | None, steps: int) -> None:
        order = _drawn(order, len(self.X))
        batches = order[: steps * self.case.batch].reshape(steps, self.case.batch)
        self.state = self.jax.block_until_ready(self.run(self.state, batches, self.X, self.Y))

    @property
    def theta(self) -> np.ndarray:
        return np.concatenate([np.asarray(part).ravel() for pair in self.state[0] for part in pair])


CONTESTANTS = {
    "whygrad": Native,
    "whygrad xla": Xla,
    "NumPy": NumPy,
    "scikit-learn": ScikitLearn,
    "PyTorch eager": PyTorch,
    "PyTorch by hand": PyTorchByHand,
    "PyTorch compiled": PyTorchCompiled,
    "PyTorch max-autotune": PyTorchTuned,
    "JAX": Jax,
}


DRAWS = np.random.default_rng(0)


def _drawn(order: np.ndarray | None, n: int, dtype: type = np.int32) -> np.ndarray:
    """Return the order that was given, or draw one of n examples."""
    order = DRAWS.permutation(n) if order is None else order
    return order.astype(dtype, copy=False)
