"""Small runs through every folder of the package, for test_annotations.py, which has their annotations checked.

A process of its own has the import hook of jaxtyping before the package is imported, and two devices.
"""

import json

import jax
import jax.numpy as jnp
import jaxtyping
import numpy as np
import optax
import pytest

import sngd
from sngd.cli import main
from sngd.linearize import Limits, make_objective
from sngd.networks import make_network
from sngd.solver import find_optimizer, make_plan
from sngd.solver._devices import mesh_of, whole_on

LINE = sngd.interval(x=(0, 1))
SQUARE = sngd.box(x=(0, 1), y=(0, 1))
FEW = sngd.Stopping(iterations=2, restarts=0)
OPTIMIZERS = ("two-pass", "single-pass", "engd", "residual-space", "preconditioned", "gd", "bfgs", optax.adam(1e-3))


def solve(problem, **options):
    network = make_network("1x4", problem.domain.bounds, problem.outputs, key=jax.random.key(0))
    return sngd.solve(problem, **{"network": network, "key": jax.random.key(0), "stopping": FEW, **options})


@pytest.fixture(scope="module")
def oscillator():
    equation = sngd.Interior(lambda u, x: sngd.partial(u, "x", "x")(x) + u(x))
    ends = sngd.Dirichlet(lambda x: jnp.sin(x[0]))
    exact = lambda x: jnp.sin(x[0])
    return sngd.Problem(LINE, [equation, ends], exact=exact, quadrature=sngd.GaussLegendre(8))


def test_an_argument_of_another_type_is_refused_by_the_annotations():
    with pytest.raises(jaxtyping.TypeCheckError):
        sngd.partial("u", "x")


def test_data_of_a_file(tmp_path):
    (tmp_path / "readings.csv").write_text("x,u,s\n0.5,1,0.1\n0.7,2,0.2\n")
    data = sngd.read_data(tmp_path / "readings.csv", ["x"], "u", "s", weight=2)
    assert data.values.tolist() == [1.0, 2.0]


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_steps(oscillator, optimizer):
    network = make_network("1x4", LINE.bounds, key=jax.random.key(0))
    objective, theta = make_objective(oscillator, network)
    found = find_optimizer(optimizer)
    assert np.isfinite(found.step(objective, found.first_iterate(objective, theta, jax.random.key(1)))[1].loss)


def test_two_devices(oscillator):
    assert np.isfinite(solve(oscillator, optimizer="two-pass", devices=2).loss)


# Of factors that are not stored.
STORAGE = {
    "kept as outer products": ("2x96", Limits(dense_bytes=0)),
    "recomputed in blocks": ("1x4", Limits(dense_bytes=0, layered=False)),
}


@pytest.mark.parametrize("storage", STORAGE)
@pytest.mark.parametrize("devices", [1, 2])
def test_a_step_with_a_factor(storage, devices):
    equation = sngd.Interior(lambda u, x: sngd.laplacian(u)(x) + 1.0)
    problem = sngd.Problem(SQUARE, [equation, sngd.Dirichlet()], quadrature=sngd.GaussLegendre(5))
    architecture, limits = STORAGE[storage]
    network, mesh = make_network(architecture, SQUARE.bounds, key=jax.random.key(0)), mesh_of(devices)
    objective, theta = make_objective(problem, network, limits, mesh)
    assert objective.storage == storage
    plan = make_plan(objective, theta, "preconditioned" if objective.linear else "residual-space")
    iterate = plan.optimizer.first_iterate(objective, *whole_on(mesh, (theta, jax.random.key(1))))
    assert np.isfinite(plan.optimizer.step(objective, whole_on(mesh, iterate))[1].loss)


def test_an_energy():
    density = lambda u, x: (sngd.gradient(u)(x)[0] ** 2 + u(x) ** 2) / 2 - u(x)
    metric = lambda u, v, x: jnp.stack([sngd.gradient(v)(x)[0], v(x)])
    assert np.isfinite(solve(sngd.Energy(LINE, density, metric, quadrature=sngd.Midpoint(8))).loss)


def test_a_system_with_data_of_numpy_on_arrays_of_points():
    rotation = lambda u, v, x: (sngd.partial(u, "t")(x) - v(x), sngd.partial(v, "t")(x) - u(x))
    equation = sngd.Interior(rotation, value=lambda x: np.array([np.sin(x[0]), 0.0]), weight=2)
    initial = [sngd.Initial(1, of="u"), sngd.Initial(np.zeros(1), of=("v",))]
    points, weights = np.linspace(0, 1, 6)[:, None], np.full(6, 1 / 6)
    domain = sngd.space_time(t=(0, 1))
    problem = sngd.Problem(domain, [equation, *initial], quadrature=(points, weights), unknowns=["u", "v"])
    assert solve(problem)(points).shape == (6, 2)


def test_periodic_in_space_and_time():
    domain = sngd.space_time(t=(0, 1), x=(0, 1))
    heat = sngd.Interior(lambda u, x: sngd.partial(u, "t")(x) - sngd.divergence(u.like(sngd.gradient(u)))(x))
    conditions = [heat, sngd.Initial(lambda x: np.cos(2 * np.pi * x[1])), sngd.Periodic("x", derivatives=(0, 1))]
    problem = sngd.Problem(domain, conditions, quadrature=sngd.Sobol(16), boundary_quadrature=sngd.UniformRandom(4))
    network = make_network("1x4+periodic", domain.bounds, periodic=problem.periodic_axes, key=jax.random.key(0))
    assert np.isfinite(solve(problem, network=network, optimizer="gd").loss)


def test_a_network_and_a_rule_of_a_users_own_with_conditions_on_faces():
    class Rule:
        def rule(self, lower, upper):
            return np.linspace(lower, upper, 9), np.full(9, np.prod(upper - lower) / 9)

    network = jax.tree_util.Partial(lambda theta, x: jnp.tanh(theta[0] * x[0] + theta[1]), jnp.ones(2))
    conditions = [
        sngd.Interior(lambda u, x: sngd.laplacian(u)(x) - u(x)),
        sngd.Neumann(on=LINE.face("x", "lower")),
        sngd.Robin(1, 2.0, on=[LINE.face("x", "upper")]),
        sngd.Boundary(lambda u, x, normal: sngd.directional(u, normal)(x), on="upper", weight=2),
    ]
    problem = sngd.Problem(LINE, conditions, quadrature=Rule(), boundary_quadrature=sngd.GaussLegendre(1))
    assert np.isfinite(solve(problem, network=network, optimizer="gd").loss)


def test_checkpoints_and_saved_solutions(oscillator, tmp_path):
    seen = []
    checkpoints = sngd.Checkpoints(tmp_path / "checkpoints", seconds=0)
    solve(oscillator, checkpoints=checkpoints, callbacks=lambda state, record: seen.append(record.loss))
    resumed = sngd.Checkpoints(str(tmp_path / "checkpoints"), resume=True)
    solution = solve(oscillator, checkpoints=resumed, stopping=sngd.Stopping(iterations=3, restarts=0))
    sngd.save(solution, tmp_path / "solution.npz")
    assert len(seen) == 3
    assert sngd.load(tmp_path / "solution.npz", oscillator).relative_l2() == solution.relative_l2()


def test_the_command_line(tmp_path, capsys):
    assert main(["run", "bvp", "--network", "1x4", "--iterations", "2", "--out", str(tmp_path), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["problem"] == "bvp"
