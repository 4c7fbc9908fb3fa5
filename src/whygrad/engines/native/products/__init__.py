"""Matrix products in native code: the three of a layer, the way forward, BP2 and BP4.

    dense         chooses by shape between BLAS and products in registers
    microkernels  products in registers
    pairs         the products of operands that are rounded to bfloat16, two at a time

Doors beside this one: `dense`, `microkernels`, `pairs`.
"""
