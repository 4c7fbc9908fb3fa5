"""Which faults a diagnosis finds, what its cures bring, and how often a healthy training alarms it.

    WHYGRAD_FAULTS=FOLDER python benchmarks/diagnosis.py [--seconds S] [--trial] [ID …]

FOLDER has faults.json and healthy.json, records of settings met in practice; `faults.py`, which makes
their data and networks, lies there or beside it. A kind is right where the record says so. A cure that is
reported as proven is trained again on all training rows, from seeds that the diagnosis has not seen, and
scored on the record's held-out rows, beside the best of the fixes that the record knows; R² below 0 counts
as 0.
"""

import argparse
import copy
import os
import statistics
import sys
import time
import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from keeping import keep

import whygrad as wg
from whygrad.diagnosis.cures import with_cures
from whygrad.diagnosis.description import describe
from whygrad.diagnosis.question import asked_of
from whygrad.diagnosis.setting import setting_of
from whygrad.diagnosis.subject import subject_of
from whygrad.diagnosis.trials import train_all

FRESH = (101, 102, 103)
TOOLS = ("NeuraLint", "DeepLocalize", "DeepDiagnosis", "UMLAUT")


def records(folder: Path) -> tuple[Any, list[dict[str, Any]], list[dict[str, Any]]]:
    """Return the module that makes data, the faults and the healthy trainings."""
    place = next(p for p in (folder, folder / "dev") if (p / "faults.json").exists())
    home = next(p for p in (place, place.parent) if (p / "faults.py").exists())
    sys.path.insert(0, str(home))
    import faults

    return faults, faults.load(place / "faults.json"), faults.load(place / "healthy.json")


def arguments(faults: Any, record: dict[str, Any], data: Any) -> dict[str, Any]:
    """Return the arguments of `train` of a record, in the names of today."""
    bare = copy.deepcopy(record)
    told = bare["training"].pop("optimizer")
    bare["training"]["optimizer"] = {"name": "adam"}
    found = faults.train_arguments(bare, data)
    name, rate = told.pop("name"), told.pop("rate", None)
    numbers = told if rate is None else {**told, "learning_rate": rate}
    found["optimizer"] = faults.OPTIMIZERS[name](**numbers)
    if name == "lbfgs":
        found.pop("batch_size", None)
    if "weights" in found:
        found["sample_weight"] = found.pop("weights")
    found.pop("validation", None)  # the held-out rows are for scoring alone
    return found


def diagnosed(
    faults: Any, record: dict[str, Any], seconds: float
) -> tuple[Any, Any, dict[str, Any]]:
    """Return the diagnosis of a record, and what it was given."""
    data = faults.make_data(record, 0)
    if record["form"] == "description":
        about = record["network"]
        net = wg.Description(data.X.shape[1], about["layers"], about["cost"])
        return wg.diagnose(net, data.X, data.Y), net, {}
    net = faults.make_network(record, data)
    options = arguments(faults, record, data)
    options |= {"theta": faults.make_theta(record, net, 0), "seed": 0}
    return wg.diagnose(net, data.X, data.Y, seconds=seconds, **options), net, options


def held_out(
    faults: Any, record: dict[str, Any], net: Any, options: Any, cures: Any
) -> tuple[Any, Any]:
    """Return the held-out scores from fresh seeds, as it stands and with the cures."""
    data = faults.make_data(record, 0)
    options = dict(options) | {"validation": (data.X_held_out, data.Y_held_out)}
    subject = subject_of(net, data.X, data.Y, options)
    setting = setting_of(subject, asked_of(describe(net), subject.X, subject.Y))
    cured = replace(with_cures(setting, cures), balanced=False)  # the record's score, for both
    before, after = train_all([setting, cured], FRESH)
    return before.scores, after.scores


def best_fix(record: dict[str, Any]) -> float:
    """Return the held-out score of the best fix that a record knows."""
    return max(max(0.0, statistics.mean(fix["held_out"])) for fix in record["fixes"])


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, default=30.0)
    parser.add_argument("--trial", action="store_true")
    parser.add_argument("only", nargs="*")
    given = parser.parse_args()
    warnings.simplefilter("ignore")
    np.seterr(all="ignore")
    faults, faulty, healthy = records(Path(os.environ["WHYGRAD_FAULTS"]))
    if given.only:
        faulty = [r for r in faulty if any(part in r["id"] for part in given.only)]
        healthy = [r for r in healthy if any(part in r["id"] for part in given.only)]
    rows: list[dict[str, Any]] = []
    for record in faulty:
        began = time.monotonic()
        answer, net, options = diagnosed(faults, record, given.seconds)
        kinds = [finding.kind for finding in answer.findings]
        row: dict[str, Any] = {
            "id": record["id"],
            "first": bool(kinds) and kinds[0] in record["right"],
            "among_three": any(kind in record["right"] for kind in kinds[:3]),
            "kinds": kinds[:3],
            "status": [finding.status for finding in answer.findings[:3]],
            "seconds": round(time.monotonic() - began, 1),
            "tools": record["tools"],
        }
        if answer.cures:
            before, after = held_out(faults, record, net, options, answer.cures)
            room = best_fix(record) - before.mean()
            row |= {
                "before": before.tolist(),
                "after": after.tolist(),
                "share_of_best_fix": float((after.mean() - before.mean()) / room)
                if room > 0.02
                else None,
                "better": bool(after.mean() > before.mean()),
            }
        rows.append(row)
        place = "first " if row["first"] else "three " if row["among_three"] else "missed"
        shown = (row["kinds"], row["status"], row.get("share_of_best_fix"), f"{row['seconds']} s")
        print(place, row["id"], *shown, flush=True)
    alarms = []
    for record in healthy:
        answer, _, _ = diagnosed(faults, record, given.seconds)
        sure = [(f.kind, f.status, f.gain) for f in answer.findings if f.status != "possible"]
        alarms.append({"id": record["id"], "alarm": sure})
        print("ALARM " if sure else "quiet ", record["id"], sure, flush=True)
    keep(
        "diagnosis",
        summary(rows, alarms) | {"faults": rows, "healthy_trainings": alarms},
        given.trial or bool(given.only),
    )


def summary(rows: list[dict[str, Any]], alarms: list[dict[str, Any]]) -> dict[str, Any]:
    """Print and return the shares."""
    shares = [row["share_of_best_fix"] for row in rows if row.get("share_of_best_fix") is not None]
    better = [row["better"] for row in rows if "better" in row]
    told = [row for row in rows if row["tools"] is not None]
    found = {
        "records": len(rows),
        "right_first": sum(row["first"] for row in rows),
        "right_among_three": sum(row["among_three"] for row in rows),
        "cures_proven": len(better),
        "cures_better_with_fresh_seeds": sum(better),
        "share_of_best_fix_median": statistics.median(shares) if shares else None,
        "healthy": len(alarms),
        "healthy_with_alarm": sum(bool(row["alarm"]) for row in alarms),
        "tools": {name: [sum(row["tools"][name] for row in told), len(told)] for name in TOOLS},
        "right_first_where_tools_are_told": sum(row["first"] for row in told),
    }
    for name, value in found.items():
        print(f"{name:40} {value}")
    return found


if __name__ == "__main__":
    main()
