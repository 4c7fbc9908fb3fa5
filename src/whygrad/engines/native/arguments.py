"""What the compiled loop is given: a network, data and memory as named tuples of arrays and numbers."""

from typing import NamedTuple

from whygrad.engines.native.sparse import Rows, Turned
from whygrad.nn.functions import Array


class Layers(NamedTuple):
    """A network as numbers, one entry per layer in every array; layer 0 is the input.

    `W` and `b` are the offsets of a layer's parameters in θ; `z`, `f`, `a`, `mask` and `delta` those of its
    values for a batch in the workspace. `f` is f(z) and `a` is f(z) times the mask, or rounded for
    products; without either they share an offset. Where f′ is a function of f(z) alone, z shares it as
    well. `factors` says what multiplies the units that dropout keeps, 0 without it, and `thresholds` how
    often it keeps them (see `whygrad.plan.dropout`). `wide` marks layers that threads divide by units (see
    `partition`), `any_wide` says whether there are such, `moving` is the number of blocks that a layer
    moves in, and `shared` says whether threads share a step. `stretch` is 0, or how long the columns of W¹
    are where zeros of the input are skipped, and `panel` how many of their numbers lie side by side at most
    (see `sparse`).
    """

    sizes: Array
    activations: Array
    cost: int
    W: Array
    b: Array
    z: Array
    f: Array
    a: Array
    mask: Array
    delta: Array
    factors: Array
    thresholds: Array
    wide: Array
    any_wide: bool
    moving: Array
    shared: bool
    stretch: int
    panel: int


class Examples(NamedTuple):
    """The training data, in the order in which the epoch takes them.

    `order` has the places of examples in the arrays, and `ids` the numbers by which dropout knows them: the
    same, but where the arrays hold the examples of a few steps alone.

    `rows` holds X without its zeros where they are skipped. `weights` multiply the gradient of each
    example, `counts` add up to S; they are empty where all are 1.
    """

    X: Array
    rows: Rows
    Y: Array
    weights: Array
    counts: Array
    order: Array
    ids: Array


class FeatureMajor(NamedTuple):
    """Memory for batches that lie by units, a row for each thread; no rows where they do not (`by_units`).

    A batch goes through in pieces of at most `piece` examples. `offsets` describe the layers of a piece
    within a row of `work`, and `y` has its targets. `largest`, `total`, `scratch` and `costs` have a number
    for each example. `cost` holds Σ s C_x of every block of the batch, and `gradients` the gradient of θ,
    one row for each block: also of blocks that lie by examples, where these add up gradients of their own.
    """

    piece: int
    offsets: Layers
    work: Array
    y: Array
    gradients: Array
    cost: Array
    largest: Array
    total: Array
    scratch: Array
    costs: Array


class Workspace(NamedTuple):
    """Memory for one batch, used anew in every step.

    `work` holds z, a and δ of every layer; y, weights and costs those of the examples. `gradient` has room
    for the whole gradient where it is clipped. The others have a row for each thread: `block` with room for
    the gradient of a block that moves, `row` as long as the widest layer or what a piece of the batch says
    to a panel of W¹, `cuts` with the places where pieces of W¹ begin in compressed rows (one place for each
    example where batches are not turned), and `panel` with room for the parts of matrices that products
    copy: of int32 where operands are rounded to bfloat16, in pairs (see `products`). `turned` is the batch
    by inputs (see `sparse`).
    `penalties` has a number for each block that a layer moves in.

    As long as θ and in its order, or empty: `kept` is 0 where a layer's mask leaves a weight out, else 1;
    `factors` multiply the learning rate of each parameter, and `steps` has room for steps without them.
    """

    work: Array
    y: Array
    weights: Array
    costs: Array
    gradient: Array
    block: Array
    row: Array
    cuts: Array
    panel: Array
    turned: Turned
    penalties: Array
    kept: Array
    factors: Array
    steps: Array


class ThreadContext(NamedTuple):
    """How a batch is divided into `blocks`, and which of the `parts` that work on it this thread is.

    `barrier_count` counts the arrivals at barriers, and `claims`, where threads take blocks
    dynamically, has the turn in which each was last taken, a line of the cache for each.
    """

    blocks: int
    parts: int
    part: int
    barrier_count: Array
    claims: Array
