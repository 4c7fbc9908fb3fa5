"""Time per step against the size of the network, for all contestants, as a picture; where lines cross.

    python benchmarks/network_size.py [--units 8,32,128,512,2048] [--batch 32] [--epochs 3]
    python benchmarks/network_size.py --draw      (the picture again, from the figures on disk)

784-h-h-10, relu, SGD, inputs like MNIST's, batches of 32: compared as in `steps.py`, so that all compute
the same before anything is timed. The figures go to results/network_size.json, the picture to
results/network_size.svg.
"""

import argparse
import math
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))
from contestants import CONTESTANTS, Case  # noqa: E402
from keeping import RESULTS, keep, kept  # noqa: E402
from steps import compare  # noqa: E402

COLORS = ("#0b5fa5", "#b3540e", "#2f7d32", "#8a2f8f", "#6b6b6b", "#a8231c", "#00767a")
LEFT, TOP, WIDTH, HEIGHT = 62, 16, 470, 330


def crossings(ours: dict[int, float], theirs: dict[int, float]) -> list[float]:
    """Return the sizes at which two lines cross, straight between their points on logarithmic axes."""
    sizes, found = sorted(ours.keys() & theirs.keys()), []
    gaps = [math.log(theirs[h] / ours[h]) for h in sizes]
    for h, k, low, high in zip(sizes, sizes[1:], gaps, gaps[1:], strict=False):
        if low * high < 0:
            found.append(h * (k / h) ** (low / (low - high)))
    return found


def lines_of(rows: list[dict[str, Any]]) -> dict[str, dict[int, float]]:
    """Sort figures into one line for each contestant: units → seconds."""
    lines: dict[str, dict[int, float]] = {}
    for row in rows:
        lines.setdefault(row["contestant"], {})[int(row["sizes"].split("-")[1])] = row["median"]
    return lines


def svg(lines: dict[str, dict[int, float]]) -> str:
    """Draw the lines on logarithmic axes."""
    sizes = sorted({h for line in lines.values() for h in line})
    values = [t for line in lines.values() for t in line.values()]
    low, high = math.floor(math.log10(min(values))), math.ceil(math.log10(max(values)))
    span = math.log(sizes[-1] / sizes[0]) or 1.0

    def x(h: float) -> float:
        return LEFT + WIDTH * math.log(h / sizes[0]) / span

    def y(t: float) -> float:
        return TOP + HEIGHT * (high - math.log10(t)) / (high - low)

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {LEFT + WIDTH + 150} {TOP + HEIGHT + 50}" '
        'font-family="sans-serif" font-size="12" role="img">',
        "<title>Time per training step against the number of hidden units</title>",
        '<rect width="100%" height="100%" fill="white"/>',
    ]
    for power in range(low, high + 1):
        label = {-6: "1 µs", -5: "10 µs", -4: "100 µs", -3: "1 ms", -2: "10 ms", -1: "100 ms"}
        at = y(10.0**power)
        parts.append(f'<path d="M{LEFT} {at:.1f}h{WIDTH}" stroke="#ddd"/>')
        parts.append(f'<text x="{LEFT - 6}" y="{at + 4:.1f}" text-anchor="end">'
                     f'{label.get(power, f"{10.0**power:g} s")}</text>')  # fmt: skip
    for h in sizes:
        parts.append(
            f'<text x="{x(h):.1f}" y="{TOP + HEIGHT + 18}" text-anchor="middle">{h}</text>'
        )
    parts.append(f'<text x="{LEFT + WIDTH / 2}" y="{TOP + HEIGHT + 38}" text-anchor="middle">'
                 "units in each of two hidden layers</text>")  # fmt: skip
    last = sorted(lines.items(), key=lambda item: item[1][max(item[1])])
    row = TOP + HEIGHT + 14.0
    for name, line in reversed(last):  # the slowest is on top, and so is its name
        color = COLORS[list(lines).index(name) % len(COLORS)]
        points = " ".join(f"{x(h):.1f},{y(t):.1f}" for h, t in sorted(line.items()))
        wide = 3 if name == "whygrad" else 1.5
        parts.append(
            f'<polyline points="{points}" fill="none" stroke="{color}" stroke-width="{wide}"/>'
        )
        row = max(y(line[max(line)]) + 4, TOP + 8) if row == TOP + HEIGHT + 14.0 else max(
            y(line[max(line)]) + 4, row + 14
        )  # fmt: skip
        parts.append(f'<text x="{LEFT + WIDTH + 6}" y="{row:.1f}" fill="{color}">{name}</text>')
    if "whygrad" in lines:
        for line in (line for name, line in lines.items() if name != "whygrad"):
            for h in crossings(lines["whygrad"], line):
                ours = sorted(lines["whygrad"].items())
                before = max(p for p in ours if p[0] <= h)
                after = min(p for p in ours if p[0] >= h)
                share = math.log(h / before[0]) / math.log(after[0] / before[0])
                t = before[1] * (after[1] / before[1]) ** share
                parts.append(
                    f'<circle cx="{x(h):.1f}" cy="{y(t):.1f}" r="5" fill="none" stroke="black"/>'
                )
    return "\n".join([*parts, "</svg>"]) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--units", default="8,32,128,512,2048")
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--rows", type=int, default=12800)
    parser.add_argument("--only", default=",".join(CONTESTANTS), help="contestants, by comma")
    parser.add_argument("--draw", action="store_true", help="draw the figures on disk again")
    parser.add_argument("--trial", action="store_true", help="only try whether it runs")
    options = parser.parse_args()
    if options.trial:
        options.units, options.epochs, options.rows = "8,16", 1, 1280
    rows: list[dict[str, Any]] = []
    if options.draw:
        rows = kept("network_size", [])
    else:
        for h in map(int, options.units.split(",")):
            case = Case(str(h), (784, h, h, 10), "relu", options.batch, "sgd", 0.05, "zeros")
            rows += compare(
                case, options.rows, options.epochs, ["whygrad", *options.only.split(",")]
            )
            print(f"{h} units: " + ", ".join(f"{row['contestant']} {row['median'] * 1e6:.0f} µs"
                  for row in rows if row["case"] == str(h)), flush=True)  # fmt: skip
            keep("network_size", rows, options.trial)
    lines = lines_of(rows)
    picture = svg(lines)
    if not options.trial:
        (RESULTS / "network_size.svg").write_text(picture)
    for name, line in lines.items():
        if name != "whygrad":
            sizes = ", ".join(f"{h:.0f}" for h in crossings(lines["whygrad"], line))
            print(f"whygrad and {name} cross at: {sizes or 'no size measured'}")


if __name__ == "__main__":
    main()
