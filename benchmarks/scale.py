"""A table that fits no memory, trained on by 1, 2 and 4 processes; and the engine xla beside others.

    python benchmarks/scale.py [--rows 1e6,1e7,5e7] [--seconds 10] [--folder /tmp] [--parts memory,…]

`memory`: for each number of rows a folder of Parquet files × 20 columns is written, its encoding is
learned, and 20-64-32-2 is trained in batches of 1,024 for some seconds: by one process on the engine
native, and by two on xla (`whygrad launch`). Kept is the most anonymous memory that a process had.

`processes`: a step on a folder of 2.6 million rows, in rounds of all in turn: native in one process, xla in
1, 2 and 4, and as many of PyTorch DDP with gloo, by hand: each rank reads its row groups with PyArrow,
mixes four at a time, standardises, and takes its share of a batch. Kept are the time that went by and the
processor time of all processes, reading included; the first fifth of the seconds does not count. With xla
a batch has 8 blocks, however many processes share them. Ratios are those of the least.

`engines`: a step of xla beside native, PyTorch and JAX by hand, pinned to one core each, on cases of
`steps.py`, in turn; by ratio, the least processor time of five rounds, of small networks of up to 25. Where
xla is ahead of native on a CPU, "auto" should take it there; where it never is, for an accelerator alone.

Figures go to `results/scale.json`; those of another part, case or number of rows stay.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parent))
from keeping import keep, kept  # noqa: E402

COLUMNS, BATCH = 20, 1024
GROUP, GROUPS = 50 * BATCH, 10  # rows of a row group, and row groups of a file
ROWS = 5 * GROUPS * GROUP  # where time is measured, 2.6 million
PROCESSES = (1, 2, 4)
CONTESTANTS = (("native", 1), *((what, n) for n in PROCESSES for what in ("xla", "ddp")))
CASES = ("A", "B adam", "C adam", "D adam", *(f"T {sizes} float32" for sizes in (
    "20-100-2", "64-100-10", "300-512-256-20", "100-1024-512-10",
)))  # fmt: skip
ENGINES = ("whygrad", "whygrad xla", "PyTorch by hand", "JAX")
ROWS_OF_ENGINES, OPERATIONS = 20_000, 10**11  # at most, in an epoch of `engines`
ROUNDS, TURNS = (5, 25), 3  # of `engines`, at least and at most, and of `processes`
ENOUGH = 1.0  # seconds of a processor for whygrad in all its rounds
WARM = 0.2  # the share of the seconds before any step counts
SPARE = 15 * 2**30  # bytes of the disk that stay free


class Watch:
    """Looks every 50 ms at memory and processor time of this process; counts steps once it is warm."""

    def __init__(self, seconds: float) -> None:
        self.seconds, self.peak, self.steps, self.taken = seconds, 0, 0, 0
        self.began = self.counted = self.last = 0.0
        self.used: list[tuple[float, float]] = []  # the time, and the processor time up to then
        threading.Thread(target=self._look, daemon=True).start()

    def _look(self) -> None:
        from memory_mapped import anonymous_memory

        while True:
            self.peak = max(self.peak, anonymous_memory())
            self.used.append((time.monotonic(), time.process_time()))
            time.sleep(0.05)

    def step(self, step: int) -> bool:
        """Take note of the number of steps; return whether the time is over."""
        now = time.monotonic()
        self.began = self.began or now
        if now < self.began + self.seconds * WARM or not self.counted:
            self.counted, self.steps = now, step
        self.last, self.taken = now, step - self.steps
        return now > self.began + self.seconds

    def write(self, out: str, **more: Any) -> None:
        """Write what was seen to a file of this process; one that follows sees no steps."""
        told = {"peak": self.peak, "steps": self.taken, "from": self.counted, "to": self.last}
        Path(out, f"{os.getpid()}.json").write_text(json.dumps(told | {"used": self.used} | more))


def whygrad_process(folder: str, out: str, seconds: float, engine: str) -> None:
    """Train, in this process of several, and write what it saw to a file of its own."""
    import whygrad as wg

    class Ends(wg.Callback):
        def on_steps_end(self, report: Any) -> bool:
            return watch.step(report.state.step)

    watch = Watch(seconds)
    began = time.monotonic()
    wg.train_folder(
        folder, "y", hidden=(64, 32), batch_size=BATCH, epochs=1000, seed=0, engine=engine, test=0,
        blocks=8 if engine == "xla" else 1, callbacks=[Ends()],
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
    center, scale, over = torch.zeros(COLUMNS), torch.ones(COLUMNS), torch.zeros(1)  # as they are
    while not over:
        order = draws.permutation(len(groups))[: len(groups) // count * count][rank::count]
        for some in (order[i : i + 4] for i in range(0, len(order), 4)):
            tables = [groups[i][0].read_row_group(groups[i][1]) for i in some]
            X = np.concatenate(
                [np.stack([t[f"x{k}"].to_numpy() for k in range(COLUMNS)], 1) for t in tables]
            )
            y = np.concatenate([t["y"].to_numpy(zero_copy_only=False) for t in tables])
            mixed = np.random.default_rng(step).permutation(len(y))
            X = (torch.from_numpy(X[mixed]) - center) / scale
            Y = torch.from_numpy(y[mixed].astype(np.int64))
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
    """Run a command of n processes; return the times of a step, and what the largest of them needed."""
    for old in out.glob("*.json"):
        old.unlink()
    done = subprocess.run(command, capture_output=True, text=True)
    paths = [*out.glob("*.json")]
    if done.returncode or len(paths) != n:
        raise SystemExit(done.stderr[-2000:])
    found = [json.loads(path.read_text()) for path in paths]
    told = max(found, key=lambda one: one["steps"])
    span, steps = (told["from"], told["to"]), max(1, told["steps"])
    used = sum(float(np.diff(np.interp(span, *zip(*one["used"], strict=True)))[0]) for one in found)
    return {
        "step": (span[1] - span[0]) / steps,
        "processor": used / steps,
        "steps": steps,
        "peak_mb": round(max(one["peak"] for one in found) / 2**20),
        "learned": told.get("learned"),
    }


@contextmanager
def data_of(rows: int, at: Path) -> Iterator[tuple[Path, Path]]:
    """Write a folder of so many rows, and yield it and an empty one; remove both."""
    free = os.statvfs(at)
    if rows * (4 * COLUMNS + 1) * 1.1 > free.f_bavail * free.f_frsize - SPARE:
        raise SystemExit(f"{rows:,} rows would leave less than 15 GB of {at}: give fewer, --rows N")
    with tempfile.TemporaryDirectory(dir=at) as folder:
        data, out = Path(folder, "data"), Path(folder, "out")
        data.mkdir()
        out.mkdir()
        write(data, rows)
        yield data, out


def trained(what: str, n: int, seconds: float, data: Path, out: Path) -> dict[str, Any]:
    """Let n processes of a contestant train for some seconds."""
    command = [sys.executable, str(Path(__file__).resolve())]
    if what == "ddp":
        command += ["--ddp", str(n)]
    elif what == "xla":
        command = [sys.executable, "-m", "whygrad", "launch", "-n", str(n), *command[1:]]
    command += ["--engine", what, "--data", str(data), "--out", str(out), "--seconds", str(seconds)]
    told = seen(command, out, n)
    print(
        f"{what:6} × {n}  {1e6 * told['step']:8.0f} µs a step, {1e6 * told['processor']:8.0f} µs of "
        f"processors, {told['steps']:,} steps  "
        f"{told['peak_mb']:5} MB  learned in {told.get('learned') or 0:.0f} s",
        flush=True,
    )
    return told


def memory(all_of_them: list[int], seconds: float, at: Path) -> Iterator[list[dict[str, Any]]]:
    """Train on folders of so many rows, and yield what is known so far of all."""
    found = {(row["rows"], row["what"]): row for row in kept("scale", {}).get("memory", [])}
    for rows in (round(rows / GROUP) * GROUP for rows in all_of_them):
        with data_of(rows, at) as (data, out):
            size = sum(path.stat().st_size for path in data.iterdir())
            print(f"{rows:,} rows, {size / 2**30:.2f} GB", flush=True)
            for what, n in (("native", 1), ("xla", 2)):
                told = trained(what, n, seconds, data, out)
                row = {"rows": rows, "gb": round(size / 2**30, 2), "what": what, "processes": n}
                row |= {name: told[name] for name in ("peak_mb", "steps", "learned")}
                found[rows, what] = row
                yield [found[which] for which in sorted(found)]


def processes(rows: int, seconds: float, at: Path) -> dict[str, Any]:
    """Time a step of all contestants in turn, in rounds."""
    found: dict[tuple[str, int], list[dict[str, Any]]] = {one: [] for one in CONTESTANTS}
    with data_of(rows, at) as (data, out):
        for _ in range(TURNS):
            for what, n in CONTESTANTS:
                found[what, n].append(trained(what, n, seconds, data, out))
    runs = [
        {"what": what, "processes": n}
        | {name: [one[name] for one in rounds] for name in ("step", "processor")}
        for (what, n), rounds in found.items()
    ]
    return {"rows": rows, "groups": GROUP, "batch": BATCH, "runs": runs}


def ddp(count: int, folder: str, out: str, seconds: float) -> None:
    """Start the ranks of PyTorch DDP."""
    import socket

    import torch.multiprocessing as multiprocessing

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    multiprocessing.spawn(ddp_process, (count, folder, out, seconds, port), nprocs=count)


def engines(cases: list[str]) -> Iterator[list[dict[str, Any]]]:
    """Time a step of each engine on each case, in turn, and yield what is known so far of all."""
    from steps import CASES as KNOWN
    from steps import Worker

    found = {row["case"]: row for row in kept("scale", {}).get("engines", [])}
    for case in (one for one in KNOWN if one.name in cases):
        rows = min(ROWS_OF_ENGINES, max(20, OPERATIONS // case.multiplications) * case.batch)
        workers = [Worker(name, "pinned", case, rows) for name in ENGINES]
        for worker in workers:
            worker.warm_up()
            worker.steps = worker.most  # whole epochs of all
        ours, rounds = workers[0], 0
        while rounds < ROUNDS[0] or (
            rounds < ROUNDS[1] and sum(ours.processor) * ours.steps < ENOUGH
        ):
            for worker in workers:
                worker.measure(rounds)
            rounds += 1
        for worker in workers:
            worker.stop()
        times = {worker.name: min(worker.processor) for worker in workers}
        sizes = {"sizes": "-".join(map(str, case.sizes)), "batch": case.batch}
        about = {"case": case.name, **sizes, "multiplications": case.multiplications}
        found[case.name] = about | {"times": times}
        ratios = {name: round(t / times["whygrad"], 2) for name, t in times.items()}
        print(case.name, f"{1e6 * times['whygrad']:.0f} µs", ratios, flush=True)
        yield [*found.values()]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", default="1e6,1e7,5e7", help="of `memory`")
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()))
    parser.add_argument("--parts", default="memory,processes,engines")
    parser.add_argument("--cases", default=",".join(CASES), help="of `engines`")
    parser.add_argument("--trial", action="store_true", help="keep no figures")
    for hidden in ("--engine", "--data", "--out"):
        parser.add_argument(hidden, help=argparse.SUPPRESS)
    parser.add_argument("--ddp", type=int, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.ddp:
        return ddp(given.ddp, given.data, given.out, given.seconds)
    if given.data:
        return whygrad_process(given.data, given.out, given.seconds, given.engine)
    measured: dict[str, Callable[[], Iterable[Any]]] = {
        "memory": lambda: memory(
            [int(float(rows)) for rows in given.rows.split(",")], given.seconds, given.folder
        ),
        "processes": lambda: [processes(ROWS, given.seconds, given.folder)],
        "engines": lambda: engines(given.cases.split(",")),
    }
    for part in given.parts.split(","):
        for found in measured[part]():
            keep("scale", kept("scale", {}) | {part: found}, given.trial)


if __name__ == "__main__":
    main()
