"""The tables of README.md here and the speeds in the project's, made from the figures under results/.

    python benchmarks/report.py

What stands between `<!-- NAME -->` and `<!-- end NAME -->` is written anew, the rest is left as it is. So
no figure is typed, and a test holds that the tables are those of the figures.
"""

import re
import statistics
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))
from keeping import PEERS, kept  # noqa: E402

HERE = Path(__file__).parent
PAGES = (
    HERE / "README.md",
    HERE.parent / "README.md",
    HERE.parent / "docs" / "tuning.md",
    HERE.parent / "docs" / "howto" / "many_processes.md",
)
OURS = "whygrad"

# What was to be reached in time per step: cases, the peers that count (none: the best of all), the ratio.
GOALS = [
    ("A", ("A",), ("JAX",), 2.2),
    ("A", ("A",), ("PyTorch eager",), 14.0),
    ("A", ("A",), ("scikit-learn",), 14.0),
    ("A′ dense", ("A′",), ("JAX",), 3.0),
    ("A′ CSR", ("A′ CSR",), ("JAX",), 3.0),
    ("B", ("B sgd", "B adam"), (), 1.8),
    ("C", ("C sgd", "C sigmoid", "C adam"), (), 1.3),
    ("D", ("D sgd", "D adam"), (), 1.3),
    ("E", ("E",), (), 2.0),
]
# What a frame of the stage may take of the main thread, in ms.
LIMITS = {"spirals": 16.0, "ten thousand": 16.0, "digits": 16.0, "mnist": 50.0}
# And the share of the cores' own peak.
SHARES = dict.fromkeys(("C sgd", "C sigmoid", "C adam", "D sgd", "D adam"), 0.7)
# The lead over the best peer on networks for tables: over all of them, and on each.
TABLES = {"geometric mean": (2.0, statistics.geometric_mean), "least": (1.4, min)}
FITS = {
    ("mnist", "fit"): 4.0,
    ("digits", "fit"): 1.3,
    ("columns", "fit"): 1.3,
    ("iris", "epoch"): 4.0,
    ("digits", "epoch"): 5.0,
    ("cancer", "epoch"): 5.0,
}
CALLED = {"mnist": "MNIST", "columns": "1,000 rows × 20 columns", "cancer": "breast cancer"}


def table(head: str, rows: Iterable[tuple[Any, ...]]) -> str:
    """Lay rows out as a Markdown table under the words of a head, which `|` separates."""
    columns = head.split("|")
    lines = [columns, ["---"] * len(columns), *([str(cell) for cell in row] for row in rows)]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def micro(seconds: float) -> str:
    """Write a time in µs, with three figures or more."""
    us = seconds * 1e6
    return f"{us:,.0f}" if us >= 100 else f"{us:.1f}"


def percent(share: float | None) -> str:
    return "–" if share is None else f"{share:.0%}"


def verdict(reached: float, goal: float) -> str:
    return "yes" if reached >= goal else "no"


def circumstances(name: str) -> str:
    """Return when, where and with what results/NAME.json was measured."""
    about = kept("circumstances", {}).get(name)
    if about is None:
        return ""
    versions = ", ".join(f"{peer} {about[peer]}" for peer in PEERS)
    return f"Measured on {about['date']}: {about['machine']}, Python {about['python']}, {versions}."


def by_case() -> dict[str, dict[str, dict[str, Any]]]:
    """Return the figures of `steps.py`: case → contestant → row."""
    found: dict[str, dict[str, dict[str, Any]]] = {}
    for row in kept("steps", []):
        found.setdefault(row["case"], {})[row["contestant"]] = row
    return found


def shares_of_peak() -> dict[tuple[str, str], float]:
    """Return the shares of the cores' peak, the highest that any case saw: (case, contestant) → share."""
    rows = [row for row in kept("steps", []) if "peak" in row]
    highest = {dtype: 0.0 for dtype in ("float32", "float64")}
    for row in rows:
        highest[row["dtype"]] = max(highest[row["dtype"]], row["peak"])
    return {(row["case"], row["contestant"]): row["rate"] / highest[row["dtype"]] for row in rows}


def steps() -> str:
    """Time per step, a line for each contestant of each case."""
    shares = shares_of_peak()
    rows = [
        (row["case"], row["contestant"], "own choice" if name == OURS else row["setting"],
         micro(row["min"]), micro(row["median"]), f"{row['ratio']:.2f}",
         f"{row['share_of_matrix_rate']:.0%}", percent(shares.get((row["case"], name))),
         f"{row['meeting'] * 1e9:.0f}" if name == OURS and "meeting" in row else "")
        for case in by_case().values() for name, row in case.items()
    ]  # fmt: skip
    head = "case|contestant|at its best with|min µs|median µs|ratio|of products|of peak|cores met in, ns"
    return f"{circumstances('steps')}\n\n{table(head, rows)}"


def narrow() -> str:
    """Time per step where vectors are half as wide, next to JAX: the least of each."""
    found: dict[str, dict[str, float]] = {}
    for row in kept("steps_avx2", []):
        found.setdefault(row["case"], {})[row["contestant"]] = row["min"]
    ratios = {case: least["JAX"] / least[OURS] for case, least in found.items()}
    lines = [
        (case, micro(least[OURS]), micro(least["JAX"]), f"{ratios[case]:.2f}")
        for case, least in found.items()
    ]
    mean = (
        f"Ahead of JAX by {statistics.geometric_mean(ratios.values()):.2f} × in the geometric mean."
    )
    shown = table(f"case|{OURS}, min µs|JAX, min µs|ratio", lines)
    return f"{circumstances('steps_avx2')} {mean}\n\n{shown}"


def goals() -> str:
    """What was to be reached, and what was."""
    cases, rows = by_case(), []
    for name, of, peers, goal in GOALS:
        for case in (case for case in of if case in cases):
            those = {
                n: r for n, r in cases[case].items() if n != OURS and (not peers or n in peers)
            }
            if not those:
                continue
            peer = min(those, key=lambda n: those[n]["median"])
            reached = those[peer]["ratio"]
            what = case if len(of) > 1 else name
            rows.append((what, f"≥ {goal:g} × {peer}", f"{reached:.2f} ×", verdict(reached, goal)))
    shares = shares_of_peak()
    for case, goal in SHARES.items():
        share = shares.get((case, OURS))
        if share is not None:
            rows.append((case, f"≥ {goal:.0%} of peak", f"{share:.0%}", verdict(share, goal)))
    leads = [
        min(row["ratio"] for name, row in rows_of.items() if name != OURS)
        for case, rows_of in cases.items() if case.startswith("T ") and len(rows_of) > 1
    ]  # fmt: skip
    for what, (goal, over) in TABLES.items() if leads else ():
        reached = over(leads)
        rows.append(
            (
                f"T, {what}",
                f"≥ {goal:g} × the best peer",
                f"{reached:.2f} ×",
                verdict(reached, goal),
            )
        )
    for row in kept("estimators", []):
        goal = FITS[row["data"], row["counted"]]
        if row["contestant"] != OURS:
            rows.append((f"F {_fit_called(row)}", f"≥ {goal:g} × scikit-learn", f"{row['ratio']:.2f} ×",
                         verdict(row["ratio"], goal)))  # fmt: skip
    rows += [
        (f"G {goal}%", "first", f"{place}", "yes" if place == "first" else "no")
        for goal, place in places().items()
    ]
    for n, ratios in predictions().items():
        for peer, ratio in ratios.items():
            rows.append((f"H {n:,} row" + "s" * (n > 1), f"≥ {peer}", f"{ratio:.2f} ×",
                         verdict(ratio, 1.0)))  # fmt: skip
    return table("case|to reach|reached|there", rows + limits())


def limits() -> list[tuple[str, str, str, str]]:
    """What was to stay below a limit: import, compile, memory, and the growth of a step with the rows."""
    rows, begun = [], kept("starts", {})
    if begun:
        took = begun["import"]
        rows.append(("`import whygrad`", "< 0.4 s", f"{took:.2f} s", verdict(0.4, took)))
        for kind, times in begun.items():
            if isinstance(times, dict):
                compiling = times["cold"] - times["warm"]
                rows.append(
                    (f"compile, {kind}", "< 15 s", f"{compiling:.1f} s", verdict(15, compiling))
                )
    for row in kept("peak_memory", []):
        beyond = row["added"] / 2**20
        rows.append((f"memory, {row['case']}", "≤ data + 64 MB", f"data {beyond:+.1f} MB",
                     verdict(64, beyond)))  # fmt: skip
    times = [row["seconds"] for row in kept("rows", [])]
    if times:
        ratio = max(times) / min(times)
        rows.append(
            ("1,000 to 10 million rows", "flat", f"{ratio:.2f} × at most", verdict(1.25, ratio))
        )
    return rows


def places() -> dict[int, str]:
    """Return for each accuracy of `to_accuracy.py` who was there first."""
    found: dict[int, str] = {}
    rows = kept("to_accuracy", [])
    for goal in dict.fromkeys(row["goal"] for row in rows):
        times = {r["contestant"]: r["median"] for r in rows if r["goal"] == goal and r["median"]}
        first = min(times, key=lambda name: times[name])
        found[goal] = "first" if first == OURS else f"after {first}"
    return found


def accuracy() -> str:
    """Seconds to each accuracy, by contestant."""
    rows = [
        (f"{row['goal']}%", row["contestant"],
         f"{row['median']:.2f}" if row["median"] else "not reached",
         spread([t for t in row.get("all", []) if t]), row.get("setting", ""))
        for row in kept("to_accuracy", [])
    ]  # fmt: skip
    head = "test accuracy|contestant|median s|five seeds|settings"
    return f"{circumstances('to_accuracy')}\n\n{table(head, rows)}"


def spread(times: list[float]) -> str:
    """Write the least and the most of some times."""
    return f"{min(times):.2f} to {max(times):.2f}" if times else ""


def predictions() -> dict[int, dict[str, float]]:
    """Return how many times as fast as each peer predictions are, by number of rows."""
    found: dict[int, dict[str, float]] = {}
    figures = kept("prediction", {"figures": []})["figures"]
    ours = {r["rows"]: r["seconds"] for r in figures if r["contestant"] == "whygrad.Fitted"}
    estimators = {
        r["rows"]: r["seconds"] for r in figures if r["contestant"].endswith("Classifier")
    }
    for row in figures:
        if not row["contestant"].startswith(OURS):
            mine = estimators if row["contestant"] == "scikit-learn" else ours
            found.setdefault(row["rows"], {})[row["contestant"]] = (
                row["seconds"] / mine[row["rows"]]
            )
    return found


def prediction() -> str:
    """Time of predictions, by rows and contestant."""
    about = kept("prediction", {"sizes": "", "figures": []})
    rows = [
        (f"{r['rows']:,}", r["contestant"], r["setting"], micro(r["seconds"]))
        for r in about["figures"]
    ]
    found = table("rows|contestant|at its best with|µs", rows)
    return f"{about['sizes']}. {circumstances('prediction')}\n\n{found}"


def products() -> str:
    """Steps with products in bfloat16, by network: the least processor time of each contestant."""
    rows = []
    for name, found in kept("products", {}).items():
        least = {who: times[0] for who, times in found["microseconds"].items()}
        plain, rounded = least.pop("whygrad"), least.pop("whygrad, bfloat16")
        peers = [
            min(time for who, time in least.items() if kind == who.partition(", ")[2])
            for kind in ("", "medium", "autocast")
        ]
        ratio, times = f"{plain / rounded:.2f}", [micro(t / 1e6) for t in (plain, rounded, *peers)]
        rows.append((name, *times[:2], ratio, *times[2:], percent(found["gap"])))
    head = "network, batch|float32|bfloat16|ratio|PyTorch float32|medium|autocast|gap of a step"
    return f"{circumstances('products')}\n\n{table(head, rows)}"


def fits() -> str:
    """Fits as called, by data and contestant."""
    rows = [
        (_fit_called(r), r["contestant"], r["threads"], micro(r["seconds"] / 1e3), r["epochs"],
         f"{r['accuracy']:.1%}", f"{r['ratio']:.2f}") for r in kept("estimators", [])
    ]  # fmt: skip
    head = "data|contestant|threads|ms|epochs|training accuracy|ratio"
    many = [
        (r["case"], r["trainings"], micro(r["one by one"] / 1e3), micro(r["side by side"] / 1e3),
         f"{r['ratio']:.2f}") for r in kept("many", [])
    ]  # fmt: skip
    beside = table("network|trainings|one by one, ms|side by side, ms|ratio", many)
    return (
        f"{circumstances('estimators')}\n\n{table(head, rows)}\n\n`train_many`, the same bits as `train` "
        f"one after the other, both with two cores. {circumstances('many')}\n\n{beside}"
    )


def _fit_called(row: dict[str, Any]) -> str:
    name = CALLED.get(row["data"], row["data"])
    return f"{name}, an epoch" if row["counted"] == "epoch" else name


def starts() -> str:
    """Cold, warm and steady first trainings."""
    about = kept("starts", {})
    rows = [
        (kind, f"{times['cold']:.1f}", f"{times['warm']:.2f}", f"{times['steady'] * 1e3:.1f}")
        for kind, times in about.items() if isinstance(times, dict)
    ]  # fmt: skip
    head = "data|cold s: import, compile, fit|warm s: import, fit|fit again, ms"
    loaded = ", ".join(about.get("loaded by import", [])) or "none"
    return (f"{circumstances('starts')} `import whygrad` takes {about.get('import', 0):.2f} s; of Numba, "
            f"scikit-learn and PyTorch it loads {loaded}.\n\n{table(head, rows)}")  # fmt: skip


def growth() -> str:
    """Time per step as rows grow, and memory that training adds."""
    rows = [(f"{r['rows']:,}", micro(r["seconds"])) for r in kept("rows", [])]
    memory = [
        (r["case"], f"{r['data'] / 2**20:.0f}", f"{r['added'] / 2**20:.1f}")
        for r in kept("peak_memory", [])
    ]
    return (f"{circumstances('rows')}\n\n{table('rows × 20 columns, mapped|µs a step', rows)}\n\n"
            f"{table('case|data, MB|training adds, MB', memory)}")  # fmt: skip


def recording() -> str:
    """What recording costs, and how much it writes."""
    return "; ".join(
        f"{row['optimizer']} {row['seconds']:.1f} s, {row['overhead']:+.1%} ({row['lowest']:+.1%} to "
        f"{row['highest']:+.1%}), {row['megabytes']:.1f} MB"
        for row in kept("recording", [])
    )


def parts() -> str:
    """Where the time of a step goes, on one thread."""
    rows = []
    for row in kept("parts", []):
        told = ", ".join(f"{name} {micro(seconds)}" for name, seconds in row["parts"].items())
        rest = row["step"] - sum(row["parts"].values())
        rows.append((row["case"], micro(row["step"]), told, micro(rest)))
    return (
        f"{circumstances('parts')}\n\n{table('case|µs a step|parts alone, µs|the rest, µs', rows)}"
    )


def crossings() -> str:
    """Return at which size of network another contestant overtakes."""
    from network_size import crossings as between
    from network_size import lines_of

    lines, said = lines_of(kept("network_size", [])), []
    for name, line in lines.items():
        if name != OURS:
            at = ", ".join(f"{h:.0f}" for h in between(lines[OURS], line))
            slower = all(line[h] > lines[OURS][h] for h in line.keys() & lines[OURS].keys())
            said.append(f"{name}: " + (f"at {at} units" if at else
                        "none, it is slower throughout" if slower else "none"))  # fmt: skip
    head = "784-*h*-*h*-10, relu, SGD, batches of 32, h units in each of two hidden layers. "
    return f"{head}{circumstances('network_size')} Where the lines cross: {'; '.join(said)}."


def _runs_of_tables(all_seeds: bool = False) -> dict[str, dict[str, list[dict[str, Any]]]]:
    """Return the figures of `tables.py`: table → contestant → a row for each of its seeds, or of all."""
    from tables import SEEDS

    found: dict[str, dict[str, list[dict[str, Any]]]] = {}
    for row in kept("tables", {"runs": []})["runs"]:
        if all_seeds or row["seed"] in SEEDS:
            found.setdefault(row["table"], {}).setdefault(row["contestant"], []).append(row)
    return found


def _contestants(found: dict[str, dict[str, Any]]) -> list[str]:
    """Return the names of those that were measured, always in the same order."""
    from tables import CONTESTANTS

    return [name for name in CONTESTANTS if any(name in rows for rows in found.values())]


def _mean(rows: list[dict[str, Any]], what: str) -> str:
    """Write a mean over seeds, with its standard error where there are several."""
    values = [row[what] for row in rows if what in row]
    if not values:
        return "–"
    error = f" ± {statistics.stdev(values) / len(values) ** 0.5:.3f}" if len(values) > 1 else ""
    return f"{statistics.mean(values):.3f}{error}"


def _ranks(found: dict[str, Any], names: list[str], of: list[str], what: str) -> list[str]:
    """Return mean ranks, by means over common seeds, of those that have half as many runs as the most."""
    sign = 1 if what == "log_loss" else -1
    runs = {n: sum(len(found[table].get(n, [])) for table in of) for n in names}
    ranked = [n for n in names if 2 * runs[n] >= max(1, *runs.values())]
    ranks: dict[str, list[float]] = {name: [] for name in names}
    for rows in (found[table] for table in of):
        if not (ranked and all(name in rows for name in ranked)):
            continue
        seeds = set.intersection(*({r["seed"] for r in rows[n]} for n in ranked))
        if not seeds:
            continue
        means = {
            n: sign * statistics.mean(r[what] for r in rows[n] if r["seed"] in seeds)
            for n in ranked
        }
        for name in ranked:
            less = sum(m < means[name] for m in means.values())
            same = sum(m == means[name] for m in means.values())
            ranks[name].append(less + (same + 1) / 2)
    return [f"{statistics.mean(r):.2f}" if r else "–" for r in ranks.values()]


def _scores_of_tables(what: str) -> str:
    """Lay out a score for every table and contestant, with the mean ranks."""
    found, about = _runs_of_tables(), kept("tables", {"tables": {}})["tables"]
    names = _contestants(found)
    of = [t for t in found if any(what in row for rows in found[t].values() for row in rows)]
    chosen_on = " \\*"  # the defaults were chosen on it, by other splits
    lines: list[tuple[Any, ...]] = [
        (
            name + ("" if about[name]["role"] == "reported" else chosen_on),
            f"{about[name]['rows']:,} × {about[name]['columns']}",
            *(_mean(found[name].get(contestant, []), what) for contestant in names),
        )
        for name in of
    ]
    kinds = {"all": of, "reported": [t for t in of if about[t]["role"] == "reported"]}
    for kind, chosen in kinds.items():
        lines.append((f"mean rank, {kind}", "", *_ranks(found, names, chosen, what)))
    return table("|".join(["table", "rows × columns", *names]), lines)


def tables() -> str:
    """Scores, log losses and times of networks on tables and of their peers."""
    found = _runs_of_tables()
    names = _contestants(found)
    times = [
        (name, f"{statistics.median(cpu):.2f}", f"{max(cpu):.2f}")
        for name in names
        if (cpu := [r["cpu"] for rows in found.values() for r in rows.get(name, [])])
    ]
    return (
        f"{circumstances('tables')}\n\nR² of numbers, accuracy of classes:\n\n"
        f"{_scores_of_tables('score')}\n\nLog loss:\n\n{_scores_of_tables('log_loss')}\n\n"
        f"{table('contestant|processor seconds of a fit, median|most', times)}"
    )


def large() -> str:
    """Processor time by stage, time by the clock where nothing else ran, and memory, of large tables."""
    lines = []
    for name, found in kept("large_tables", {}).items():
        stages = found["stages"].values()
        cpu, clock = (sum(stage[what] for stage in stages) for what in ("cpu", "seconds"))
        lines.append(
            (
                name,
                found["members"],
                *(f"{stage['cpu']:.1f} s" for stage in stages),
                f"{cpu:.0f} s",
                f"{clock:.0f} s" if clock < cpu else "–",  # on two cores; else others were on them
                f"{found['bytes'] / 2**20:.0f} MB",
                f"{found['memory'] / 2**30:.2f} GB",
            )
        )
    head = (
        "rows x columns, quality|networks|reading|encoding|training|other models|processor time in all|"
        "by the clock|file|memory at most"
    )
    return f"{circumstances('large_tables')}\n\n{table(head, lines)}"


def scale() -> str:
    """Folders of Parquet files: memory by rows, steps by processes; and the engine xla beside others."""
    found = kept("scale", {"memory": [], "processes": {"rows": 0, "runs": []}})
    sizes: dict[str, list[dict[str, Any]]] = {}
    for run in found["memory"]:
        sizes.setdefault(f"{run['rows']:,}, {run['gb']:.1f} GB", []).append(run)
    memory = [
        (size, *(f"{run['peak_mb']:,}" for run in runs), *(f"{run['learned']:.0f}" for run in runs))
        for size, runs in sizes.items()
    ]
    about = found["processes"]
    times = {
        (run["what"], run["processes"]): [min(run[kind]) for kind in ("step", "processor")]
        for run in about["runs"]
    }
    steps = []
    for (what, n), ours in times.items():
        peers = times["ddp", n]
        if what != "ddp":
            ratios = (f"{theirs / mine:.2f}" for mine, theirs in zip(ours, peers, strict=True))
            steps.append((f"{what} × {n}", *map(micro, ours), *map(micro, peers), *ratios))
    return "\n\n".join(
        (
            circumstances("scale"),
            table(
                "rows, files|native × 1: MB|xla × 2: MB of a process|native: begins after s|xla",
                memory,
            ),
            f"Steps on {about['rows']:,} rows, the least of three rounds; DDP has as many processes.",
            table(
                "whygrad|µs a step|processors' µs|DDP: µs a step|processors' µs|ratio|processors' ratio",
                steps,
            ),
            _steps_of_xla(),
        )
    )


def _ratios_of_xla() -> dict[str, dict[str, float]]:
    """Return how many times native's step another's takes, by case and contestant."""
    return {
        row["case"]: {
            name: seconds / row["times"][OURS]
            for name, seconds in row["times"].items()
            if name != OURS
        }
        for row in kept("scale", {}).get("engines", [])
    }


def _steps_of_xla() -> str:
    found = _ratios_of_xla()
    names = next(iter(found.values()), {})
    rows = [
        (
            row["case"],
            f"{row['sizes']}, {row['batch']}",
            f"{row['multiplications'] / 1e6:,.1f}",
            micro(row["times"][OURS]),
            *(f"{found[row['case']][name]:.2f}" for name in names),
        )
        for row in sorted(
            kept("scale", {}).get("engines", []), key=lambda row: row["multiplications"]
        )
    ]
    head = "a step of|sizes, batch|million operations|native: processor's µs|"
    return table(head + "|".join(f"{name}, native = 1" for name in names), rows)


def xla() -> str:
    """The range of xla's time per step beside native's."""
    ratios = [of["whygrad xla"] for of in _ratios_of_xla().values()]
    return f"{min(ratios):.1f} to {max(ratios):.1f} times" if ratios else ""


def stage() -> str:
    """Frames of the stage by what a hand does, and its start."""
    found = kept("stage", {})
    lines = [
        (
            f"{name}, {about['parameters']:,} parameters",
            what,
            *(f"{of['work'][size]:.1f}" for size in ("median ms", "p95 ms", "largest ms")),
            f"{LIMITS[name]:.0f}: {verdict(LIMITS[name], of['work']['p95 ms'])}",
        )
        for name, about in found.items()
        if name in LIMITS
        for what, of in about.items()
        if isinstance(of, dict)
    ]
    begun = ", ".join(
        f"{what} {about['median']:g}"
        for what, about in found.get("starts", {}).items()
        if isinstance(about, dict)
    )
    loads = [about["load"] for about in found.values()]
    crowd = found.get("starts", {}).get("load", 0)
    head = "network|what the hand does|median ms|95% within|at most|bar, of 95%"
    return (
        f"{circumstances('stage')} The machine was busy: {min(loads):g} to {max(loads):g} processes wanted "
        f"its cores.\n\n{table(head, lines)}\n\nFrom the bare command, in seconds of that machine "
        f"while {crowd:g} processes wanted its cores: {begun}."
    )


def behind() -> str:
    """The tables on which a linear model or scikit-learn's MLP is ahead of the recipe."""
    lines = []
    for name, rows in _runs_of_tables(all_seeds=True).items():
        own = {r["seed"]: r["score"] for r in rows.get("whygrad, recipe", [])}
        for peer in ("linear", "scikit-learn MLP"):
            gaps = [r["score"] - own[r["seed"]] for r in rows.get(peer, []) if r["seed"] in own]
            if len(gaps) < 2:
                continue
            gap, error = statistics.mean(gaps), statistics.stdev(gaps) / len(gaps) ** 0.5
            if gap > error:
                lines.append((name, peer, f"{gap:.3f} ± {error:.3f}", len(gaps)))
    return table("table|ahead of the recipe|by|seeds", lines) if lines else "None."


def ingredients() -> str:
    """What each ingredient of the recipe for tables changes."""
    from recipe import gains

    head = "changed|RMSE, %|log loss, %|errors, points|processor time|fits"
    first = "The same around an earlier base, 32 bins of full weight:"
    return (f"{circumstances('recipe')}\n\n{table(head, gains())}\n\n"
            f"{first}\n\n{table(head, gains(round_=1))}")  # fmt: skip


def ingredients_of_best() -> str:
    """What changes to the default bring where there are many rows."""
    from recipe import ROUNDS_OF_BEST, gains

    head = "changed|RMSE, %|log loss, %|errors, points|processor time|tables"
    return "\n\n".join(
        f"At most {rows:,} training rows of each:\n\n{table(head, gains(round_=round_))}"
        for round_, rows in ROUNDS_OF_BEST.items()
    )


def few_rows() -> str:
    """What changes of the ensemble bring on small tables of numbers: R² less that of 256-256, by seed."""
    rows: dict[str, dict[str, dict[int, float]]] = {}
    for row in kept("recipe", []):
        if row["round"] == 3:
            of = rows.setdefault(row["variant"], {}).setdefault(row["table"], {})
            of[row["seed"]] = row["score"]
    base = rows.pop("nothing")

    def gain(one: dict[int, float], own: dict[int, float]) -> str:
        gaps = [score - own[seed] for seed, score in one.items() if seed in own]
        if len(gaps) < 2:
            return "–"
        error = statistics.stdev(gaps) / len(gaps) ** 0.5
        return f"{statistics.mean(gaps):+.3f} ± {error:.3f}".replace("-", "−")

    lines = [
        ("eight of 256-256: R²", *(f"{statistics.mean(own.values()):.3f}" for own in base.values()))
    ]
    lines += [
        (variant, *(gain(found.get(name, {}), own) for name, own in base.items()))
        for variant, found in rows.items()
    ]
    return table("changed|" + "|".join(base), lines)


def speed() -> str:
    """The speeds that the project's README names."""
    case = by_case()["A"]
    ratio = {name: row["ratio"] for name, row in case.items()}
    zeros = {name: row["ratio"] for name, row in by_case()["A′"].items()}
    peers = ("scikit-learn", "PyTorch eager", "JAX")
    sklearn, torch, jax = (f"{ratio[peer]:.3g}" for peer in peers)
    sklearn_0, torch_0, jax_0 = (f"{zeros[peer]:.2g}" for peer in peers)
    return (
        f"{sklearn} times scikit-learn's speed, {torch} times PyTorch's and {jax} times JAX's; with "
        f"MNIST's zeros skipped, which happens by itself, {sklearn_0}, {torch_0} and {jax_0} times"
    )


PARTS: dict[str, Callable[[], str]] = {
    "goals": goals, "steps": steps, "narrow": narrow, "accuracy": accuracy, "prediction": prediction,
    "fits": fits, "products": products,
    "starts": starts, "growth": growth, "parts": parts, "recording": recording,
    "crossings": crossings, "speed": speed, "tables": tables, "ingredients": ingredients,
    "large": large, "behind": behind, "few rows": few_rows, "stage": stage, "scale": scale, "xla": xla,
    "best": ingredients_of_best,
}  # fmt: skip


def filled(text: str) -> str:
    """Return a page with its tables made anew."""
    for name, part in PARTS.items():
        pattern = rf"(<!-- {name} -->(\n?)).*?(<!-- end {name} -->)"
        if re.search(pattern, text, re.S):
            text = re.sub(pattern, lambda m, p=part: m[1] + p() + m[2] + m[3], text, flags=re.S)
    return text


def main() -> None:
    for page in PAGES:
        page.write_text(filled(page.read_text()))


if __name__ == "__main__":
    main()
