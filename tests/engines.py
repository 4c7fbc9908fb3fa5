"""Which engines can run here: tests that take `engine` run once with each of them."""

from dataclasses import replace

import pytest

import whygrad as wg
from whygrad.engines import choose
from whygrad.plan.plan import Plan


def accepts(name: str, plan: Plan) -> bool:
    """Whether the engine of that name runs this plan on this machine."""
    try:
        choose(name, plan)
    except wg.InputError:
        return False
    return True


_SMALL = Plan(
    wg.Network(2, [wg.Dense(2, "sigmoid"), wg.Dense(1, "sigmoid")]), wg.SGD(0.1), n=1, batch_size=1
)

ENGINES = [name for name in ("reference", "native") if accepts(name, _SMALL)]

each_engine = pytest.mark.parametrize("engine", ENGINES)
needs_native = pytest.mark.skipif(
    "native" not in ENGINES, reason="the native engine cannot run on this machine"
)
_PAIRS = replace(_SMALL, dtype="float32", products="bfloat16")
needs_bfloat16 = pytest.mark.skipif(
    not accepts("native", _PAIRS), reason="this processor does not multiply in bfloat16"
)
