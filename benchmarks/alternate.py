"""The precision rows with the working tree and with an earlier commit, by turns: errors, iterations and seconds.

    python -m benchmarks alternate 75efc88 [--seeds 0 5] [--only heat] [--slack 2]

One process a run. The two runs of a row and a seed follow each other, so that both meet the same load of the machine.
Every run is kept in results/alternated-COMMIT.json, and one that is there is not repeated. The table is beside it.

`--slack` multiplies the seconds that the rows allow.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.machine import RESULTS, machine
from benchmarks.precision import ROWS

ROOT = RESULTS.parent
KEPT = ("result", "relative_l2", "error_estimate", "iterations", "seconds", "compile_seconds", "date")


def unpacked(commit: str, folder: Path) -> Path:
    """The package at the commit, in the folder."""
    archive = subprocess.run(["git", "archive", commit, "sngd"], cwd=ROOT, stdout=subprocess.PIPE, check=True)
    subprocess.run(["tar", "-x", "-C", str(folder)], input=archive.stdout, check=True)
    return folder


def run(tree: Path, problem: str, network: str, seed: int, seconds: float) -> dict[str, float | str]:
    """What a run with the package in `tree` writes into its result."""
    arguments = ["run", problem, "--network", network, "--seed", str(seed), "--seconds", str(seconds)]
    environment = os.environ | {"PYTHONPATH": str(tree)}
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "sngd.cli", *arguments, "--out", f"{folder}/run"]
        subprocess.run(command, cwd=folder, env=environment, capture_output=True)
        result = json.loads((Path(folder) / "run" / "result.json").read_text())
    return {name: result[name] for name in KEPT if name in result}


def table(runs: dict[str, dict], commit: str) -> str:
    """A Markdown table, a line a row: the worst and the median of each figure, of both trees."""
    lines = [
        f"| problem | network | seeds | worst error, {commit} | now | median error, {commit} | now "
        f"| median iterations, {commit} | now | median seconds, {commit} | now | median of the ratios of seconds |",
        "|---|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    for row in ROWS:
        named = {name: pair for name, pair in runs.items() if name.startswith(f"{row.problem}-{row.network}-seed")}
        pairs = [pair for pair in named.values() if {"before", "now"} <= pair.keys()]
        if not pairs:
            continue
        keys = ("relative_l2", "iterations", "seconds")
        figures = [[pair[tree][key] for pair in pairs] for key in keys for tree in ("before", "now")]
        errors, others = figures[:2], [f"{statistics.median(found):.4g}" for found in figures[2:]]
        worst, median = (
            [f"{max(found):.1e}" for found in errors],
            [f"{statistics.median(found):.1e}" for found in errors],
        )
        ratio = statistics.median(pair["now"]["seconds"] / pair["before"]["seconds"] for pair in pairs)
        cells = [row.problem, row.network, str(len(pairs)), *worst, *median, *others, f"{ratio:.2f}"]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("commit")
    parser.add_argument("--seeds", nargs=2, type=int, default=(0, 5), metavar=("FIRST", "END"))
    parser.add_argument("--only", default="", help="rows whose problem or network contains this")
    parser.add_argument("--slack", type=float, default=1.0)
    chosen = parser.parse_args()
    path = RESULTS / f"alternated-{chosen.commit}.json"
    kept = json.loads(path.read_text()) if path.exists() else {"commit": chosen.commit, "runs": {}}
    with tempfile.TemporaryDirectory() as name:
        trees = {"before": unpacked(chosen.commit, Path(name)), "now": ROOT}
        for seed in range(*chosen.seeds):
            for row in ROWS:
                cell = f"{row.problem}-{row.network}-seed{seed}"
                if chosen.only not in cell:
                    continue
                pair = kept["runs"].setdefault(cell, {})
                # Who goes first alternates too.
                for tree in list(trees)[:: 1 if seed % 2 else -1]:
                    if tree not in pair:
                        pair[tree] = run(trees[tree], row.problem, row.network, seed, row.seconds * chosen.slack)
                        path.write_text(json.dumps(kept | {"machine": machine()}, indent=1) + "\n")
                found = [f"{tree} {pair[tree]['relative_l2']:.1e} {pair[tree]['seconds']:.1f} s" for tree in trees]
                print(cell, *found, flush=True)
    where = machine()
    place = f"{where['processor']}, {where['cores']} cores, {where['versions']}, {where['date']}"
    text = f"{table(kept['runs'], chosen.commit)}\n\n`python -m benchmarks alternate {chosen.commit}`, {place}."
    print(text)
    path.with_suffix(".md").write_text(text + "\n")


if __name__ == "__main__":
    main()
