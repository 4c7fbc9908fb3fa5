"""What a first training costs: import, compile, first call; in processes of their own.

    python benchmarks/starts.py

Cold: an empty cache, so that the native engine compiles. Warm: a second process, which reads the machine
code from disk. Steady: the same fit again in that process. One fit is one epoch of 600 rows like MNIST's,
784-30-10. `import whygrad` alone is measured too, and which large libraries it loads.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile

from keeping import keep

REPEATS = 5
FIT = """
import time
began = time.perf_counter()
import numpy as np
import whygrad as wg
imported = time.perf_counter()
draws = np.random.default_rng(0)
X = draws.random((600, 784)) * (draws.random((600, 784)) < {share})
y = np.arange(600) % 10
net = wg.Network(784, [wg.Dense(30, "sigmoid"), wg.Dense(10, "softmax")], "cross_entropy")
{convert}
def fit():
    start = time.perf_counter()
    wg.train(net, X, y, epochs=1, batch_size=10, dtype="{dtype}")
    return time.perf_counter() - start
first, again = fit(), min(fit() for _ in range(5))
print(imported - began, first, again)
"""
IMPORT = """
import time, sys
began = time.perf_counter()
import whygrad
print(time.perf_counter() - began, *(name for name in ("numba", "sklearn", "torch") if name in sys.modules))
"""
KINDS = {
    "float32": ("float32", 1.0, ""),
    "float64": ("float64", 1.0, ""),
    "float32, zeros skipped": ("float32", 0.2, ""),
    "float32, CSR": ("float32", 0.2, "import scipy.sparse; X = scipy.sparse.csr_array(X)"),
}


def run(code: str, cache: str) -> list[str]:
    """Run code in a process of its own that keeps machine code in `cache`; return the words it prints."""
    environment = os.environ | {"NUMBA_CACHE_DIR": cache}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    )
    return done.stdout.split()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--trial", action="store_true", help="only try whether it runs")
    options = parser.parse_args()
    repeats = 1 if options.trial else REPEATS
    found: dict[str, object] = {}
    with tempfile.TemporaryDirectory() as cache:
        runs = [run(IMPORT, cache) for _ in range(repeats)]
        found["import"] = statistics.median(float(words[0]) for words in runs)
        found["loaded by import"] = runs[0][1:]
    print(f"import whygrad: {found['import']:.2f} s; of Numba, scikit-learn, PyTorch it loads: "
          f"{', '.join(runs[0][1:]) or 'none'}")  # fmt: skip
    print(f"{'':26}{'cold s':>10}{'warm s':>10}{'steady ms':>12}   import and first fit; fit again")
    for kind, (dtype, share, convert) in list(KINDS.items())[: 1 if options.trial else None]:
        code = FIT.format(dtype=dtype, share=share, convert=convert)
        with tempfile.TemporaryDirectory() as cache:
            cold = [float(word) for word in run(code, cache)]
            warm = [[float(word) for word in run(code, cache)] for _ in range(repeats)]
        begun = statistics.median(imported + first for imported, first, _ in warm)
        steady = statistics.median(again for *_, again in warm)
        found[kind] = {"cold": cold[0] + cold[1], "warm": begun, "steady": steady}
        print(f"{kind:26}{cold[0] + cold[1]:10.2f}{begun:10.2f}{steady * 1e3:12.2f}")
    keep("starts", found, options.trial)


if __name__ == "__main__":
    main()
