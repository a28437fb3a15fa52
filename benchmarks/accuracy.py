"""The accuracy of the paper's method on its problems: runs `sngd run` for every cell, and tabulates the errors.

A finished cell leaves `results/accuracy/<cell>.json` and is skipped the next time, so the benchmark can be interrupted
and resumed. Every worker has a processor core to itself.

    python benchmarks/accuracy.py [--workers 2] [--only poisson]
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from queue import Queue

RESULTS = Path(__file__).parent.parent / "results"

# Problem, optimizer, network, iterations, seeds, the error to reach, and for how many seeds at least.
GROUPS = [
    ("bvp-energy", "two-pass", "4x20", 1000, range(5), 1e-7, 3),
    ("bvp-energy", "single-pass", "4x20", 1000, range(5), 1e-7, 3),
    ("poisson", "two-pass", "4x20", 2000, range(5), 2e-8, 3),
    ("poisson", "single-pass", "4x20", 2000, range(5), 2e-8, 3),
    ("heat", "two-pass", "A2", 800, range(3), 2e-8, 2),
    ("transport", "two-pass", "4x20", 120, range(3), 1e-2, 1),
]


def cell_name(problem: str, optimizer: str, network: str, seed: int) -> str:
    return f"{problem}-{optimizer}-{network}-seed{seed}"


def run_cell(problem: str, optimizer: str, network: str, iterations: int, seed: int, cores: Queue) -> None:
    """Run one cell in a process of its own, bound to one core, and keep its `result.json`."""
    name = cell_name(problem, optimizer, network, seed)
    target = RESULTS / "accuracy" / f"{name}.json"
    if target.exists():
        return
    core = cores.get()
    folder = Path("runs") / "accuracy" / name
    command = [sys.executable, "-m", "sngd.cli", "run", problem, "--optimizer", optimizer, "--network", network]
    command += ["--iterations", str(iterations), "--seed", str(seed), "--out", str(folder)]
    try:
        subprocess.run(
            command,
            check=True,
            stdout=subprocess.DEVNULL,
            env={**os.environ, "OPENBLAS_NUM_THREADS": "1"},
            preexec_fn=lambda: os.sched_setaffinity(0, {core}),
        )
        partial = target.with_suffix(".partial")
        partial.write_text((folder / "result.json").read_text())
        partial.replace(target)
        print(f"{name}: {json.loads(target.read_text())['relative_l2']:.2e}", flush=True)
    finally:
        cores.put(core)


def table() -> str:
    """The finished cells as Markdown."""
    lines = [
        "| problem | optimizer | network | iterations | relative L2 error by seed | median | runs that reached |",
        "|---|---|---|---|---|---|---|",
    ]
    for problem, optimizer, network, iterations, seeds, error, least in GROUPS:
        found = {}
        for seed in seeds:
            path = RESULTS / "accuracy" / f"{cell_name(problem, optimizer, network, seed)}.json"
            if path.exists():
                found[seed] = json.loads(path.read_text())["relative_l2"]
        if not found:
            continue
        errors = ", ".join(f"{seed}: {value:.1e}" for seed, value in found.items())
        reached = sum(value <= error for value in found.values())
        goal = f"{error:.0e}: {reached} of {len(found)} runs ({least} of {len(seeds)} asked for)"
        median = f"{statistics.median(found.values()):.1e}"
        lines.append(f"| {problem} | {optimizer} | {network} | {iterations} | {errors} | {median} | {goal} |")
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--workers", type=int, default=os.cpu_count())
    parser.add_argument("--only", default="", help="only cells whose name starts so")
    options = parser.parse_args()
    (RESULTS / "accuracy").mkdir(parents=True, exist_ok=True)
    cores: Queue = Queue()
    for core in sorted(os.sched_getaffinity(0))[: options.workers]:
        cores.put(core)
    with ThreadPoolExecutor(options.workers) as pool:
        futures = [
            pool.submit(run_cell, problem, optimizer, network, iterations, seed, cores)
            for problem, optimizer, network, iterations, seeds, *_ in GROUPS
            for seed in seeds
            if cell_name(problem, optimizer, network, seed).startswith(options.only)
        ]
        for future in futures:
            future.result()
    (RESULTS / "accuracy.md").write_text(table())
    print(table())


if __name__ == "__main__":
    main()
