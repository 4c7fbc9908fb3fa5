"""Quadrature of a gradient along straight lines: ∫ ∂out/∂zᵗᵒᵖ dt, piece by piece, as exact as floats are.

On each piece, the rule of Gauss and Legendre in n points. The highest Legendre coefficients c that n points
can tell say how far off it is: of an analytic integrand they fall like ρ⁻ⁿ and the rule's error like ρ⁻²ⁿ,
so that the error is about c² over the integrand's size. Pieces that are off by more are divided, and so are
those whose integral is not what the output rises by, and those in which a unit above meets a kink: there,
or where that is only suspected in the middle.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Any, NamedTuple

import numpy as np

from whygrad.nn import Activation, Array
from whygrad.why.passing import forward_from, pull
from whygrad.why.prediction.kinks import Walk
from whygrad.why.prediction.members import Members
from whygrad.why.what_if.perturbation import kinked

ENOUGH = 1e-14  # of what a line adds up in size: a piece that is off by no more is done
FLOOR = 1e-15  # of the output: where a piece is off by no more, so is the output by rounding
MISSED = (
    1e-13  # of both: a piece has missed a kink if its integral is further from the output's rise
)
SAFE = 10.0  # how much larger than estimated the error may be
ORDERS = ((0.2, 16), (0.02, 10), (0.0, 6))  # points of a piece, by its length
ROUNDS = 48  # of dividing: a kink that is not known is boxed in to 4e-15 of the way
MOST_POINTS = 20_000  # of a line on average, after which pieces are taken as they are
BLOCK = 2**20  # numbers of a layer that are computed together
NEAR = 1e-12  # of a unit's largest z on a piece, and
ROUNDING = 1e-14  # of what z is on average: nearer to a kink a unit is on neither side
SECANTS = 40  # steps towards a kink at most


@dataclass(frozen=True, eq=False)
class Pieces:
    """Pieces of lines, from t = a to b, (P,) each.

    `own` (K, P) says for each member at which point of its walk the piece begins that they lie in.
    """

    line: Array
    a: Array
    b: Array
    own: Array

    def take(self, chosen: Any) -> "Pieces":
        """Return some of them."""
        return Pieces(self.line[chosen], self.a[chosen], self.b[chosen], self.own[:, chosen])

    def at(self, shares: Array) -> Array:
        """Return t at −1 ≤ shares ≤ 1 of the way along each piece, (P, n)."""
        half = (self.b - self.a)[:, None] / 2
        return self.a[:, None] + half * (1 + shares)


class Watched(NamedTuple):
    """Units above the walks that have a kink: of which member (−1: z̄) and layer, and z less the kink."""

    member: int
    layer: int
    kink: float
    far: Array  # (P, n, units)
    near: Array  # (P, 1, units): nearer to the kink z is on neither side of it

    @property
    def sides(self) -> Array:
        """Which side of the kink z is on, −1, 0 (on neither) or 1, (P, n, units)."""
        return np.where(np.abs(self.far) <= self.near, 0.0, np.sign(self.far))


@dataclass(frozen=True, eq=False)
class Integrand:
    """∂out/∂zᵗᵒᵖ along the walks of members, out = last(z̄)ₘ."""

    members: Members
    walks: tuple[Walk, ...]
    last: Activation
    m: int

    def z_top(self, k: int, own: Array, t: Array) -> Array:
        """Return zᵗᵒᵖ of member k at t (P, n) of its pieces `own`, (P·n, n_top)."""
        walk = self.walks[k]
        a, b = walk.points.t[own], walk.points.t[own + 1]
        share = (t - a[:, None]) / (b - a)[:, None]
        z: Array = walk.z[own, None] + share[..., None] * (walk.z[own + 1] - walk.z[own])[:, None]
        return z.reshape(-1, z.shape[-1])

    def layers(self, pieces: Pieces, t: Array) -> tuple[list[list[Any]], Array]:
        """Return z of every member by layer, from the top on, and z̄, at t of pieces, by rows."""
        found = []
        for k, (net, theta) in enumerate(self.members.each):
            z = self.z_top(k, pieces.own[k], t)
            found.append(forward_from(net, theta, self.walks[k].top, z)[0])
        return found, sum(z[-1] for z in found) / self.members.count

    def gradients(self, layers: list[list[Any]], mean: Array, points: int) -> list[Array]:
        """Return ∂out/∂zᵗᵒᵖ of every member where z and z̄ are these, (P, points, n_top)."""
        seed = np.zeros_like(mean)
        seed[:, self.m] = 1
        seed = self.last.vjp(mean, seed) / self.members.count
        found = []
        for (net, theta), walk, z in zip(self.members.each, self.walks, layers, strict=True):
            back = pull(net, theta, z, seed, walk.top)[walk.top]
            found.append(back.reshape(-1, points, back.shape[1]))
        return found

    @cached_property
    def kinks(self) -> list[tuple[int, int, float]]:
        """The kinks above the walks: member, layer and where; −1, −1 of the function of z̄."""
        found = [
            (k, l, kink)
            for k, (net, _) in enumerate(self.members.each)
            for l in range(self.walks[k].top + 1, net.L)
            for kink in kinks_of(net.f[l])
        ]
        return found + [(-1, -1, kink) for kink in kinks_of(self.last)]

    def watched(self, layers: list[list[Any]], mean: Array, points: int) -> list[Watched]:
        """Return the units that have kinks, where z and z̄ are these."""
        found = []
        for k, l, kink in self.kinks:
            z = mean if k < 0 else layers[k][l]
            far = z.reshape(-1, points, z.shape[1]) - kink
            size = np.abs(far)
            near = NEAR * size.max(axis=1, keepdims=True) + ROUNDING * size.mean()
            found.append(Watched(k, l, kink, far, near))
        return found

    @property
    def widest(self) -> int:
        """Units of the widest layer, of all members together."""
        return self.members.count * max(max(net.sizes[1:]) for net, _ in self.members.each)


def kinks_of(f: Activation) -> tuple[float, ...]:
    """Return where f has kinks, as far as is known: those stated, else 0 where its slope jumps there."""
    return f.kinks or ((0.0,) if not f.linear and kinked(f) else ())


def integrate(integrand: Integrand) -> tuple[list[Array], int]:
    """Return ∫ ∂out/∂zᵗᵒᵖ dt on every piece of each member's walk, (S, n_top), and in how many points."""
    walks = integrand.walks
    done = [np.zeros((len(walk.points.left), walk.z.shape[1])) for walk in walks]
    pieces, points = _shared(walks), 0
    lines = 1 + int(pieces.line.max(initial=0))
    scale = np.zeros(lines)
    for round_ in range(ROUNDS):
        last = round_ == ROUNDS - 1 or points > MOST_POINTS * lines
        left = []
        for n, some in _batches(pieces, integrand.widest):
            found = _rule(integrand, some, n)
            points += n * len(some.line)
            scale += np.bincount(some.line, found.size, lines)
            size = scale[some.line]
            bad = found.met | (found.off > ENOUGH * size + FLOOR * found.out)
            bad |= found.missed > MISSED * (size + found.out)
            if last:
                bad[:] = False
            good = ~bad
            for total, own, part in zip(done, some.own, found.parts, strict=True):
                np.add.at(total, own[good] - some.line[good], part[good])
            if bad.any():
                scale -= np.bincount(some.line[bad], found.size[bad], lines)
                left.append(_divided(integrand, some, n, found.watched, bad))
        if not left:
            break
        ends = ("line", "a", "b", "own")
        pieces = Pieces(
            *(np.concatenate([getattr(one, end) for one in left], axis=-1) for end in ends)
        )
    return done, points


def _shared(walks: Sequence[Walk]) -> Pieces:
    """Return the pieces between the points of all members together, those of no length left out."""
    line = np.concatenate([walk.points.line for walk in walks])
    t = np.concatenate([walk.points.t for walk in walks])
    whose = np.repeat(np.arange(len(walks)), [len(walk.z) for walk in walks])
    order = np.lexsort((t, line))
    line, t, whose = line[order], t[order], whose[order]
    left = np.flatnonzero((line[1:] == line[:-1]) & (t[1:] > t[:-1]))
    own = np.array([np.cumsum(whose == k)[left] - 1 for k in range(len(walks))])
    return Pieces(line[left], t[left], t[left + 1], own)


def _batches(pieces: Pieces, widest: int) -> Iterator[tuple[int, Pieces]]:
    """Yield (points, pieces): those that take rules of as many points, as many as fit the memory."""
    shortest = np.array([length for length, _ in ORDERS])
    which = ((pieces.b - pieces.a)[:, None] > shortest).argmax(axis=1)
    for o, (_, n) in enumerate(ORDERS):
        at = np.flatnonzero(which == o)
        most = max(1, BLOCK // (n * widest))
        for first in range(0, len(at), most):
            yield n, pieces.take(at[first : first + most])


@cache
def legendre(n: int) -> tuple[Array, Array, Array]:
    """Return the points of a rule and both ends; the rule's rows; and how to see between the points.

    The rows give the mean and the highest two coefficients, (3, n + 2); the matrix is that of the
    polynomial through the points, in the middle between every two of them.
    """
    nodes, weights = np.polynomial.legendre.leggauss(n)
    V = np.polynomial.legendre.legvander(nodes, n - 1)
    coefficients = (np.arange(n) + 0.5)[:, None] * (V * weights[:, None]).T
    rows = np.pad(np.stack([weights / 2, *coefficients[-2:]]), ((0, 0), (1, 1)))
    nodes = np.concatenate([[-1.0], nodes, [1.0]])
    middle = (nodes[1:] + nodes[:-1]) / 2
    highest = len(nodes) - 1
    through = np.linalg.inv(np.polynomial.legendre.legvander(nodes, highest))
    return nodes, rows, np.polynomial.legendre.legvander(middle, highest) @ through


class _Found(NamedTuple):
    """What a rule gives, piece by piece."""

    parts: list[Array]  # the integral, by member (P, n_top)
    size: Array  # what it adds up in size, (P,)
    off: Array  # how far off it may be, (P,)
    missed: Array  # how far it is from what the output rises by, (P,)
    out: Array  # the size of the output, (P,)
    met: Array  # whether a kink lies in it, or may, (P,)
    watched: list[Watched]


def _rule(integrand: Integrand, pieces: Pieces, n: int) -> _Found:
    """Return the integral of every piece and member, and how far off it may be."""
    nodes, rows, between = legendre(n)
    layers, mean = integrand.layers(pieces, pieces.at(nodes))
    watched = integrand.watched(layers, mean, len(nodes))
    length = (pieces.b - pieces.a)[:, None]
    out = integrand.last.value(mean)[:, integrand.m].reshape(-1, len(nodes))
    found, missed = [], out[:, -1] - out[:, 0]
    size, off = np.zeros((2, len(length)))
    for k, g in enumerate(integrand.gradients(layers, mean, len(nodes))):
        average, *high = (rows @ g).transpose(1, 0, 2)
        walk, own = integrand.walks[k], pieces.own[k]
        run = (walk.points.t[own + 1] - walk.points.t[own])[:, None]
        step = (walk.z[own + 1] - walk.z[own]) / run * length
        way = np.abs(step)
        largest = np.abs(g).max(axis=1)
        tail = high[0] ** 2 + high[1] ** 2
        error = np.divide(tail, largest, out=np.zeros_like(tail), where=largest > 0)
        size += (np.abs(average) * way).sum(axis=1)
        missed -= (average * step).sum(axis=1)
        off += SAFE * (error * way).sum(axis=1)
        found.append(average * length)
    met = np.zeros(len(length), bool)
    for one in watched:
        sides = one.sides
        low, highest = sides.min(axis=1), sides.max(axis=1)
        seen = np.sign(np.where(low < 0, low, highest))
        dips = (between @ one.far * seen[:, None]).min(axis=1) < -one.near[:, 0]
        met |= ((low * highest < 0) | dips).any(axis=1)
    return _Found(found, size, off, np.abs(missed), np.abs(out).max(axis=1), met, watched)


# ── where to divide ──────────────────────────────────────────────────────────────────────────────────


def _divided(
    integrand: Integrand, pieces: Pieces, n: int, watched: list[Watched], bad: Array
) -> Pieces:
    """Return the bad pieces, divided where units above meet kinks, and elsewhere in the middle."""
    pieces = pieces.take(bad)
    watched = [one._replace(far=one.far[bad], near=one.near[bad]) for one in watched]
    piece, t = _met(integrand, pieces, n, watched)
    inside = (t > pieces.a[piece]) & (t < pieces.b[piece])
    piece, t = piece[inside], t[inside]
    every = np.arange(len(pieces.line))
    whole = np.setdiff1d(every, piece)
    middle = (pieces.a[whole] + pieces.b[whole]) / 2
    which = np.concatenate([every, piece, whole, every])
    cuts = np.concatenate([pieces.a, t, middle, pieces.b])
    order = np.lexsort((cuts, which))
    which, cuts = which[order], cuts[order]
    left = np.flatnonzero((which[1:] == which[:-1]) & (cuts[1:] > cuts[:-1]))
    of = which[left]
    return Pieces(pieces.line[of], cuts[left], cuts[left + 1], pieces.own[:, of])


def _met(
    integrand: Integrand, pieces: Pieces, n: int, watched: list[Watched]
) -> tuple[Array, Array]:
    """Return (piece, t) where a unit that is watched meets its kink, between two points of a rule."""
    found_pieces, found_t = [np.zeros(0, np.int64)], [np.zeros(0)]
    t = pieces.at(legendre(n)[0])
    for one in watched:
        sides = one.sides
        piece, i, unit = np.nonzero(sides[:, 1:] * sides[:, :-1] < 0)
        if len(piece):
            heights = _heights(integrand, pieces.take(piece), unit, one)
            far = one.far[piece, i, unit], one.far[piece, i + 1, unit]
            found_pieces.append(piece)
            found_t.append(_root(heights, t[piece, i], t[piece, i + 1], *far))
    return np.concatenate(found_pieces), np.concatenate(found_t)


def _heights(
    integrand: Integrand, pieces: Pieces, unit: Array, one: Watched
) -> Callable[[Array, Array], Array]:
    """Return z less the kink as a function of t and of which pieces, for one unit of each piece."""

    def of_mean(t: Array, chosen: Array) -> Array:
        z = integrand.layers(pieces.take(chosen), t[:, None])[1]
        return z[np.arange(len(t)), unit[chosen]] - one.kink

    def of_unit(t: Array, chosen: Array) -> Array:
        (net, theta), top = integrand.members.each[one.member], integrand.walks[one.member].top
        z = integrand.z_top(one.member, pieces.own[one.member][chosen], t[:, None])
        a = net.f[top].value(z)
        for l in range(top + 1, one.layer):
            a = net.f[l].value(a @ theta.W[l].T + theta.b[l])
        j = unit[chosen]
        last = np.einsum("ij,ij->i", a, theta.W[one.layer][j])
        return last + theta.b[one.layer][j] - one.kink

    return of_mean if one.member < 0 else of_unit


def _root(
    height: Callable[[Array, Array], Array], a: Array, b: Array, fa: Array, fb: Array
) -> Array:
    """Return where heights of different signs at a and b meet 0, (r,), by the Illinois method."""
    enough = 1e-15 * np.maximum(np.abs(fa), np.abs(fb))
    best, open_, moved = a.copy(), np.arange(len(a)), np.zeros_like(a)
    for _ in range(SECANTS):
        t = np.clip(a - fa * (b - a) / (fb - fa), a, b)
        best[open_], f = t, height(t, open_)
        side = np.where((f < 0) == (fa < 0), -1.0, 1.0)  # −1: t takes the place of a
        halved = np.where(side == moved, 0.5, 1.0)  # an end that stays twice counts half
        a, fa = np.where(side < 0, t, a), np.where(side < 0, f, fa * halved)
        b, fb = np.where(side < 0, b, t), np.where(side < 0, fb * halved, f)
        more = (np.abs(f) > enough[open_]) & (b - a > 4e-16)
        if not more.any():
            break
        a, b, fa, fb, moved, open_ = (each[more] for each in (a, b, fa, fb, side, open_))
    return best
