"""Why would this weight move: gradient decomposition.

weight      the chain rule for one weight, unrolled to any depth
paths       the same derivative as a sum over all paths (path decomposition), the k heaviest listed
pushes      the gradient of every example by itself, as an array

Beside them: the written derivation (`unrolled`), the layered graph of paths (`path_graph`) and the search
for its k heaviest (`heaviest`). Doors: `weight`, `paths`, `pushes`, `unrolled`.
Imports from `why` its modules alone, no other folder of it.
"""
