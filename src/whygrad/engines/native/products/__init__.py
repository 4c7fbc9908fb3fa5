"""Matrix products in native code: the three of a layer, the way forward, BP2 and BP4.

`dense` has them, and chooses by shape between BLAS and the products in registers of `microkernels`; `pairs`
has those of operands that are rounded to bfloat16, two at a time.
"""
