"""What engines return of the curvature of one batch's cost: Hessian times directions (`nn.hessian`)."""

from dataclasses import dataclass

from whygrad.nn.functions import Array


@dataclass(frozen=True, eq=False)
class BatchCurvature:
    """The cost of one batch, to second order along K directions v.

    Parameters
    ----------
    gradient : array, shape (P,)
        ∂C/∂θ with penalties, as it is before clipping.
    products : array, shape (K, P)
        H v, with λ₂ of the penalty; 0 where the mask of a layer leaves a weight out.
    slopes : array, shape (K, B)
        ∇C_x · v of each example by itself, without weights and penalties.
    outputs : array, shape (K, B, n_L)
        How the z of the outputs change along v.
    """

    gradient: Array
    products: Array
    slopes: Array
    outputs: Array
