"""What single precision would save with a million parameters, and where its digits would be enough.

    python -m benchmarks single

The heat equation with the paper's network A3 on 28 x 28 Gauss-Legendre points (and 28 an edge), in residual space. A
kernel with the error `e` knows singular values down to `sqrt(e)` times the largest, so it can serve a step whose
damping is above that: the run of `STEPS` steps shows how many there are.

In a step of two-pass SNGD the first product, `F M`, only determines the range. At the start and at the end of that run
it is taken in both precisions, and everything after it in double precision.
"""

import dataclasses
import statistics
import time

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import DTypeLike
from jaxtyping import Array, Float

from benchmarks.machine import write
from sngd.geometry import GaussLegendre
from sngd.library import find_network, heat
from sngd.linearize import AbstractFactor, AbstractObjective, LayeredFactor, make_objective
from sngd.networks import make_network
from sngd.sketch import gaussian, two_pass_by_factor
from sngd.solver import Record, Snapshot, Stopping, solve

STEPS, ROUNDS = 30, 7

# The columns of the sketch of SNGD, and its truncation tolerance.
COLUMNS, TOLERANCE = 512, 1e-16


def main() -> None:
    jax.config.update("jax_enable_x64", True)
    problem = dataclasses.replace(heat(), quadrature=GaussLegendre(28))
    network = make_network(find_network("A3"), problem.domain.bounds, key=jax.random.key(0))
    objective, theta = make_objective(problem, network)
    factor = eqx.filter_jit(objective.factor)(theta)
    kernel = eqx.filter_jit(lambda stored: stored.kernel())
    kernels, seconds = {}, {}
    for dtype in (jnp.float64, jnp.float32):
        cast = _cast(factor, dtype)
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
            "first_pass_at_the_start": first_pass(objective, theta),
            "first_pass_at_the_end": first_pass(*make_objective(problem, solution.network)),
        },
    )


def first_pass(objective: AbstractObjective, theta: Float[Array, " p"]) -> dict[str, dict[str, float]]:
    """For each precision of `F M`: its seconds, the rank that the sketch finds, and what its step would gain.

    The gain is the reduction of the loss that the quadratic model predicts for the natural gradient step, relative to
    the loss.
    """
    at = eqx.filter_jit(lambda objective, theta: objective.linearize(theta))(objective, theta)
    assert isinstance(at.factor, LayeredFactor)
    sketches = eqx.filter_jit(lambda factor, key: factor.sketches(gaussian, key, COLUMNS))

    @eqx.filter_jit
    def step(factor, sketch, embedding, gradient):
        found = two_pass_by_factor(sketch, embedding, factor.products)
        gain = gradient @ found.pinv_matmul(gradient, TOLERANCE) / 2
        return found.rank(TOLERANCE), gain

    figures, key = {}, jax.random.key(5)
    _, embedding = sketches(at.factor, key)
    for dtype in (jnp.float64, jnp.float32):
        cast = _cast(at.factor, dtype)
        sketch, _ = jax.block_until_ready(sketches(cast, key))
        start = time.perf_counter()
        jax.block_until_ready(sketches(cast, key))
        seconds = time.perf_counter() - start
        rank, gain = step(at.factor, sketch.astype(jnp.float64), embedding, at.gradient)
        figures[dtype.__name__] = {
            "seconds": round(seconds, 2),
            "rank": int(rank),
            "gain": float(f"{float(gain / at.value):.6g}"),
        }
    return figures


def _cast(factor: AbstractFactor, dtype: DTypeLike) -> AbstractFactor:
    return jax.tree.map(lambda leaf: leaf.astype(dtype) if eqx.is_inexact_array(leaf) else leaf, factor)


if __name__ == "__main__":
    main()
