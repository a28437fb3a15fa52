"""Searches on losses with known minima, against SciPy."""

import jax.numpy as jnp
import numpy as np
import pytest
from scipy.optimize import minimize_scalar

from sngd.descent import Ray
from sngd.search import FixedStep, GridSearch

START = jnp.array([1.0, -2.0])
DIRECTION = jnp.array([3.0, 1.0])
RAY = Ray(DIRECTION, jnp.zeros(()), jnp.zeros(()))


def along(loss):
    """A loss on the plane that is `loss(t)` at `START - t * DIRECTION`."""
    return lambda theta: loss((START - theta) @ DIRECTION / (DIRECTION @ DIRECTION))


@pytest.mark.parametrize("minimum", [1.0, 0.7, 3e-2, 2e-5, 4e-8])
def test_grid_finds_minima_of_all_magnitudes(minimum):
    loss = lambda t: jnp.log(t / minimum + 1e-30) ** 2
    choice = GridSearch().choose(along(loss), START, RAY)
    found = minimize_scalar(lambda s: float(loss(np.exp(s))), bounds=(np.log(1e-9), 0), method="bounded")
    assert abs(np.log(choice.step_size) - found.x) < np.log(4) / 7
    np.testing.assert_allclose(choice.theta, START - choice.step_size * DIRECTION, rtol=1e-15)


def test_grid_takes_the_lower_of_two_valleys():
    loss = lambda t: jnp.minimum((t - 0.6) ** 2 + 0.1, jnp.log(t / 1e-4 + 1e-30) ** 2 / 20)
    np.testing.assert_allclose(GridSearch().choose(along(loss), START, RAY).step_size, 1e-4, rtol=0.3)


def test_no_step_where_nothing_is_lower():
    choice = GridSearch().choose(along(lambda t: t), START, RAY)
    assert choice.step_size == 0
    np.testing.assert_array_equal(choice.theta, START)


def test_losses_that_are_not_finite_never_win():
    loss = lambda t: jnp.where(t > 0.5, jnp.nan, jnp.where(t > 0.1, -jnp.inf, (t - 0.05) ** 2))
    choice = GridSearch().choose(along(loss), START, RAY)
    assert 0.03 < choice.step_size < 0.08
    assert GridSearch().choose(along(lambda t: jnp.where(t > 0, jnp.nan, 0.0)), START, RAY).step_size == 0


def test_equal_losses_give_the_larger_step():
    assert GridSearch(refinements=0).choose(along(jnp.zeros_like), START, RAY).step_size == 1


def test_fixed_step_is_taken_whatever_it_does():
    choice = FixedStep(0.25).choose(along(lambda t: t), START, RAY)
    np.testing.assert_allclose(choice.theta, START - 0.25 * DIRECTION)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: GridSearch(smallest=0.0), "smallest is 0.0"),
        (lambda: GridSearch(ratio=1.0), "ratio is 1.0"),
        (lambda: GridSearch(refinements=-2), "refinements is -2"),
        (lambda: GridSearch(refinements=3), "refinements is 3; it must be even"),
        (lambda: FixedStep(1.5), "step_size is 1.5"),
    ],
)
def test_bad_settings_are_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()
