"""Sensitivity of an answer: line searches for a change of x that turns it, and the nearest such point.

    one column       the smallest |d| found with another answer at x + d eₖ, and other categories
    all together     x′ = x − (h(p) + ∇h·(x − p)) ∇h / |∇h|², ∇h at p, h the lead over a rival; p ← x′

Every change that is reported was made, and the answer to it read from a pass of the network. A line is
looked at in points and then divided where the answer turns; that no smaller change exists is not claimed.
The projection is the step of DeepFool (Moosavi-Dezfooli, Fawzi & Frossard, 2016), then drawn closer to x.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from whygrad.answers.classes import classes, classifies
from whygrad.nn import Array, Network
from whygrad.why.prediction.members import Members

WORK = 4e8  # multiplications spent on looking at lines
LOOKS = 6_000  # points looked at on all lines together
FEWEST, MOST = 8, 64  # points on a line
PARTS, DIVISIONS = 16, 12  # of a stretch in which the answer turns
CLEAR = 1e-9  # of the outputs' size: a smaller lead could be rounding
STEPS, CLOSER = 50, 12  # towards another answer, and then back to x
NEVER, EPS = 1e-300, 1e-16  # how near to 0 and 1 a threshold lies at least, so that its z is finite


@dataclass(frozen=True, eq=False)
class Answer:
    """What a network, or the mean of several, says about x, and what else it should say.

    `wanted` is a class, or the number that output `m` should reach, or None: any other class. A single
    output says the second of two classes above the `threshold`.
    """

    members: Members
    x: Array
    m: int
    wanted: Any = None
    threshold: float = 0.5

    @property
    def net(self) -> Network:
        """The network, or the first of several."""
        return self.members.net

    @cached_property
    def z1(self) -> Array:
        """z¹ of x, (n_1,)."""
        return self.members.W1 @ self.x + self.members.b1

    @cached_property
    def said(self) -> int:
        """The class that the network says."""
        return int(self.classes_of(self.x[None])[0])

    @cached_property
    def below(self) -> bool:
        """Whether the output is below the number that it should reach."""
        return bool(self.members.outputs(self.z1[None])[1][0, self.m] < self.wanted)

    def classes_of(self, X: Array) -> Array:
        """Return the classes that the network says about rows X, (n,)."""
        return classes(self.members.predict(X), self.threshold)

    def outputs(self, x: Array) -> Array:
        """Return the outputs a for one x, (n_L,)."""
        return self.members.predict(x[None])[0]

    @cached_property
    def looks(self) -> int:
        """How many points may be looked at on all lines together."""
        return int(min(LOOKS, WORK / self.members.upper))

    @cached_property
    def clear(self) -> float:
        """The least lead that is no rounding."""
        z, a = self.members.outputs(self.z1[None])
        small = max(CLEAR, 8 * float(np.finfo(self.members.dtype).eps))
        return small * (1 + float(abs(z).max() + abs(a).max()))

    def leads(self, z1: Array) -> Array:
        """Return for rows z¹ by how much the answer stands, (n,): clearly below 0 it is another."""
        return self._lead(*self.members.outputs(z1))[0] + self.clear

    def _lead(self, z: Array, a: Array) -> tuple[Array, Array, Array]:
        """Return the lead, and the outputs that lead and that follow, (n,) each; −1 stands for none."""
        none = np.full(len(z), -1)
        if not classifies(self.net):
            own = none if self.below else none + 1 + self.m
            other = none + 1 + self.m if self.below else none
            return (self.wanted - a[:, self.m]) * (1 if self.below else -1), own, other
        if z.shape[1] == 1:
            own, other = (none + 1, none) if self.said else (none, none + 1)
            above = z[:, 0] - log_odds(self.threshold)
            return above if self.said else -above, own, other
        rows, held = np.arange(len(z)), z.copy()
        fixed = self.said if self.wanted is None else self.wanted
        held[:, fixed] = -np.inf
        best, same = held.argmax(axis=1), none + 1 + fixed
        lead = z[:, fixed] - z[rows, best]
        return (lead, same, best) if self.wanted is None else (-lead, best, same)

    def gradients(self, x: Array) -> tuple[Array, Array]:
        """Return the lead over every rival and its gradient at x, (r,) and (r, n_0)."""
        net, z1 = self.net, (self.members.W1 @ x + self.members.b1)[None]
        z, a = self.members.outputs(z1)
        n_L = net.sizes[-1]
        if not classifies(net) or n_L == 1 or self.wanted is not None:
            lead, own, other = self._lead(z, a)
            pairs = [(int(own[0]), int(other[0]))]
        else:
            pairs = [(self.said, m) for m in range(n_L) if m != self.said]
            lead = np.array([z[0, c] - z[0, m] for c, m in pairs])
        seed = np.zeros((len(pairs), n_L), z.dtype)
        for row, (own_, other_) in enumerate(pairs):
            if own_ >= 0:
                seed[row, own_] += 1
            if other_ >= 0:
                seed[row, other_] -= 1
        if not classifies(net):
            seed = net.f[net.L].vjp(np.repeat(z, len(pairs), axis=0), seed)
        return lead, self.members.pulled(z1, seed) @ self.members.W1

    def turned(self, x: Array) -> bool:
        """Return, by a pass of the network, whether it says something else, and what is wanted, at x."""
        return bool(self.turned_among(x[None])[0])

    def turned_among(self, X: Array) -> Array:
        """Return the same for rows X, (n,)."""
        found: Array
        if not classifies(self.net):
            a = self.members.predict(X)[:, self.m]
            found = a > self.wanted if self.below else a < self.wanted
        elif self.wanted is not None:
            found = self.classes_of(X) == self.wanted
        else:
            found = self.classes_of(X) != self.said
        return found


def log_odds(p: float) -> float:
    """Return z of which the sigmoid makes p.

    >>> log_odds(0.5), round(log_odds(0.1), 3)
    (0.0, -2.197)
    """
    p = min(max(p, NEVER), 1 - EPS)
    return float(np.log(p) - np.log1p(-p))


def first_turns(answer: Answer, ways: Array, reach: Array, keep: int | None = None) -> Array:
    """Find where the answer first turns on lines z¹ + t·way, 0 < t ≤ reach: t, (r,), infinite where not.

    Of many lines only the `keep` that turn first are made out exactly.
    """
    found = np.full(len(ways), np.inf)
    open_ = np.flatnonzero((reach > 0) & ways.any(axis=1))
    if not len(open_):
        return found
    points = int(np.clip(answer.looks // len(open_), FEWEST, MOST))
    shares = (np.arange(points + 1) / points) ** 2
    turned = _looked_at(answer, ways[open_], reach[open_, None] * shares[1:]) < 0
    turns = turned.any(axis=1)
    lines, at = open_[turns], turned[turns].argmax(axis=1)
    low, high = reach[lines] * shares[at], reach[lines] * shares[at + 1]
    if keep is not None and len(lines) > keep:
        chosen = low <= np.partition(high, keep - 1)[keep - 1]
        lines, low, high = lines[chosen], low[chosen], high[chosen]
    parts = np.arange(1, PARTS + 1) / PARTS
    for _ in range(DIVISIONS if len(lines) else 0):
        t = low[:, None] + (high - low)[:, None] * parts
        t[:, -1] = high
        at = (_looked_at(answer, ways[lines], t) < 0).argmax(axis=1)
        rows = np.arange(len(lines))
        low, high = np.where(at > 0, t[rows, at - 1], low), t[rows, at]
    found[lines] = high
    return found


def _looked_at(answer: Answer, ways: Array, t: Array) -> Array:
    """Return the leads at points t, (r, p), of lines z¹ + t·way."""
    z = answer.z1 + t[:, :, None] * ways[:, None, :]
    return answer.leads(z.reshape(-1, ways.shape[1])).reshape(t.shape)


def nearest(answer: Answer, free: Array, low: Array, high: Array) -> Array | None:
    """Find the nearest x′ with another answer, over the inputs that are `free`, or None."""
    x = answer.x.astype(np.float64)
    point = x.copy()
    for _ in range(STEPS):
        lead, gradient = answer.gradients(point)
        gradient = gradient * _open(gradient, point, free, low, high)
        squares = (gradient**2).sum(axis=1)
        if lead.min() < -answer.clear or not np.isfinite(gradient).all():
            break
        if not squares.any():
            return None
        with np.errstate(divide="ignore", invalid="ignore"):
            far = np.where(squares > 0, lead / np.sqrt(squares), np.inf)
        rival = int(far.argmin())
        step = (1.02 * lead[rival] + 2 * answer.clear) / squares[rival] * gradient[rival]
        point = np.clip(point - step, low, high)
    best = _on_ray(answer, point)
    for _ in range(CLOSER if best is not None else 0):
        assert best is not None
        lead, gradient = answer.gradients(best)
        w = gradient[int(abs(lead).argmin())] * free
        if not w.any() or not np.isfinite(w).all():
            break
        target = x + (w @ (best - x)) / (w @ w) * w
        closer = _on_ray(answer, np.clip(x + 1.05 * (target - x), low, high))
        if closer is None or _far(closer, x) >= _far(best, x) * (1 - 1e-6):
            break
        best = closer
    return best


def _far(point: Array, x: Array) -> float:
    return float(np.linalg.norm(point - x))


def _open(gradient: Array, point: Array, free: Array, low: Array, high: Array) -> Array:
    """Return which inputs may still move against the gradient, (r, n_0)."""
    room = np.where(gradient > 0, point > low, point < high)
    return room & free


def _on_ray(answer: Answer, point: Array) -> Array | None:
    """Return the first point on the way from x to `point` with another answer."""
    way = (answer.members.W1 @ (point - answer.x))[None]
    t = first_turns(answer, way, np.ones(1))[0]
    return answer.x + t * (point - answer.x) if np.isfinite(t) else None
