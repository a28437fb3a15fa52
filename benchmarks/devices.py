"""The same run on one device and on several, in one process and in two; and what devices exchange in a step.

    python -m benchmarks devices

Devices are made of processor cores, in processes of their own. `docs/devices.md` explains the figures, and
`tests/test_devices.py` holds them to bounds.
"""

import dataclasses
import json
import os
import re
import socket
import subprocess
import sys
import tempfile

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree

import sngd
from benchmarks.machine import RESULTS, write
from sngd._rows import DIVIDED, RowLayout, on_every_device
from sngd.descent import SNGD, CurveReport, FactorDescent, Preconditioned, ResidualSpace
from sngd.library import bvp, bvp_energy, poisson
from sngd.linearize import Limits, make_objective
from sngd.networks import make_network
from sngd.sketch import gaussian, sharded_svd
from sngd.solver import Checkpoints, Optimizer, Stopping
from sngd.solver._devices import mesh_of

ITERATIONS = 4

# 25 points inside, which neither two devices nor four divide evenly, and 20 on the boundary; 65 parameters.
PROBLEM, NETWORK = dataclasses.replace(poisson(), quadrature=sngd.GaussLegendre(5), exact=None), "1x16"

# 19 points inside and two at the ends, fewer than there are devices; 193 parameters.
LINE, LINE_NETWORK = dataclasses.replace(bvp(), quadrature=sngd.GaussLegendre(19)), "2x12"

# At its own tolerance of 1e-16 two-pass SNGD keeps eigenvalues that are rounding: a run whose parameters are changed in
# their last digits then has little in common with it after a few steps, on one device too.
RUNS = {
    "damped": "damped",
    "two-pass": Optimizer(SNGD(tolerance=1e-4, sketch_size=40)),
    "residual-space": "residual-space",
}

SKETCH_SIZE = 6
DESCENTS = {
    "two-pass": SNGD(sketch_size=SKETCH_SIZE),
    "damped, sketched": FactorDescent(sketch_size=SKETCH_SIZE),
    "damped": FactorDescent(),
    "preconditioned": Preconditioned(),
    "residual-space": ResidualSpace(),
    "residual-space, widened": ResidualSpace(),
}
KEPT = {
    "stored": Limits(),
    "outer products": Limits(dense_bytes=0),
    "blocks": Limits(dense_bytes=0, layered=False, chunk_bytes=8 * 193 * 2),
}
STEPS = (
    ("two-pass", "stored"),
    ("two-pass", "outer products"),
    ("damped, sketched", "blocks"),
    ("damped", "stored"),
    ("preconditioned", "outer products"),
    ("residual-space", "stored"),
    ("residual-space", "outer products"),
    ("residual-space, widened", "outer products"),
)

SHAPES = ((90, 14), (13, 90), (20, 22))

_COLLECTIVE = re.compile(r"= (.*?) (all-gather|all-reduce|all-to-all|collective-permute|reduce-scatter)(?:-start)?\(")


def main(part: str | None = None, *arguments: str) -> None:
    """Measure everything and write it; or only print it; or do one part, in a process that was started for it."""
    match part:
        case None:
            write("devices", measure())
        case "print":
            print(json.dumps(measure()))
        case "runs":
            print(json.dumps({name: runs(optimizer) for name, optimizer in RUNS.items()}))
        case "steps":
            print(json.dumps(steps()))
        case "process":
            rank, port = arguments
            jax.config.update("jax_cpu_collectives_implementation", "gloo")
            jax.distributed.initialize(f"localhost:{port}", 2, int(rank))
            print(json.dumps(run("damped", jax.device_count())))


def measure() -> dict:
    """All figures: differences are relative, collectives are counted in numbers that a device holds after them."""
    with socket.socket() as free:
        free.bind(("localhost", 0))
        port = str(free.getsockname()[1])
    parts = [_start(4, "runs"), _start(4, "steps"), *(_start(1, "process", rank, port) for rank in "01")]
    found, figures, first, second = map(_result, parts)
    found["damped"]["2 processes"] = first
    differences = {}
    for name, cases in found.items():
        one = cases.pop("1 device")
        differences[name] = {case: _difference(other, one) for case, other in cases.items()}
    return {"iterations": ITERATIONS, "runs": differences, "processes_agree": first == second, **figures}


def _start(devices: int, *arguments: str) -> subprocess.Popen:
    environment = {
        **os.environ,
        "JAX_ENABLE_X64": "1",
        "JAX_PLATFORMS": "cpu",
        "PYTHONWARNINGS": "error",
        "XLA_FLAGS": f"{os.environ.get('XLA_FLAGS', '')} --xla_force_host_platform_device_count={devices}",
    }
    command, folder = [sys.executable, "-m", "benchmarks.devices", *arguments], RESULTS.parent
    return subprocess.Popen(command, cwd=folder, env=environment, stdout=subprocess.PIPE, text=True)


def _result(process: subprocess.Popen) -> dict:
    output, _ = process.communicate()
    if process.returncode:
        raise RuntimeError(f"a process ended with status {process.returncode}; what it says stands above")
    return json.loads(output.splitlines()[-1])


def _difference(found: dict, one: dict) -> dict:
    losses = [abs(a / b - 1) for a, b in zip(found["loss"], one["loss"], strict=True)]
    theta = _largest([np.array(found["theta"])], [np.array(one["theta"])])
    return {"first_loss": losses[1], "losses": max(losses), "parameters": theta}


def _largest(found, expected) -> float:
    """The largest difference between arrays, each relative to the largest number in it."""
    return max(float(np.max(np.abs(a - b)) / np.max(np.abs(b))) for a, b in zip(found, expected, strict=True))


def runs(optimizer) -> dict:
    """The same run on one device, on four, and on four from a checkpoint on; in residual space, where rounding errors
    grow, in the place of the latter on one device with parameters changed in their last digits.
    """
    cases = {"1 device": run(optimizer, 1), "4 devices": run(optimizer, 4)}
    if optimizer == "residual-space":
        return cases | {"last digits": run(optimizer, 1, np.finfo(float).eps)}
    with tempfile.TemporaryDirectory() as folder:
        run(optimizer, 4, iterations=ITERATIONS // 2, checkpoints=Checkpoints(folder))
        return cases | {"4 devices, resumed": run(optimizer, 4, checkpoints=Checkpoints(folder, resume=True))}


def run(
    optimizer,
    devices: int,
    rounding: float = 0.0,
    iterations: int = ITERATIONS,
    checkpoints: Checkpoints | None = None,
) -> dict:
    """The losses, seconds and final parameters of a short run. Devices must agree on the parameters, bit for bit."""
    states = []
    solution = sngd.solve(
        PROBLEM,
        network(PROBLEM, NETWORK, rounding),
        key=jax.random.key(0),
        optimizer=optimizer,
        stopping=Stopping(iterations=iterations, restarts=0),
        devices=devices,
        checkpoints=checkpoints,
        callbacks=[lambda state, record: states.append(state)],
    )
    theta = states[-1].theta
    assert len(theta.sharding.device_set) == devices
    for copy in theta.addressable_shards:
        np.testing.assert_array_equal(copy.data, theta)
    history = solution.history
    return {"loss": history.loss.tolist(), "seconds": history.seconds.tolist(), "theta": np.asarray(theta).tolist()}


def network(problem, architecture: str, rounding: float = 0.0):
    """A network for the problem, with every parameter changed by `rounding`, relative to it, up or down."""
    made = make_network(architecture, problem.domain.bounds, key=jax.random.key(1))
    parameters, rest = eqx.partition(made, eqx.is_inexact_array)
    theta, unravel = ravel_pytree(parameters)
    signs = jax.random.rademacher(jax.random.key(2), theta.shape, theta.dtype)
    return eqx.combine(unravel(theta * (1 + rounding * signs)), rest)


def steps() -> dict:
    """Single steps, and what they are made of, on four devices."""
    expected = products(*make_objective(LINE, network(LINE, LINE_NETWORK)))
    factors = {}
    for kept, limits in KEPT.items():
        found = products(*make_objective(LINE, network(LINE, LINE_NETWORK), limits, mesh_of(4)))
        factors[kept] = _largest(found, expected)
    return {
        "sketch_size": SKETCH_SIZE,
        "steps": {f"{name}, {kept}": exchanged(name, KEPT[kept]) for name, kept in STEPS},
        "factors": factors,
        "eigenvalues": eigenvalue_difference(),
        "decompositions": {f"{rows} x {columns}": svd_difference(rows, columns) for rows, columns in SHAPES},
        "energy": energy_difference(),
    }


def eigenvalue_difference() -> float:
    """How far the eigenvalues of sketches of outer products on four devices are from those on one device."""
    found = []
    for mesh in (mesh_of(4), None):
        made = network(LINE, LINE_NETWORK)
        objective, theta = make_objective(LINE, made, KEPT["outer products"], mesh)

        @eqx.filter_jit
        def decomposed(objective, theta):
            factor = objective.factor(theta)
            sketches = [factor.two_pass, factor.single_pass]
            return [sketch(gaussian, jax.random.key(3), SKETCH_SIZE).eigenvalues for sketch in sketches]

        found.append(decomposed(objective, theta))
    return _largest(*found)


def exchanged(name: str, limits: Limits) -> dict:
    """What is exchanged in a step on four devices, and whether any of them holds all rows of the factor.

    Few rows and many parameters: sizes tell whether it is the rows of the factor, columns or triangles.
    """
    objective, theta = make_objective(LINE, network(LINE, LINE_NETWORK), limits, mesh_of(4))
    rows, parameters = eqx.filter_eval_shape(objective.factor, theta).shape
    descent = DESCENTS[name]
    state = descent.init(rows, parameters)
    if name.endswith("widened"):
        state = descent.widen(state, CurveReport())

    @jax.jit
    def step(theta, key):
        return descent.step(objective.linearize(theta), state, key).update(jnp.asarray(1.0))

    text = step.lower(theta, jax.random.key(0)).compile().as_text() or ""
    collectives = [[name, _numbers(shapes)] for shapes, name in _COLLECTIVE.findall(text)]
    whole = f"f64[{rows},{parameters}]" in text or f"f64[{parameters},{rows}]" in text
    return {"rows": rows, "parameters": parameters, "collectives": collectives, "all_rows_on_a_device": whole}


def _numbers(shapes: str) -> int:
    """How many numbers there are in arrays of these shapes, `f64[2,3]` and the like."""
    found = re.findall(r"\[([\d,]*)\]", shapes)
    return sum(int(np.prod([int(size) for size in shape.split(",") if size])) for shape in found)


@eqx.filter_jit
def products(objective, theta):
    """With the factor at these parameters; they do not depend on how and where it is kept."""
    factor = objective.factor(theta)
    columns = jnp.stack([theta, theta**2], axis=1)
    images = factor.matmul(columns)
    return factor.kernel(), images, factor.rmatmul(images), factor.gramian_compress(columns)


def svd_difference(rows: int, columns: int) -> float:
    """How far the decomposition over four devices is from its matrix, whose singular values fall to 1e-12."""
    random, short = np.random.default_rng(0), min(rows, columns)
    left, _ = np.linalg.qr(random.standard_normal((rows, short)))
    right, _ = np.linalg.qr(random.standard_normal((columns, short)))
    values = np.geomspace(1, 1e-12, short)
    matrix = (left * values) @ right.T
    mesh = mesh_of(4)
    assert mesh is not None
    layout = RowLayout(mesh, ((rows - 5, 1), (1, 5)))

    @jax.jit
    def parts(matrix):
        svd = sharded_svd(on_every_device(layout.part, layout.mesh, 0, DIVIDED)(matrix), layout)
        left = jax.vmap(svd.left_rmatmul)(jnp.eye(rows))
        right = jax.vmap(svd.right_rmatmul)(jnp.eye(columns))
        other = jax.vmap(svd.right_matmul, out_axes=1)(jnp.eye(short))
        return svd.singular_values, (left * svd.singular_values) @ right.T, left.T @ left, right.T @ other

    return _largest(parts(matrix), (values, matrix, np.eye(short), np.eye(short)))


def energy_difference() -> float:
    """An energy, its gradients and its change on four devices against one."""

    @eqx.filter_jit
    def values(objective, theta):
        change = objective.change(theta, 1.1 * theta)
        return objective.value(theta), jax.grad(objective.value)(theta), objective.gradient(theta), change

    problem = bvp_energy()
    made = network(problem, "1x10")
    one, several = (values(*make_objective(problem, made, None, mesh_of(count))) for count in (1, 4))
    return _largest(several, one)


if __name__ == "__main__":
    main(*sys.argv[1:])
