"""Solutions on disk: they come back as they were, for the problem and the network that they were saved for."""

import dataclasses
import errno
import json
import os
import subprocess
import sys

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import sngd
from sngd.library import transport
from sngd.networks import MLP
from sngd.solver import Stopping, load, save

EQUATION = sngd.Interior(lambda u, x: u(x) - x[0])
PROBLEM = sngd.Problem(sngd.space_time(t=(0, 1), x=(0, 2)), [EQUATION], name="ramp", quadrature=sngd.GaussLegendre(4))


@pytest.fixture(scope="module")
def solution():
    return sngd.solve(PROBLEM, "1x8", key=jax.random.key(1), stopping=Stopping(iterations=3))


def test_saved_solutions_come_back(solution, tmp_path):
    save(solution, tmp_path / "solution.npz")
    back = load(tmp_path / "solution.npz", solution.problem)
    points = np.random.default_rng(0).uniform(0, 1, (50, 2))
    np.testing.assert_array_equal(back(points), solution(points))
    np.testing.assert_array_equal(back.history.loss, solution.history.loss)
    assert (back.result, back.rows, back.parameters) == (solution.result, solution.rows, solution.parameters)
    assert list(tmp_path.iterdir()) == [tmp_path / "solution.npz"]


def test_a_solution_is_shown_in_five_lines(solution):
    first, *others = repr(solution).splitlines()
    assert first == f"Solution: {solution.result.value}"
    assert others[0] == "    problem: ramp, t in [0, 1], x in [0, 2]"
    assert others[1].startswith("    network: 33 parameters, 16 rows; ")
    assert others[2] == f"    relative L2 error, estimated: {solution.error_estimate:.1e}"
    assert others[3].startswith("    3 iterations, ")


def test_networks_of_the_users_come_back_through_their_structure(tmp_path, key):
    network = jax.tree_util.Partial(lambda w, x: w[0] * x[0] + w[1], jnp.array([2.0, 1.0]))
    problem = sngd.Problem(sngd.interval(x=(0, 1)), [sngd.Dirichlet(lambda x: 3 * x[0])])
    solution = sngd.solve(problem, network, key=key, stopping=Stopping(iterations=2))
    save(solution, tmp_path / "s.npz")
    with pytest.raises(ValueError, match="network is missing"):
        load(tmp_path / "s.npz", problem)
    np.testing.assert_allclose(load(tmp_path / "s.npz", problem, network)(np.array([[2.0]])), 6, rtol=1e-10)


def test_a_solution_that_cannot_be_written_leaves_the_earlier_one(solution, tmp_path, monkeypatch):
    path = tmp_path / "solution.npz"
    save(solution, path)
    earlier = path.read_bytes()

    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left on device"):
        save(dataclasses.replace(solution, detail="another one"), path)
    assert path.read_bytes() == earlier
    assert list(tmp_path.iterdir()) == [path]


def test_files_of_something_else_are_refused(solution, tmp_path):
    path = tmp_path / "file.npz"
    for content in (b"", b"not a zip", b"PK\x03\x04 cut short"):
        path.write_bytes(content)
        with pytest.raises(ValueError, match=r"file.npz' is not a saved solution"):
            load(path, solution.problem)
    np.savez(path, header=np.array(json.dumps({"format": "other"})))
    with pytest.raises(ValueError, match="is not a saved solution: its format is 'other', not 'sngd-solution-"):
        load(path, solution.problem)
    np.savez(path, header=np.array([{"pickled": 1}], dtype=object))
    with pytest.raises(ValueError, match="is not a saved solution"):
        load(path, solution.problem)


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"name": "other"}, "name is 'other' here and 'ramp' there"),
        ({"unknowns": ("u", "v")}, "unknowns is ('u', 'v') here and ('u',) there"),
        ({"domain": sngd.space_time(t=(0, 1), y=(0, 2))}, "axes is ('t', 'y') here and ('t', 'x') there"),
        (
            {"domain": sngd.space_time(t=(0, 1), x=(0, 3))},
            "bounds is ((0.0, 1.0), (0.0, 3.0)) here and",
        ),
        ({"domain": sngd.box(t=(0, 1), x=(0, 2))}, "time axis is None here and 't' there"),
        (
            {"name": "other", "unknowns": ("u", "v")},
            "name is 'other' here and 'ramp' there; unknowns is ('u', 'v') here and ('u',) there",
        ),
    ],
)
def test_the_solution_of_another_problem_is_refused(changes, named, solution, tmp_path):
    save(solution, tmp_path / "s.npz")
    with pytest.raises(ValueError, match="holds a solution of another problem") as caught:
        load(tmp_path / "s.npz", dataclasses.replace(PROBLEM, **changes))
    assert named in str(caught.value)


class Cosines(eqx.Module):
    """A network of a user's own, with all kinds of parts."""

    weights: list
    counts: jax.Array
    activation: object = jnp.cos
    power: float = eqx.field(static=True, default=1.0)

    def __call__(self, x):
        return jnp.sum(self.weights[0] * self.activation(self.counts * x[0])) ** self.power + self.weights[1] @ x


def cosines(sizes=(3, 2), counts=(0, 1, 2), **parts):
    return Cosines([jnp.ones(size) for size in sizes], jnp.array(counts), **parts)


@pytest.fixture(scope="module")
def own(tmp_path_factory):
    path = tmp_path_factory.mktemp("own") / "s.npz"
    save(sngd.solve(PROBLEM, cosines(), key=jax.random.key(0), stopping=Stopping(iterations=1)), path)
    return path


@pytest.mark.parametrize(
    ("network", "named"),
    [
        (cosines(sizes=(2, 3)), "network.weights[0] is float64 of shape (2,) here and float64 of shape (3,) there"),
        (cosines(counts=(0, 1, 3)), "network.counts is int64 of shape (3,) with checksum"),
        (cosines(activation=jnp.sin), "network.activation is sin here and cos there"),
        (cosines(power=2.0), "network.power is 2 here and 1 there"),
        (MLP((2, 1, 1), ((0, 1), (0, 2)), key=jax.random.key(0)), "network is MLP here and Cosines there"),
    ],
)
def test_the_solution_by_another_network_is_refused(network, named, own):
    """Also by one with as many parameters, which would be filled with numbers that mean something else."""
    load(own, PROBLEM, cosines())
    with pytest.raises(ValueError, match="holds a solution by another network") as caught:
        load(own, PROBLEM, network)
    assert named in str(caught.value)


def test_an_mlp_with_other_bounds_is_another_network(solution, tmp_path):
    save(solution, tmp_path / "s.npz")
    mlp = lambda upper: MLP((2, 8, 1), ((0, 1), (0, upper)), key=jax.random.key(0))
    back = load(tmp_path / "s.npz", PROBLEM, mlp(2))
    np.testing.assert_array_equal(back.network.weights[0], solution.network.weights[0])
    with pytest.raises(ValueError, match=r"network.bounds is \(\(0, 1\), \(0, 3\)\) here and"):
        load(tmp_path / "s.npz", PROBLEM, mlp(3))


IN_A_FILE = """
import sys, jax, jax.numpy as jnp, sngd
jax.config.update("jax_enable_x64", True)
line = sngd.interval(x=(0, 1))
problem = sngd.Problem(line, [sngd.Interior(lambda u, x: u(x) - x[0])])
network = jax.tree_util.Partial(lambda w, x: w[0] * jax.nn.relu(x[0]) + w[1], jnp.ones(2))
if sys.argv[1] == "save":
    stopping = sngd.Stopping(iterations=1)
    sngd.save(sngd.solve(problem, network, key=jax.random.key(0), stopping=stopping), sys.argv[2])
else:
    assert abs(sngd.load(sys.argv[2], problem, network)(jnp.array([[0.5]]))[0] - 0.5) < 1e-9
"""


def test_a_network_with_functions_comes_back_in_another_process(tmp_path):
    for what in ("save", "load"):
        subprocess.run([sys.executable, "-c", IN_A_FILE, what, str(tmp_path / "s.npz")], check=True)


def test_a_file_of_an_earlier_version_says_so(tmp_path, solution):
    header = {"format": "sngd-solution-4", "problem": "ramp", "axes": ["t", "x"], "network": None}
    np.savez(tmp_path / "s.npz", header=np.array(json.dumps(header)), parameters=np.zeros(33))
    with pytest.raises(ValueError, match=r"an earlier version wrote it \(sngd-solution-4, now sngd-solution-10\)"):
        load(tmp_path / "s.npz", PROBLEM)


def test_a_periodic_network_is_saved_and_read(tmp_path, key):
    problem = dataclasses.replace(transport(speed=2.0), quadrature=sngd.GaussLegendre(10))
    solution = sngd.solve(problem, "1x8+periodic", key=key, stopping=Stopping(iterations=1))
    sngd.save(solution, tmp_path / "solution.npz")
    points = np.random.default_rng(0).uniform(0, 1, (10, 2))
    np.testing.assert_array_equal(sngd.load(tmp_path / "solution.npz", problem)(points), solution(points))
