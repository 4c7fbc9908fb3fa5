"""What an answer says, gathered: every number in it, and whether its terms add up."""

import math
from dataclasses import fields, is_dataclass

import numpy as np

from whygrad.answers.explanation import Explanation
from whygrad.answers.expression import Number
from whygrad.answers.parts import Factor, Table

TOLERANCE = 1e-12  # of the sum of |terms|


def walk(thing):
    """Everything within equations, terms and tables, one after the other."""
    yield thing
    if isinstance(thing, tuple | list):
        for part in thing:
            yield from walk(part)
    elif is_dataclass(thing) and not isinstance(thing, type):
        for field in fields(thing):
            yield from walk(getattr(thing, field.name))


def numbers_said(explanation: Explanation) -> list[float]:
    """Every number that equations, factors and tables show."""
    said = []
    for thing in walk((explanation.equations, explanation.terms, explanation.tables)):
        if isinstance(thing, Number | Factor):
            said.append(thing.value)
        if isinstance(thing, Table):
            said += [cell for row in thing.rows for cell in row if isinstance(cell, float)]
    return said


def says(explanation: Explanation, number: float) -> bool:
    return any(math.isclose(number, said, rel_tol=1e-13) for said in numbers_said(explanation))


def assert_sums(explanation: Explanation, scale: float | None = None) -> None:
    """Value = terms + residuals, and the residuals are rounding; unrolled factors are their terms' sums."""
    terms = [term.value for term in explanation.terms]
    left = explanation.value - math.fsum(terms)
    scale = math.fsum(map(abs, terms)) if scale is None else scale
    assert abs(left - math.fsum(explanation.residuals.values())) <= 1e-15 * scale
    bound = TOLERANCE * scale
    assert abs(explanation.residuals["rounding"]) <= bound
    for term in explanation.terms:
        if term.factors:
            product = math.prod(factor.value for factor in term.factors)
            assert math.isclose(term.value, product, rel_tol=1e-14, abs_tol=1e-300)
    for factor in walk(explanation.terms):
        if isinstance(factor, Factor) and factor.terms:
            values = [term.value for term in factor.terms]
            gap = abs(factor.value - math.fsum(values))
            assert gap <= TOLERANCE * math.fsum(map(abs, values))


def some_places(net, seed=0, most=4):
    """A weight and a bias of every layer, drawn: (layer, to, from_)."""
    rng = np.random.default_rng(seed)
    places = []
    for layer in range(1, net.L + 1):
        to = int(rng.integers(net.sizes[layer]))
        places += [(layer, to, int(rng.integers(net.sizes[layer - 1]))), (layer, to, None)]
    return places[:most]
