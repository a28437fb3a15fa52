"""Plans: which optimizer, and what it takes, from the sizes alone."""

import dataclasses

import equinox as eqx
import jax
import jax.numpy as jnp
import pytest

import sngd
from sngd.descent import SNGD
from sngd.geometry import GaussLegendre
from sngd.library import bvp, find_network, heat
from sngd.linearize import Limits, make_objective
from sngd.networks import make_network
from sngd.solver import OPTIMIZERS, Optimizer, Stopping, find_optimizer, make_plan
from sngd.solver._plan import bytes_of


@pytest.fixture(scope="module")
def sizes():
    """Objectives of the heat equation for three of the paper's networks, at 28 points an axis."""
    problem = dataclasses.replace(heat(), quadrature=GaussLegendre(28))
    keys = dict.fromkeys(("4x20", "A2", "A3"), jax.random.key(0))
    return {
        name: make_objective(problem, make_network(find_network(name), problem.domain.bounds, key=key))
        for name, key in keys.items()
    }


@pytest.mark.parametrize(
    ("name", "optimizer", "storage"),
    [
        ("4x20", "damped", "stored"),
        ("A2", "damped", "stored"),
        ("A3", "preconditioned", "kept as outer products"),
    ],
)
def test_the_optimizer_and_the_factor_suit_the_size(sizes, name, optimizer, storage):
    plan = make_plan(*sizes[name], memory=24e9)
    assert (plan.label, plan.storage) == (optimizer, storage)
    assert str(plan).startswith(f"{optimizer}, factor of {plan.rows:,} rows and {plan.parameters:,} parameters")


@pytest.mark.parametrize("optimizer", ["preconditioned", "residual-space"])
def test_a_million_parameters_take_two_gigabytes(sizes, optimizer):
    assert 1e9 < make_plan(*sizes["A3"], optimizer, memory=24e9).bytes < 2e9


@pytest.mark.parametrize("optimizer", ["engd", "bfgs", "two-pass"])
def test_what_does_not_fit_is_refused_with_what_does(sizes, optimizer):
    with pytest.raises(
        ValueError,
        match=f"^{optimizer}, .* more than memory = 2.5 GB; optimizer='(preconditioned|residual-space)' fits",
    ):
        make_plan(*sizes["A3"], optimizer, memory=2.5e9)


def test_where_nothing_fits_the_message_says_so(sizes):
    with pytest.raises(ValueError, match=r"more than memory = 0\.5 GB; take fewer points or a smaller network"):
        make_plan(*sizes["4x20"], memory=0.5e9)


def test_every_optimizer_has_a_cost_that_grows_with_the_network(sizes):
    for optimizer in OPTIMIZERS:
        small, large = (cost_of(find_optimizer(optimizer), *sizes[name]) for name in ("4x20", "A2"))
        assert small.bytes < large.bytes
        assert small.operations < large.operations


def cost_of(optimizer, objective, theta):
    factor = eqx.filter_eval_shape(objective.factor, theta)
    return optimizer.cost(factor)


def test_a_network_with_a_function_inside_has_a_plan():
    """Its factor, recomputed in blocks, holds that function beside arrays."""
    network = eqx.nn.MLP(2, "scalar", 12, 2, activation=jnp.tanh, key=jax.random.key(0))
    limits = Limits(dense_bytes=0, layered=False)
    plan = make_plan(*make_objective(heat(), network, limits), memory=1e12)
    assert (plan.label, plan.storage) == ("damped", "recomputed in blocks")


def test_a_sketch_does_not_outgrow_the_memory(key):
    """A sketch that finds more directions than it has columns asks for more, and stays where that does not fit."""
    problem, descent = bvp(), SNGD(sketch_size=8)
    objective, theta = make_objective(problem, make_network("2x20", problem.domain.bounds, key=key))
    factor = eqx.filter_eval_shape(objective.factor, theta)
    bounded = bytes_of(Optimizer(descent), factor)
    largest = {}
    for memory in (bounded, None):
        options = {"optimizer": Optimizer(descent), "stopping": Stopping(5), "memory": memory}
        largest[memory] = sngd.solve(problem, "2x20", key=key, **options).history.rank.max()
    assert largest[bounded] <= 8 < largest[None]
