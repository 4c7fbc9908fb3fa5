"""A table that fits no memory, trained on by 1, 2 and 4 processes; and the engine xla beside others.

    python benchmarks/scale.py [--rows 20000000] [--seconds 20] [--folder /tmp] [--parts processes,engines]

`processes`: a folder of Parquet files of so many rows × 20 columns, and one of a tenth of them, are written
to a temporary folder. 1, 2 and 4 processes (`whygrad launch`, engine xla) learn the encoding of each, and
train 20-64-32-2 in batches of 1,024 for some seconds; so does one process on the engine native, and PyTorch
DDP with gloo, by hand: each rank reads its row groups with PyArrow, mixes four at a time, standardises, and
takes its share of a batch. Kept are the time per step once the first tenth of the seconds is over, and the
most anonymous memory that a process had. With xla a batch has 8 blocks, however many processes share them.

`engines`: a step of xla beside native, PyTorch by hand and JAX by hand, one thread each, on cases of
`steps.py`, in turn; by ratio, medians of five rounds. "auto" chooses xla for an accelerator alone, so none
of these cases is one where it would.

Figures go to `results/scale.json`, and those of another part stay.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parent))
from keeping import keep, kept  # noqa: E402

COLUMNS, GROUP, GROUPS, BATCH = 20, 50_000, 10, 1024
PROCESSES = (1, 2, 4)
CASES = ("A", "B adam", "C adam", "T 64-100-10 float32", "T 100-1024-512-10 float32")
ENGINES = ("whygrad", "whygrad xla", "PyTorch by hand", "JAX")
ROUNDS = 5
SPARE = 15 * 2**30  # bytes of the disk that stay free


class Watch:
    """Looks every 50 ms at the anonymous memory of this process; counts steps after a tenth of the time."""

    def __init__(self, seconds: float) -> None:
        self.seconds, self.peak, self.steps, self.taken = seconds, 0, 0, 0
        self.began = self.counted = self.last = 0.0
        threading.Thread(target=self._look, daemon=True).start()

    def _look(self) -> None:
        from memory_mapped import anonymous_memory

        while True:
            self.peak = max(self.peak, anonymous_memory())
            time.sleep(0.05)

    def step(self, step: int) -> bool:
        """Take note of the number of steps; return whether the time is over."""
        now = time.perf_counter()
        self.began = self.began or now
        if now < self.began + self.seconds / 10 or not self.counted:
            self.counted, self.steps = now, step
        self.last, self.taken = now, step - self.steps
        return now > self.began + self.seconds

    def write(self, out: str, **more: Any) -> None:
        """Write what was seen to a file of this process; one that follows sees no steps."""
        per_step = (self.last - self.counted) / max(1, self.taken)
        told = {"peak": self.peak, "step": per_step, "steps": self.taken} | more
        Path(out, f"{os.getpid()}.json").write_text(json.dumps(told))


def whygrad_process(folder: str, out: str, seconds: float, engine: str) -> None:
    """Train, in this process of several, and write what it saw to a file of its own."""
    import whygrad as wg

    class Ends(wg.Callback):
        def on_steps_end(self, report: Any) -> bool:
            return watch.step(report.state.step)

    watch = Watch(seconds)
    began = time.perf_counter()
    wg.train_folder(
        folder, "y", hidden=(64, 32), batch_size=BATCH, epochs=100, seed=0, engine=engine,
        blocks=8 if engine == "xla" else 1,
        callbacks=[Ends()],
    )  # fmt: skip
    watch.write(out, learned=watch.began - began)


def ddp_process(rank: int, count: int, folder: str, out: str, seconds: float, port: int) -> None:
    """Train the same network with PyTorch DDP."""
    import pyarrow.parquet as pq
    import torch
    import torch.distributed as dist

    os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    torch.set_num_threads(1)
    torch.manual_seed(0)
    dist.init_process_group("gloo", rank=rank, world_size=count)
    sizes = (COLUMNS, 64, 32, 2)
    layers: list[Any] = []
    for n, m in pairwise(sizes):
        layers += [torch.nn.Linear(n, m), torch.nn.ReLU()]
    net = torch.nn.parallel.DistributedDataParallel(torch.nn.Sequential(*layers[:-1]))
    optimizer = torch.optim.Adam(net.parameters(), 0.001)
    files = [pq.ParquetFile(path) for path in sorted(Path(folder).glob("*.parquet"))]
    groups = [(file, i) for file in files for i in range(file.num_row_groups)]
    watch, step, share = Watch(seconds), 0, BATCH // count
    draws = np.random.default_rng(0)
    over = torch.zeros(1)
    while not over:
        order = draws.permutation(len(groups))[: len(groups) // count * count][rank::count]
        for some in (order[i : i + 4] for i in range(0, len(order), 4)):
            tables = [groups[i][0].read_row_group(groups[i][1]) for i in some]
            X = np.concatenate(
                [np.stack([t[f"x{k}"].to_numpy() for k in range(COLUMNS)], 1) for t in tables]
            )
            y = np.concatenate([t["y"].to_numpy(zero_copy_only=False) for t in tables])
            mixed = np.random.default_rng(step).permutation(len(y))
            X, Y = torch.from_numpy(X[mixed]), torch.from_numpy(y[mixed].astype(np.int64))
            for first in range(0, len(y) - share + 1, share):
                optimizer.zero_grad()
                part = slice(first, first + share)
                torch.nn.functional.cross_entropy(net(X[part]), Y[part]).backward()
                optimizer.step()
                step += 1
                over += watch.step(step)
                if step % 50 == 0:
                    dist.all_reduce(over)
                    if over:
                        break
            if over:
                break
    watch.write(out)
    dist.destroy_process_group()


def write(folder: Path, rows: int) -> None:
    """Write a folder of so many rows, a file of ten row groups at a time."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    draws = np.random.default_rng(0)
    schema = pa.schema([*((f"x{k}", pa.float32()) for k in range(COLUMNS)), ("y", pa.bool_())])
    for first in range(0, rows, GROUP * GROUPS):
        path = folder / f"{first:012}.parquet"
        with pq.ParquetWriter(path, schema, compression="none", use_dictionary=False) as file:
            for _ in range(min(GROUPS, -(-(rows - first) // GROUP))):
                X = draws.standard_normal((GROUP, COLUMNS), dtype=np.float32)
                columns = {f"x{k}": X[:, k] for k in range(COLUMNS)}
                file.write_table(pa.table(columns | {"y": X[:, 0] * X[:, 1] > 0}))


def seen(command: list[str], out: Path, n: int) -> dict[str, Any]:
    """Run a command of n processes, and return the time per step of all, and what the largest needed."""
    for old in out.glob("*.json"):
        old.unlink()
    done = subprocess.run(command, capture_output=True, text=True)
    paths = [*out.glob("*.json")]
    if done.returncode or len(paths) != n:
        raise SystemExit(done.stderr[-2000:])
    found = [json.loads(path.read_text()) for path in paths]
    told = max(found, key=lambda one: one["steps"])
    return told | {"peak_mb": round(max(one["peak"] for one in found) / 2**20)}


def processes(rows: int, seconds: float, at: Path) -> dict[str, Any]:
    """Train on both folders."""
    if rows < (least := 10 * GROUP * max(PROCESSES)):
        raise SystemExit(f"each rank of DDP has a row group at least: give more, --rows {least}")
    free = os.statvfs(at)
    needed = rows * (4 * COLUMNS + 1) * 1.1
    if needed > free.f_bavail * free.f_frsize - SPARE:
        raise SystemExit(f"{rows:,} rows would leave less than 15 GB of {at}: give fewer, --rows N")
    found: dict[str, Any] = {"rows": rows, "groups": GROUP, "batch": BATCH, "runs": []}
    with tempfile.TemporaryDirectory(dir=at) as folder:
        out = Path(folder, "out")
        out.mkdir()
        script = str(Path(__file__).resolve())
        for n_rows in (rows // 10, rows):
            data = Path(folder, f"{n_rows}")
            data.mkdir()
            write(data, n_rows)
            size = sum(path.stat().st_size for path in data.iterdir())
            for what, n in (
                ("native", 1),
                *((one, n) for n in PROCESSES for one in ("xla", "ddp")),
            ):
                if what == "ddp":
                    command = [sys.executable, script, "--ddp", str(n)]
                elif what == "xla":
                    command = [sys.executable, "-m", "whygrad", "launch", "-n", str(n), script]
                else:
                    command = [sys.executable, script]
                given = ["--engine", what, "--data", str(data), "--out", str(out)]
                told = seen([*command, *given, "--seconds", str(seconds)], out, n)
                row = {"rows": n_rows, "gb": round(size / 2**30, 2), "what": what, "processes": n}
                found["runs"].append(row | told)
                print(
                    f"{n_rows:>12,} rows  {what:6} × {n}  {1e6 * told['step']:8.0f} µs a step  "
                    f"{told['peak_mb']:5} MB  learned in {told.get('learned') or 0:.0f} s",
                    flush=True,
                )
    return found


def ddp(count: int, folder: str, out: str, seconds: float) -> None:
    """Start the ranks of PyTorch DDP."""
    import socket

    import torch.multiprocessing as multiprocessing

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    multiprocessing.spawn(ddp_process, (count, folder, out, seconds, port), nprocs=count)


def engines() -> list[dict[str, Any]]:
    """Time a step of each engine on each case, in turn."""
    from steps import CASES as KNOWN
    from steps import Worker

    rows = 20_000
    found = []
    for case in (one for one in KNOWN if one.name in CASES):
        workers = [Worker(name, "1 thread", case, rows) for name in ENGINES]
        for worker in workers:
            worker.warm_up()
        for i in range(ROUNDS):
            for worker in workers:
                worker.measure(i)
        for worker in workers:
            worker.stop()
        times = {worker.name: statistics.median(worker.times) for worker in workers}
        found.append({"case": case.name, "multiplications": case.multiplications, "times": times})
        ratios = {name: round(t / times["whygrad"], 2) for name, t in times.items()}
        print(case.name, f"{1e6 * times['whygrad']:.0f} µs", ratios, flush=True)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=20_000_000)
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()))
    parser.add_argument("--parts", default="processes,engines")
    parser.add_argument("--trial", action="store_true", help="keep no figures")
    for hidden in ("--engine", "--data", "--out"):
        parser.add_argument(hidden, help=argparse.SUPPRESS)
    parser.add_argument("--ddp", type=int, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.ddp:
        return ddp(given.ddp, given.data, given.out, given.seconds)
    if given.data:
        return whygrad_process(given.data, given.out, given.seconds, given.engine)
    found = kept("scale", {})
    for part in given.parts.split(","):
        found[part] = (
            engines() if part == "engines" else processes(given.rows, given.seconds, given.folder)
        )
        keep("scale", found, given.trial)


if __name__ == "__main__":
    main()
