"""Problems that are not in the library, through the public API: runs `sngd solve` on the files in `examples/problems`.

A finished run is kept in `results/elsewhere.json` and skipped the next time.

    python -m benchmarks elsewhere [--seeds 3] [--seconds 180]
"""

import argparse
import functools
import statistics
from pathlib import Path

from benchmarks.cells import Cells, run_command
from benchmarks.machine import RESULTS

PROBLEMS = Path(__file__).parent.parent / "examples" / "problems"


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=180)
    options = parser.parse_args()
    cells = Cells(RESULTS / "elsewhere.json", print)
    files = sorted(PROBLEMS.glob("*.py"))
    for seed in range(options.seeds):
        for file in files:
            arguments = ["solve", str(file), "--seed", str(seed), "--seconds", str(options.seconds)]
            cells.run(f"{file.stem}-seed{seed}", functools.partial(run_command, arguments))
    lines = ["| problem | parameters | seeds | largest error | median | longest run |", "|---|---|---|---|---|---|"]
    for file in files:
        found = [result for name, result in cells.results.items() if name.startswith(f"{file.stem}-seed")]
        errors = [result["relative_l2"] for result in found]
        lines.append(
            f"| {file.stem} | {found[0]['parameters']:,} | {len(found)} | {max(errors):.1e} "
            f"| {statistics.median(errors):.1e} | {max(result['seconds'] for result in found):.0f} s |"
        )
    (RESULTS / "elsewhere.md").write_text("\n".join(lines) + "\n")
    print("\n".join(lines))


if __name__ == "__main__":
    main()
