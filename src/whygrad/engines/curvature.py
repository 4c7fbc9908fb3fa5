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
    """What m steps that were walked back over said of K numbers f.

    u is ∂f by the gradient g of a step, which has the penalties and is as it was before clipping, and λ is
    ∂f by what the step moved θ by, before factors on the learning rate and without decay. All but
    `slopes` is 0 where it was not asked for.

    Parameters
    ----------
    slopes : array, shape (m, K, B)
        ∇C_x · u of each example of a step's batch; 0 beyond the batch's end.
    by_gradient, by_weight, by_sign : arrays, shape (m, K)
        u · g, u · W and u · sign W.
    by_rate : array, shape (m, K)
        ∂f by the logarithm of each step's learning rate.
    by_move, by_after : arrays, shape (m, K)
        λ · the move, and λ · m′, the optimizer's buffer after the step.
    by_buffer, by_push : arrays, shape (m, K)
        λ_m′ · m and λ_m′ · g, where λ_m′ is ∂f by m′, m the buffer before the step, and g clipped.
    by_decay : array, shape (m, K)
        ∂f by the decay per step.
    outputs : array, shape (m, K, B, n_L)
        How the z of the outputs change along u.
    z : array, shape (m, B, n_L)
        The z of the outputs.
    """

    slopes: Array
    by_gradient: Array
    by_weight: Array
    by_sign: Array
    by_rate: Array
    by_move: Array
    by_after: Array
    by_buffer: Array
    by_push: Array
    by_decay: Array
    outputs: Array
    z: Array


class WalkBack(Protocol):
    """A training that is being walked backwards, K numbers f in hand."""

    @property
    def lam(self) -> Array:
        """∂f/∂θ where the walk has come to, (K, P), in float64."""

    @property
    def lam_state(self) -> Array:
        """∂f by the optimizer's state there, (rows, K, P)."""

    @property
    def per_step(self) -> int:
        """How many numbers it keeps of each step of a stretch that it walks over."""

    @property
    def theta(self) -> Array:
        """θ after the stretch that it walked over last, as its steps, taken again, arrived at."""

    def over(self, state: State, coefficients: Array, form: Any) -> Pulled:
        """Take steps of one epoch from a state again, to where the walk is, and pull ∂f back to the state.

        Each step is v ← β v + γ g², D = √v + ε, m ← μ m + p e, θ ← κ θ + (q m + r g)/D with e = g; or,
        early, e = g/D and θ ← κ θ + q m.

        Parameters
        ----------
        state : State
            Where to begin; its arrays are only read.
        coefficients : array, shape (m, ·)
            The optimizer's coefficients of each of these steps, as `Plan.coefficients` has them.
        form : object
            The rule's coefficients `p`, `q`, `r`, `keep` and `epsilon` of each step, (m,), its constants
            `mu`, `beta` and `gamma`, the rows `m` and `v` of the optimizer's state, or None, and `early`.

        Returns
        -------
        Pulled
            In float64, found in the precision of the plan.
        """


@runtime_checkable
class PullsBack(Protocol):
    """An engine that walks whole stretches of a training backwards in one call."""

    def walk_back(
        self,
        plan: Plan,
        data: Data,
        form: Any,
        lam: Array,
        lam_state: Array,
        measured: bool = False,
    ) -> WalkBack:
        """Begin to walk back where ∂f by θ is `lam`, (K, P), and by the optimizer's state `lam_state`.

        Parameters
        ----------
        plan : Plan
        data : Data
            The training examples, with targets smoothed as the plan says.
        form : object
            The rule, as `WalkBack.over` has it, of any steps.
        lam : array of shape (K, P)
        lam_state : array of shape (rows, K, P)
        measured : bool
            Whether to say what gradients, penalties and the rule's settings did.
        """
