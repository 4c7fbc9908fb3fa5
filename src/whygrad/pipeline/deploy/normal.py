"""GELU in arithmetic and exp alone, for languages and libraries without the error function.

    z Φ(z) = max(z, 0) − |z| P(t) e^(−z²/2),    t = (|z| − 4) / (|z| + 4)

P interpolates ½ e^(z²/2) erfc(|z|/√2), which is smooth in t from −1 to 1, at Chebyshev's points; with
degree 20 it is exact to rounding in float64.
"""

from functools import cache
from typing import Any

import numpy as np

MIDDLE = 4.0
DEGREE = 20


@cache
def coefficients() -> tuple[float, ...]:
    """Return the coefficients of P, the highest power first.

    >>> len(coefficients())
    21
    """
    from numpy.polynomial import chebyshev
    from scipy.special import erfcx

    def scaled_tail(t: Any) -> Any:
        return erfcx(MIDDLE * (1 + t) / (1 - t) / np.sqrt(2)) / 2

    interpolated = chebyshev.chebinterpolate(scaled_tail, DEGREE)
    return tuple(map(float, chebyshev.cheb2poly(interpolated)[::-1]))
