"""Where benchmarks keep their figures: results/NAME.json beside this file. Those of a trial are lost."""

import json
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parent / "results"


def keep(name: str, figures: Any, trial: bool = False) -> None:
    """Write what a benchmark found to results/NAME.json, unless it only tried whether it runs."""
    if trial:
        print(f"a trial: results/{name}.json stays as it is")
        return
    RESULTS.mkdir(exist_ok=True)
    text = json.dumps(figures, indent=1, ensure_ascii=False)
    (RESULTS / f"{name}.json").write_text(text + "\n")


def kept(name: str, otherwise: Any) -> Any:
    """Give what results/NAME.json says, or something else where there is no such file."""
    path = RESULTS / f"{name}.json"
    return json.loads(path.read_text()) if path.exists() else otherwise
