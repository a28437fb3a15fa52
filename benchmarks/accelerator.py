"""A million parameters and a few thousand on the device at hand: minutes, errors, and how busy the device is.

    python -m benchmarks accelerator [--iterations 1000] [--seconds 600]

The heat equation with the points of `python -m benchmarks scale`, and Poisson's equation, with JAX on a GPU where it
finds one. Every run is kept in `results/accelerator-<device>.json` once it ends.

Utilization: the operations that a step in residual space takes at least (docs/performance.md: outer products, kernel,
eigenvectors and one trial), against the rate of a large product of float64 matrices in the same process, times the
seconds of the median step.
"""

import argparse
import dataclasses
import functools
import time
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

import sngd
from benchmarks.machine import write
from benchmarks.step import medians, parts_of_step
from sngd.library import find_network, heat, poisson
from sngd.linearize import LayeredFactor, make_objective
from sngd.networks import make_network
from sngd.solver import Optimizer, find_optimizer

# Sides of the matrices whose product stands for the peak: a second or so on two cores, enough to fill a GPU.
_SIDE, _SIDE_OF_OTHERS = {"cpu": 3072}, 8192
_TARGETS = (1e-8, 2e-9, 1e-12)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--iterations", type=int, default=1000, help="of the run in residual space")
    parser.add_argument("--seconds", type=float, default=600, help="at most, for each run")
    options = parser.parse_args()
    jax.config.update("jax_enable_x64", True)
    on_grid = dataclasses.replace(heat(), quadrature=sngd.GaussLegendre(28))
    limit = sngd.Stopping(seconds=options.seconds)
    peak = peak_rate()
    figures = {
        "device_kind": jax.devices()[0].device_kind,
        "peak_gflops": round(peak / 1e9, 1),
        "singular_values": singular_values(),
        "runs": [],
    }
    for problem, network in ((on_grid, "A3"), (on_grid, "A2"), (poisson(), "3x24")):
        figures["runs"].append(in_figures(network, [solve(problem, network, limit)]))
        write(f"accelerator-{jax.devices()[0].platform}", figures)
    run = in_figures("A3", to_the_count(on_grid, "A3", options.iterations, options.seconds))
    parts, operations = parts_and_operations(on_grid, "A3")
    utilization = round(operations / run["step_seconds"] / peak, 3)
    run |= {"milliseconds": parts, "operations_a_step": operations, "utilization": utilization}
    figures["runs"].append(run)
    write(f"accelerator-{jax.devices()[0].platform}", figures)


def solve(problem: sngd.Problem, network: Any, stopping: sngd.Stopping, **options) -> sngd.Solution:
    """One run, its error measured every ten iterations."""
    model = find_network(network) if isinstance(network, str) else network
    return sngd.solve(problem, model, key=jax.random.key(0), stopping=stopping, error_every=10, **options)


def to_the_count(problem: sngd.Problem, network: str, iterations: int, seconds: float) -> list[sngd.Solution]:
    """Runs in residual space, each from where the last one ended by itself, until they add up."""
    runs, model, more = [], network, True
    while more:
        stopping = sngd.Stopping(iterations=iterations, seconds=seconds, refinements=0, restarts=0)
        runs.append(solve(problem, model, stopping, optimizer="residual-space"))
        model, taken = runs[-1].network, len(runs[-1].history) - 1
        iterations, seconds = iterations - taken, seconds - runs[-1].seconds
        more = taken > 0 and iterations > 0 and seconds > 0
    return runs


def in_figures(network: str, runs: list[sngd.Solution]) -> dict:
    """Runs that follow each other as one."""
    first, last = runs[0].history, runs[-1]
    steps = np.concatenate([np.diff(run.history.seconds)[2:] for run in runs])
    return {
        "problem": last.problem.name,
        "network": network,
        "optimizer": last.optimizer,
        "parameters": last.parameters,
        "rows": last.rows,
        "iterations": sum(len(run.history) - 1 for run in runs),
        "result": last.result.value,
        "relative_l2": last.relative_l2(),
        "minutes": round(sum(run.seconds for run in runs) / 60, 2),
        "compile_seconds": round(sum(run.compile_seconds for run in runs), 1),
        "step_seconds": round(float(np.median(steps)), 4),
        "mean_step_seconds": round(float(np.mean(steps)), 4),
        "runs": len(runs),
    } | {f"seconds_to_{target:.0e}": _first(first.seconds, first.error <= target) for target in _TARGETS}


def _first(seconds: np.ndarray, below: np.ndarray) -> float | None:
    return round(float(seconds[np.argmax(below)]), 1) if below.any() else None


def parts_and_operations(problem: sngd.Problem, network: str) -> tuple[dict[str, float], float]:
    """Milliseconds of a step in residual space and of its parts, and the least operations that it takes."""
    made = make_network(find_network(network), problem.domain.bounds, key=jax.random.key(0))
    objective, theta = make_objective(problem, made)
    rows, parameters = objective.rows, len(theta)
    optimizer = find_optimizer("residual-space")
    assert isinstance(optimizer, Optimizer)
    iterate = optimizer.first_iterate(objective, theta, jax.random.key(1))
    for _ in range(3):
        iterate, _ = optimizer.step(objective, iterate)
    step = {"step": lambda: optimizer.step(objective, iterate)}
    seconds = medians(step | parts_of_step(objective, optimizer, iterate))
    factor = eqx.filter_jit(objective.factor)(theta)
    assert isinstance(factor, LayeredFactor)
    # Taylor components, of which as many pairs are in use: the same for every hidden layer.
    interior = next(iter(factor.terms[0].outer.values()))
    components, in_use = interior.left.shape[1], int(interior.in_use)
    kernel = factor.kernel_operations * in_use * (in_use + 1) / (components * (components + 1))
    products = (6 * components + 2 * (components + in_use)) * rows * parameters
    operations = kernel + 10 * rows**3 + products
    return {name: round(1e3 * value, 2) for name, value in seconds.items()}, float(operations)


def singular_values(side: int = 868) -> dict[str, dict[str, float]]:
    """Milliseconds and the relative error `||U S V^T - R|| / ||R||` of every algorithm for a triangle as a factor has
    it, with singular values from 1 to 1e-18.
    """
    left, right = (jnp.linalg.qr(jax.random.normal(jax.random.key(seed), (side, side)))[0] for seed in (0, 1))
    triangle = jnp.linalg.qr((left * 10.0 ** jnp.linspace(0, -18, side)) @ right)[1]
    found = {}
    for algorithm in jax.lax.linalg.SvdAlgorithm:
        decompose = jax.jit(functools.partial(jax.lax.linalg.svd, algorithm=algorithm))
        try:
            u, s, v = jax.block_until_ready(decompose(triangle))
        except NotImplementedError:
            continue
        milliseconds = 1e3 * medians({"svd": functools.partial(decompose, triangle)})["svd"]
        error = jnp.linalg.norm((u * s) @ v - triangle) / jnp.linalg.norm(triangle)
        found[algorithm.name] = {"milliseconds": round(milliseconds, 1), "error": float(f"{error:.1e}")}
    return found


def peak_rate() -> float:
    """Operations a second of a large product of float64 matrices, the best of three."""
    side = _SIDE.get(jax.devices()[0].platform, _SIDE_OF_OTHERS)
    product, seconds = jax.jit(jnp.matmul), []
    matrix = jax.random.normal(jax.random.key(0), (side, side))
    jax.block_until_ready(product(matrix, matrix))
    for _ in range(3):
        start = time.perf_counter()
        jax.block_until_ready(product(matrix, matrix))
        seconds.append(time.perf_counter() - start)
    return 2 * side**3 / min(seconds)


if __name__ == "__main__":
    main()
