"""What single precision would save in the kernel of a million parameters, and where its digits would be enough.

    python -m benchmarks single

The heat equation with the paper's network A3 on 28 x 28 Gauss-Legendre points (and 28 an edge), in residual space. A
kernel with the error `e` knows singular values down to `sqrt(e)` times the largest, so it can serve a step whose
damping is above that: the run of `STEPS` steps shows how many there are.
"""

import dataclasses
import statistics
import time

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.machine import write
from sngd.geometry import GaussLegendre
from sngd.library import find_network, heat
from sngd.linearize import make_objective
from sngd.networks import make_network
from sngd.solver import Record, Snapshot, Stopping, solve

STEPS, ROUNDS = 30, 7


def main() -> None:
    jax.config.update("jax_enable_x64", True)
    problem = dataclasses.replace(heat(), quadrature=GaussLegendre(28))
    network = make_network(find_network("A3"), problem.domain.bounds, key=jax.random.key(0))
    objective, theta = make_objective(problem, network)
    factor = eqx.filter_jit(objective.factor)(theta)
    kernel = eqx.filter_jit(lambda stored: stored.kernel())
    kernels, seconds = {}, {}
    for dtype in (jnp.float64, jnp.float32):
        cast = jax.tree.map(lambda leaf, to=dtype: leaf.astype(to) if eqx.is_inexact_array(leaf) else leaf, factor)
        kernels[dtype.__name__], times = np.asarray(kernel(cast), float), []
        for _ in range(ROUNDS):
            start = time.perf_counter()
            jax.block_until_ready(kernel(cast))
            times.append(time.perf_counter() - start)
        seconds[dtype.__name__] = statistics.median(times)
    double, single = kernels["float64"], kernels["float32"]
    error = np.linalg.norm(single - double, 2) / np.linalg.norm(double, 2)

    dampings, ended = [], []

    def note(snapshot: Snapshot, record: Record) -> None:
        dampings.append(float(snapshot.iterate.optimizer.search.damping))
        ended.append(record.seconds)

    stopping = Stopping(iterations=STEPS, restarts=0)
    solution = solve(
        problem, network, key=jax.random.key(0), optimizer="residual-space", stopping=stopping, callbacks=[note]
    )
    # The first entry is before any step; so a step's damping and its end stand one further.
    served = sum(damping > float(error) ** 0.5 for damping in dampings[1:])
    write(
        "single",
        {
            "kernel_seconds": {name: round(value, 3) for name, value in seconds.items()},
            "relative_error_of_the_single_kernel": float(f"{error:.2g}"),
            "steps": STEPS,
            "dampings": [float(f"{damping:.2g}") for damping in dampings[1:]],
            "steps_that_single_precision_could_serve": served,
            "seconds_saved": round(served * (seconds["float64"] - seconds["float32"]), 2),
            "seconds_of_the_run": round(ended[-1], 1),
            "relative_l2": solution.relative_l2(),
        },
    )


if __name__ == "__main__":
    main()
