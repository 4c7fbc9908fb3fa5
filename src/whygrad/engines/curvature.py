"""The curvature of a batch's cost (`nn.hessian`), and trainings walked backwards by it, of an engine."""

from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

from whygrad.nn.arrays import Data
from whygrad.nn.functions import Array
from whygrad.plan.plan import Plan, State


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


@dataclass(frozen=True, eq=False)
class Pulled:
    """What ∂f of K numbers f came to at the beginning of m steps, and what each step said.

    Parameters
    ----------
    lam : array, shape (K, P)
        ∂f/∂θ before the steps.
    lam_state : array, shape (rows, K, P)
        ∂f by the optimizer's state before them.
    slopes : array, shape (m, K, B)
        ∇C_x · u of each example of a step's batch, u being ∂f by its gradient; 0 beyond the batch's end.
    sizes : array, shape (m, K)
        ‖∂f/∂θ‖ before each step.
    by_gradient, by_weight, by_sign : arrays, shape (m, K)
        u · g, u · W and u · sign W, where measured; g has the penalties, as it is before clipping.
    by_rate : array, shape (m, K)
        ∂f by the logarithm of each step's learning rate, where measured.
    outputs : array, shape (m, K, B, n_L)
        How the z of the outputs change along u, where measured.
    """

    lam: Array
    lam_state: Array
    slopes: Array
    sizes: Array
    by_gradient: Array
    by_weight: Array
    by_sign: Array
    by_rate: Array
    outputs: Array


@runtime_checkable
class PullsBack(Protocol):
    """An engine that walks whole stretches of a training backwards in one call."""

    def pull_back(
        self,
        plan: Plan,
        state: State,
        data: Data,
        until: int,
        form: Any,
        lam: Array,
        lam_state: Array,
        measured: bool = False,
    ) -> Pulled:
        """Take the steps up to `until` again, and pull ∂f after them back to the state before them.

        Each step is v ← β v + γ g², D = √v + ε, m ← μ m + p e, θ ← κ θ + (q m + r g)/D with e = g; or,
        early, e = g/D and θ ← κ θ + q m.

        Parameters
        ----------
        plan : Plan
        state : State
            Where to begin; its arrays are only read.
        data : Data
            The training examples, with targets smoothed as the plan says.
        until : int
            The step to go to, which lies in the state's epoch.
        form : object
            The rule's coefficients `p`, `q`, `r`, `keep` and `epsilon` of each step, (m,), its constants
            `mu`, `beta` and `gamma`, the rows `m` and `v` of the optimizer's state, or None, and `early`.
        lam : array of shape (K, P)
            ∂f/∂θ after the steps.
        lam_state : array of shape (rows, K, P)
            ∂f by the optimizer's state after them.
        measured : bool
            Whether to say what the penalties and the learning rate did.

        Returns
        -------
        Pulled
            In float64, found in the precision of the plan.
        """
