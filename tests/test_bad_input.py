"""Bad input beyond the tables of docs/errors.md, which takes more than a line to write down."""

import subprocess
import sys

import jax
import jax.numpy as jnp
import pytest

import sngd
from sngd.networks import MLP, make_network
from sngd.solver import Stopping

DOMAIN = sngd.box(x=(0, 1), y=(0, 1))
EQUATION = sngd.Interior(lambda u, x: sngd.laplacian(u)(x))


def solve(*conditions, network="1x4", **options):
    problem_options = {name: options.pop(name) for name in ("outputs", "quadrature") if name in options}
    problem = sngd.Problem(DOMAIN, conditions, **problem_options)
    return sngd.solve(problem, network, key=jax.random.key(0), stopping=Stopping(iterations=1), **options)


@pytest.mark.parametrize(
    ("bad", "error", "message"),
    [
        (
            lambda: solve(sngd.Dirichlet(0.0, on=(sngd.box(x=(0, 2)).face("x", "lower"),))),
            ValueError,
            "has a face of another domain",
        ),
        (
            lambda: solve(sngd.Interior(lambda u, x: u(x) / (x[0] - 0.5)), quadrature=sngd.UniformGrid(3)),
            ValueError,
            r"the residual of interior is .*(inf|nan) at the point \[0.5, 0.0\]",
        ),
        (
            lambda: solve(EQUATION, network=make_network("1x4", DOMAIN.bounds, 2, key=jax.random.key(0))),
            ValueError,
            r"network returns shape \(2,\) at one point; the unknown functions of this problem have 1 real component",
        ),
        (
            lambda: solve(EQUATION, network=_float32_network()),
            TypeError,
            "parameters of dtype float32; float64 is needed.*jax_enable_x64",
        ),
        (lambda: MLP((3, 4, 1), DOMAIN.bounds, key=jax.random.key(0)), ValueError, "the domain has 2 axes"),
    ],
)
def test_bad_input_is_refused(bad, error, message):
    with pytest.raises(error, match=message):
        bad()


def _float32_network():
    network = make_network("1x4", DOMAIN.bounds, key=jax.random.key(0))
    return jax.tree.map(lambda leaf: leaf.astype(jnp.float32), network)


def test_float32_mode_is_refused_with_the_switch():
    jax.config.update("jax_enable_x64", False)
    try:
        with pytest.raises(TypeError, match=r"jax.config.update\('jax_enable_x64', True\)"):
            solve(EQUATION)
    finally:
        jax.config.update("jax_enable_x64", True)


def test_importing_the_library_leaves_the_precision_alone():
    """In a process of its own, since the tests need float64."""
    code = "import sngd, jax; assert not jax.config.read('jax_enable_x64')"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_an_energy_density_of_two_numbers_is_refused():
    line = sngd.interval(x=(0, 1))
    energy = sngd.Energy(line, lambda u, x: jnp.stack([u(x), u(x)]), lambda u, v, x: v(x))
    with pytest.raises(ValueError, match="density returns 2 numbers at one point; it must return one"):
        sngd.solve(energy, "1x4", key=jax.random.key(0))
