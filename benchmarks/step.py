"""One two-pass step with 1,341 parameters, against the time that its operations would take as plain matrix products.

    python -m benchmarks step

Everything is measured in one run, in turn, several times over, and compared by medians, since the speed of a shared
machine drifts. `docs/performance.md` explains the count.
"""

import dataclasses
import statistics
import time
from collections.abc import Callable

import equinox as eqx
import jax
import jax.numpy as jnp

from benchmarks.machine import write
from sngd.descent import SNGD
from sngd.geometry import GaussLegendre
from sngd.library import poisson
from sngd.linearize import AbstractObjective, make_objective
from sngd.networks import MLP
from sngd.search import GridSearch, LossAlong
from sngd.solver import Iterate, Optimizer, share_cores_with_lapack

SKETCH_SIZE = 362
ROUNDS = 15


def main() -> None:
    jax.config.update("jax_enable_x64", True)
    with share_cores_with_lapack():
        figures = {activation: measure(activation) for activation in ("sin", "tanh")}
    write("step", figures | {"two_lapack_threads": {"sin": measure("sin")}})


def measure(activation: str) -> dict:
    """The figures for a network with these units."""
    rules = {"quadrature": GaussLegendre(20), "boundary_quadrature": GaussLegendre(30)}
    problem, search = dataclasses.replace(poisson(), **rules), GridSearch()
    network = MLP((2, 20, 20, 20, 20, 1), problem.domain.bounds, key=jax.random.key(0), activation=activation)
    objective, theta = make_objective(problem, network)
    optimizer = Optimizer(SNGD("two-pass", sketch_size=SKETCH_SIZE), search)
    iterate = optimizer.first_iterate(objective, theta, jax.random.key(1))
    rows, parameters, size = objective.rows, len(theta), SKETCH_SIZE
    left, right = jnp.ones((rows, parameters)), jax.random.normal(jax.random.key(3), (parameters, size))
    product = jax.jit(lambda a, b: a @ b)

    parts = parts_of_step(objective, optimizer, iterate)
    milliseconds = medians(parts | {"product": lambda: product(left, right), "qr": lambda: _qr(right)})
    rate = 2 * rows * parameters * size / milliseconds["product"] / 1e6
    counts = _operations(rows, parameters, size, trials=12 + search.refinements)
    floor = sum(counts.values()) / rate / 1e6
    return {
        "rows": rows,
        "parameters": parameters,
        "sketch_size": size,
        "milliseconds": {name: round(value, 2) for name, value in milliseconds.items()},
        "matrix_product_gflops": round(rate, 1),
        "operations": counts,
        "floor_milliseconds": round(floor, 2),
        "ratio_to_floor": round(milliseconds["step"] / floor, 2),
    }


def parts_of_step(objective: AbstractObjective, optimizer: Optimizer, iterate: Iterate) -> dict[str, Callable]:
    """A whole step, and each of its three parts by itself."""
    linearize = eqx.filter_jit(lambda o, t: o.linearize(t))
    descend = eqx.filter_jit(lambda d, at, state, key: d.step(at, state, key))
    state = iterate.optimizer

    @eqx.filter_jit
    def choose(objective, theta, value, curve, state):
        loss = lambda update: objective.value(theta + update)
        along = LossAlong(loss, curve, value, objective.values_at_once)
        return optimizer.search.choose(along, state)

    at = linearize(objective, iterate.theta)
    curve = descend(optimizer.descent, at, state.descent, jax.random.key(2))
    return {
        "step": lambda: optimizer.step(objective, iterate),
        "linearize": lambda: linearize(objective, iterate.theta),
        "descend": lambda: descend(optimizer.descent, at, state.descent, jax.random.key(2)),
        "search": lambda: choose(objective, iterate.theta, at.value, curve, state.search),
    }


@jax.jit
def _qr(matrix: jax.Array) -> jax.Array:
    return jnp.linalg.qr(matrix)[0]


def _operations(n: int, p: int, size: int, trials: int) -> dict[str, int]:
    """Floating-point operations of one step; see `docs/performance.md`."""
    components = 5  # u, u_x, u_y, u_xx, u_yy
    return {
        "jacobian": 3 * 2 * components * n * p,
        "gramian_times_test_matrix": 4 * n * p * size,
        "basis": 4 * p * size**2,
        "core": 2 * n * p * size + 2 * n * size**2,
        "eigendecomposition": 4 * size**3,
        "search": trials * 2 * components * n * p,
    }


def medians(functions: dict[str, Callable]) -> dict[str, float]:
    """Median milliseconds of each function, called in turn."""
    times: dict[str, list[float]] = {name: [] for name in functions}
    for _ in range(ROUNDS + 1):
        for name, function in functions.items():
            start = time.perf_counter()
            jax.block_until_ready(function())
            times[name].append(1e3 * (time.perf_counter() - start))
    return {name: statistics.median(values[1:]) for name, values in times.items()}


if __name__ == "__main__":
    main()
