"""The Hessian times directions in native code: the R-pass of `whygrad.nn.hessian`, on the loop's kernels.

    bending     f″ of the activations, and how δᴸ changes with z
    passes      the pass along a direction, and what it says of the weights
    pulling     the compiled call: steps of a training walked backwards, one batch as a special case
    memory      room for the pass in the workspace of a layout
    accounting  what the pushes of examples come to over a chunk of steps, walked backwards: for ledgers
    pushing     its inner loops, in vectors

Doors: `memory`, `accounting`. The folder imports the engine's kernels and layout; `engine` imports it, and
`engines.pushes` the last.
"""
