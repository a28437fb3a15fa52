"""The library's problems and networks, as the paper states them."""

import itertools

import jax
import numpy as np
import pytest

from sngd.library import NETWORKS, find_network, find_problem
from sngd.linearize import make_objective
from sngd.networks import MLP, make_network, widths_of


@pytest.mark.parametrize(
    ("name", "problem", "parameters"),
    [
        ("A1", "heat", 261),
        ("A2", "heat", 5_301),
        ("A3", "heat", 1_085_761),
        ("4x20", "poisson", 1_341),
        ("4x20", "transport", 1_341),
        ("4x20", "bvp", 1_321),
        ("2-64-64-1", "heat", 4_417),
    ],
)
def test_parameter_counts(name, problem, parameters):
    problem = find_problem(problem)
    widths = widths_of(find_network(name), problem.domain.dimension, problem.outputs)
    assert sum((fan_in + 1) * fan_out for fan_in, fan_out in itertools.pairwise(widths)) == parameters


def test_a_million_parameters_are_not_stored_as_a_dense_factor():
    problem = find_problem("heat")
    objective, theta = make_objective(
        problem, make_network(find_network("A3"), problem.domain.bounds, key=jax.random.key(0))
    )
    assert len(theta) == 1_085_761
    assert objective.chunk is not None
    assert 8 * objective.chunk * len(theta) <= 2**28


def test_scales_bound_the_initial_parameters_and_inputs_are_scaled_to_the_box():
    bounds = ((0.0, 4.0), (-1.0, 1.0))
    network = MLP((2, 30, 30, 1), bounds, key=jax.random.key(0), gain=2.0, bias=0.25)
    bound = 2 * np.sqrt(6 / 60)
    assert 0.95 * bound < np.abs(network.weights[1]).max() <= bound
    assert 0.2 < np.abs(network.biases[0]).max() <= 0.25
    assert network.biases[-1] == 0
    unscaled = MLP((2, 30, 30, 1), ((-1.0, 1.0), (-1.0, 1.0)), key=jax.random.key(0), gain=2.0, bias=0.25)
    np.testing.assert_allclose(network(np.array([3.0, 0.5])), unscaled(np.array([0.5, 0.5])), rtol=1e-14)


def test_every_name_of_the_paper_is_an_architecture():
    for name in NETWORKS:
        assert widths_of(find_network(name), 2, 1)
