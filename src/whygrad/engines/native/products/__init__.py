"""Matrix products in native code: the three of a layer, the way forward, BP2 and BP4.

    dense         chooses by shape between BLAS and what stands below
    microkernels  products in registers
    packed        products of operands that are copied side by side before, into a panel
    pairs         the products of operands that are rounded to bfloat16, two at a time

Doors beside this one: `dense`, `microkernels`, `pairs`.
"""
