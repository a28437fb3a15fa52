"""Error against seconds for ten problems, from `results/table.json`: `python -m benchmarks curves`.

Draws `docs/curves.png`. The points of a curve are the medians over the seeds of the seconds to an error, and the last
one those of the whole run.
"""

import json
import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from benchmarks.machine import RESULTS

PROBLEMS = (
    "poisson",
    "helmholtz-a",
    "wave-a",
    "heat-a",
    "convection-50",
    "boundary-layer-1e-3",
    "kovasznay",
    "burgers-0.01-over-pi",
    "kdv-soliton",
    "lorenz",
)

_LEVELS = (1e-4, 1e-6, 1e-8, 1e-10)


def curve(runs: Sequence[Mapping[str, Any]]) -> tuple[list[float], list[float]]:
    """Median seconds and errors of the runs of one problem."""
    seconds, errors = [], []
    for level in _LEVELS:
        found = [run[f"seconds_to_{level:.0e}"] for run in runs]
        if all(each is not None for each in found):
            seconds.append(statistics.median(found))
            errors.append(level)
    seconds.append(statistics.median(run["seconds"] for run in runs))
    errors.append(statistics.median(run["relative_l2"] for run in runs))
    return seconds, errors


def draw(results: Mapping[str, Mapping[str, Any]]) -> Figure:
    """A panel for each problem."""
    figure = Figure(figsize=(15, 6), layout="constrained")
    for place, name in zip(figure.subplots(2, 5, sharex=True, sharey=True).ravel(), PROBLEMS, strict=True):
        runs = [run for key, run in results.items() if key.startswith(f"{name}-seed")]
        seconds, errors = curve(runs)
        place.loglog(seconds, errors, "o-", color="C0", label="sngd.solve")
        squares = [run["least_squares_seconds"] for run in runs if run.get("least_squares_seconds")]
        if squares:
            place.loglog(
                statistics.median(squares), errors[-1], "s", color="C1", label="one least squares of that size, SciPy"
            )
        beside = results.get(f"{name}-collocation")
        if beside is not None:
            place.loglog(
                max(beside["seconds"], 1e-3), beside["relative_l2"], "D", color="C2", label="Chebyshev collocation"
            )
        place.set_title(name)
        place.grid(alpha=0.3)
    axes = figure.axes
    for place in axes[5:]:
        place.set_xlabel("seconds")
    for place in (axes[0], axes[5]):
        place.set_ylabel("relative L2 error")
    shown = [pair for place in axes for pair in zip(*place.get_legend_handles_labels(), strict=True)]
    handles = {label: handle for handle, label in shown}
    figure.legend(list(handles.values()), list(handles), loc="outside lower center", ncols=3)
    return figure


def main() -> None:
    results = json.loads((RESULTS / "table.json").read_text())
    path = Path(__file__).parent.parent / "docs" / "curves.png"
    draw(results).savefig(path, dpi=90)
    print(path.name)


if __name__ == "__main__":
    main()
