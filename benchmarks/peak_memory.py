"""Peak memory of training, above what the process holds after import and compile, for cases A to C.

    python benchmarks/peak_memory.py [--rows 60000]

Each case runs in a process of its own: import, a short training that compiles, then an epoch over the data.
Printed is by how much the resident size (VmHWM) exceeds what was held before and the data, which the caller
holds: 64 MB are allowed.
"""

import argparse
import multiprocessing
import sys
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parent))
from keeping import keep  # noqa: E402
from steps import CASES, examples  # noqa: E402

ALLOWED = 64 * 2**20


def resident(what: str) -> int:
    """Return VmRSS or VmHWM of this process in bytes."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(what + ":"):
            return int(line.split()[1]) * 1024
    raise SystemExit("this system does not tell memory in /proc: run it on Linux")


def work(pipe: Any, index: int, rows: int) -> None:
    import whygrad as wg

    case = CASES[index]

    def train(X: Any, Y: Any) -> None:
        rule = (
            wg.SGD(case.learning_rate) if case.optimizer == "sgd" else wg.Adam(case.learning_rate)
        )
        wg.train(case.net, X, Y, optimizer=rule, epochs=1, batch_size=case.batch, dtype="float32")

    few = np.random.default_rng(0).random((case.batch * 4, case.sizes[0]), dtype=np.float32)
    if case.inputs != "dense":
        few *= few < 0.2
    train(few, np.eye(case.sizes[-1], dtype=np.float32)[np.arange(len(few)) % case.sizes[-1]])
    before = resident("VmRSS")
    X, Y = examples(case, rows)
    Path("/proc/self/clear_refs").write_text("5")  # the high-water mark starts anew, from here
    train(X, Y)
    pipe.send((X.nbytes + Y.nbytes, before, resident("VmHWM")))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=60000)
    options = parser.parse_args()
    context, rows = multiprocessing.get_context("spawn"), []
    for index, case in enumerate(CASES):
        if case.name[0] not in "ABC" or case.inputs == "csr":
            continue
        pipe, other = context.Pipe()
        process = context.Process(target=work, args=(other, index, options.rows))
        process.start()
        other.close()
        data, before, highest = pipe.recv()
        process.join()
        extra = highest - before - data
        rows.append({"case": case.name, "data": data, "before": before, "added": extra})
        verdict = "within" if extra <= ALLOWED else "beyond"
        print(f"{case.name:10} data {data / 2**20:6.0f} MB, training adds {extra / 2**20:6.1f} MB "
              f"to it: {verdict} {ALLOWED >> 20} MB", flush=True)  # fmt: skip
    keep("peak_memory", rows)


if __name__ == "__main__":
    main()
