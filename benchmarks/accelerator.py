"""A thousand iterations with a million parameters on the device at hand: minutes, error, and how busy the device is.

    python benchmarks/accelerator.py [--iterations 1000] [--optimizer residual-space] [--network A3] [--points 28]

The heat equation, as in `sngd bench scale`. JAX takes a GPU where it finds one; the figures go to
`results/accelerator-<device>.json`. Utilization is that of the median step: the operations that the plan counts
(docs/performance.md), against the rate of a large product of float64 matrices, measured in the same process.
"""

import argparse
import dataclasses
import time

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from machine import write

from sngd import Stopping, solve
from sngd.library import find_network, heat
from sngd.linearize import make_objective
from sngd.networks import make_network
from sngd.problem import GaussLegendre
from sngd.train import find_optimizer

# Sides of the matrices whose product stands for the peak: a second or so on two cores, enough to fill a GPU.
_SIDE = {"cpu": 3072}
_SIDE_OF_OTHERS = 8192


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--iterations", type=int, default=1000)
    parser.add_argument("--optimizer", default="residual-space")
    parser.add_argument("--network", default="A3")
    parser.add_argument("--points", type=int, default=28)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    jax.config.update("jax_enable_x64", True)
    problem = dataclasses.replace(heat(), quadrature=GaussLegendre(options.points))
    # As many as asked for: neither stagnation nor another start ends the run.
    stopping = Stopping(iterations=options.iterations, patience=options.iterations + 1, refinements=0, restarts=0)
    solution = solve(
        problem,
        find_network(options.network),
        key=jax.random.key(options.seed),
        optimizer=options.optimizer,
        stopping=stopping,
        error_every=50,
    )
    peak = _peak()
    step = float(np.median(np.diff(solution.history.seconds)[2:]))
    operations = _operations(problem, options.network, options.optimizer)
    figures = {
        "problem": "heat",
        "network": options.network,
        "optimizer": options.optimizer,
        "seed": options.seed,
        "parameters": solution.parameters,
        "rows": solution.rows,
        "iterations": len(solution.history.seconds) - 1,
        "result": solution.result.value,
        "relative_l2": solution.relative_l2(problem.exact),
        "minutes": round(solution.seconds / 60, 2),
        "compile_seconds": round(solution.compile_seconds, 1),
        "step_seconds": round(step, 4),
        "operations_a_step": operations,
        "peak_gflops": round(peak / 1e9, 1),
        "utilization": round(operations / step / peak, 3),
        "device_kind": jax.devices()[0].device_kind,
    }
    write(f"accelerator-{jax.devices()[0].platform}", figures)


def _operations(problem, network: str, optimizer: str) -> float:
    """What the plan counts for a step."""
    made = make_network(find_network(network), problem.domain.bounds, key=jax.random.key(0))
    objective, theta = make_objective(problem, made)
    factor = eqx.filter_eval_shape(objective.factor, theta)
    return float(find_optimizer(optimizer).prepare(*factor.shape).cost(factor).operations)


def _peak() -> float:
    """Operations a second of a large product of float64 matrices, the best of three."""
    side = _SIDE.get(jax.devices()[0].platform, _SIDE_OF_OTHERS)
    product, seconds = jax.jit(jnp.matmul), []
    matrix = jnp.ones((side, side))
    jax.block_until_ready(product(matrix, matrix))
    for _ in range(3):
        start = time.perf_counter()
        jax.block_until_ready(product(matrix, matrix))
        seconds.append(time.perf_counter() - start)
    return 2 * side**3 / min(seconds)


if __name__ == "__main__":
    main()
