"""One two-pass step with a million parameters: time and peak resident memory of the whole process.

    python -m benchmarks memory

The heat equation with the paper's network A3 on 30 x 30 Gauss-Legendre points (and 30 an edge), sketch size 100.
"""

import dataclasses
import time

import jax

from benchmarks.machine import write
from sngd.descent import SNGD
from sngd.geometry import GaussLegendre
from sngd.library import find_network, heat
from sngd.linearize import make_objective
from sngd.networks import make_network
from sngd.search import GridSearch
from sngd.solver import Optimizer, peak_bytes

SKETCH_SIZE = 100


def main() -> None:
    jax.config.update("jax_enable_x64", True)
    problem = dataclasses.replace(heat(), quadrature=GaussLegendre(30))
    network = make_network(find_network("A3"), problem.domain.bounds, key=jax.random.key(0))
    objective, theta = make_objective(problem, network)
    before = peak_bytes()
    optimizer = Optimizer(SNGD("two-pass", sketch_size=SKETCH_SIZE), GridSearch())
    iterate = optimizer.first_iterate(objective, theta, jax.random.key(1))
    seconds, losses = [], []
    for _ in range(2):
        start = time.perf_counter()
        iterate, report = jax.block_until_ready(optimizer.step(objective, iterate))
        seconds.append(time.perf_counter() - start)
        losses.append(float(report.loss))
    write(
        "memory",
        {
            "problem": "heat",
            "network": "A3",
            "parameters": len(theta),
            "rows": objective.rows,
            "sketch_size": SKETCH_SIZE,
            "factor": objective.storage,
            "loss_after_step": losses[-1],
            "first_step_seconds": round(seconds[0], 1),
            "second_step_seconds": round(seconds[1], 1),
            "peak_resident_gib_before_the_step": round(before / 2**30, 2),
            "peak_resident_gib": round(peak_bytes() / 2**30, 2),
            "dense_factor_gib": round(8 * objective.rows * len(theta) / 2**30, 2),
            "dense_gramian_gib": round(8 * len(theta) ** 2 / 2**30, 0),
        },
    )


if __name__ == "__main__":
    main()
