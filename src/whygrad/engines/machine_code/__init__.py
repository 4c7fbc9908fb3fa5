"""Machine code of compiled functions: kept on disk, loaded without a compiler, called with bare numbers.

    kernel     a compiled function as Python calls it: arguments → words → one call of C
    cache      files of machine code: checksums, stamps, turns
    objects    an object file → an address in this process, by llvmlite alone
    exporting  a function that Numba compiles → an object file
    parts      functions that are compiled as parts of others
    by_address how these pass large tuples: by an address
    deferred   what of Numba and llvmlite kernels are written in, imported where something compiles
    bfloat16   instructions on numbers of half the bits
    denormals  the processor's way with numbers too small for a full significand

Doors beside this one: `bfloat16`, `cache`, `deferred`, `denormals`, `kernel`, `objects`. Only `exporting`
imports Numba, and only where there is no code yet. The folder imports `errors`, and knows nothing of
networks.
"""
