"""Finished cells of the reproduction, made up for tests."""

import reproduction as paper


def result(cell, error, *, seconds=100.0, iterations=None, ended="iterations exhausted", rank=100, final=1e-6):
    """What a finished cell holds, with a loss that falls to `final` at an even pace."""
    asked = cell.line.iterations
    made = asked if iterations is None else iterations
    return {
        "relative_l2": error,
        "loss": error**2,
        "gramian_rank": rank,
        "seed": cell.seed,
        "seconds": seconds,
        "iterations": made,
        "iterations_asked": asked,
        "result": ended,
        "budget": "cpu",
        "history": {
            "iteration": [0, 1, made],
            "loss": [1.0, 0.1, final],
            "error": [1.0, None, error],
            "seconds": [0.0, seconds / made, seconds],
        },
        "device": "cpu: cpu, 2 CPU cores",
        "cores": 1,
        "peak_bytes": 2_000_000_000,
        "versions": {"sngd": "0.1.0"},
        "date": "2026-11-24",
        "commit": "0123abc",
    }


def cells_of(problem, optimizer, network="4x20"):
    return [cell for cell in paper.select_cells() if cell.name.startswith(f"{problem}-{network}-{optimizer}-")]
