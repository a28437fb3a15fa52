"""Sums of outer products against the matrices that they are."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import sngd
from sngd.linearize import Limits, make_objective
from sngd.linearize._outer import Outer
from sngd.networks import make_network


def outer(rng, rows=7, pairs=5, left=6, right=9):
    return Outer(jnp.asarray(rng.normal(size=(rows, pairs, left))), jnp.asarray(rng.normal(size=(rows, pairs, right))))


def dense(pairs):
    return np.einsum("nsa,nsb->nab", pairs.left, pairs.right).reshape(len(pairs.left), -1)


def swapped(pairs):
    return Outer(pairs.right, pairs.left)


def with_multiples(pairs, rng, which):
    """The same, with these vectors on the left multiples of one another, by factors that change from row to row."""
    left = np.array(pairs.left)
    left[:, which] = left[:, which[:1]] * rng.normal(size=(len(left), len(which), 1))
    return Outer(jnp.asarray(left), pairs.right)


@pytest.mark.parametrize("side", [lambda pairs: pairs, swapped], ids=["left", "right"])
@pytest.mark.parametrize(("which", "kept"), [([1, 3], 4), ([0, 2, 4], 3), ([2], 5), ([0, 1, 2, 3, 4], 1)])
def test_pairs_of_one_direction_are_added(side, which, kept):
    rng = np.random.default_rng(0)
    pairs = side(with_multiples(outer(rng), rng, which))
    gathered = eqx.filter_jit(Outer.gathered)(pairs)
    assert int(gathered.in_use) == kept
    np.testing.assert_allclose(dense(gathered), dense(pairs), rtol=0, atol=1e-13)


def test_vectors_that_are_multiples_in_some_rows_only_stay_apart():
    rng = np.random.default_rng(1)
    pairs = outer(rng, pairs=3)
    left = np.array(pairs.left)
    left[1:, 1] = 2 * left[1:, 0]
    # Two that differ by a hundred times the tolerance, in one row.
    left[:, 2] = 3 * left[:, 0]
    left[0, 2, 0] += 1e-9 * np.linalg.norm(left[0, 2])
    pairs = Outer(jnp.asarray(left), pairs.right)
    gathered = pairs.gathered()
    assert int(gathered.in_use) == 3
    np.testing.assert_array_equal(gathered.left, pairs.left)
    np.testing.assert_array_equal(gathered.right, pairs.right)


def test_vectors_that_vanish_in_some_rows_are_added_to_those_that_do_not():
    """As where the coefficient of a derivative is zero in a part of the domain: never the other way round."""
    rng = np.random.default_rng(2)
    pairs = outer(rng, pairs=3)
    left = np.array(pairs.left)
    left[:, 0] = 2 * left[:, 1]
    left[:3, 0] = 0
    left[:, 2] = 0
    pairs = Outer(jnp.asarray(left), pairs.right)
    gathered = pairs.gathered()
    assert int(gathered.in_use) == 1
    np.testing.assert_allclose(dense(gathered), dense(pairs), rtol=0, atol=1e-13)
    everything_zero = Outer(jnp.zeros_like(pairs.left), pairs.right).gathered()
    assert int(everything_zero.in_use) == 0
    assert not np.any(dense(everything_zero))


def test_inner_products_of_rows_are_those_of_the_matrices():
    rng = np.random.default_rng(3)
    mine, theirs = (with_multiples(outer(rng, rows=rows), rng, [0, 3]).gathered() for rows in (7, 4))
    products = mine.add_products(jnp.ones((7, 4)), theirs)
    np.testing.assert_allclose(products, 1 + dense(mine) @ dense(theirs).T, rtol=0, atol=1e-12)
    # The latter by strips of rows.
    for rows in (mine, with_multiples(outer(rng, rows=515), rng, [0, 3]).gathered()):
        half = rows.add_half_gramian(jnp.zeros((len(rows.left),) * 2))
        np.testing.assert_allclose(half + half.T, dense(rows) @ dense(rows).T, rtol=0, atol=1e-11)
    total = mine.fold(lambda total, left, right: total + left[:, 0] * right[:, 0], jnp.zeros(7))
    np.testing.assert_allclose(total, dense(mine)[:, 0], rtol=0, atol=1e-13)


def heat_in_three_dimensions(u, x):
    return sngd.partial(u, "t")(x) - sngd.laplacian(u)(x)


def varying_coefficients(u, x):
    return x[1] * sngd.partial(u, "t")(x) - (1 + x[0] ** 2) * sngd.partial(u, "x", "x")(x) + u(x) ** 3


def divergence_form(u, x):
    """Derivatives that are not summed before they meet a matrix, for all that their vectors have in common."""
    return sngd.divergence(u.like(lambda x: (1 + x[0] ** 2) * sngd.gradient(u)(x)))(x)


def fourth_order(u, x):
    """One derivative of highest order alone: there is nothing to add."""
    return sngd.partial(u, "x", "x", "x", "x")(x) + sngd.partial(u, "x", "x")(x)


@pytest.mark.parametrize(
    ("residual", "space", "found", "kept"),
    [
        (heat_in_three_dimensions, "xyz", 5, 5),
        (varying_coefficients, "xy", 3, 3),
        (divergence_form, "xy", 7, 4),
        (fourth_order, "x", 5, 5),
    ],
)
def test_derivatives_of_highest_order_make_one_pair(residual, space, found, kept, key):
    """Of the heat equation in three dimensions eight derivatives enter, and there are five pairs: u, three of first
    order, and the operator.
    """
    domain = sngd.space_time(t=(0, 1), **dict.fromkeys(space, (0, 1)))
    problem = sngd.Problem(domain, [sngd.Interior(residual)], quadrature=sngd.GaussLegendre(2))
    network = make_network("2x12", domain.bounds, key=key)
    objective, theta = make_objective(problem, network, Limits(dense_bytes=0))
    (rows,) = eqx.filter_jit(objective.factor)(theta).terms
    (pairs,) = rows.outer.values()
    assert pairs.left.shape[1] == found
    assert int(pairs.in_use) == kept
    np.testing.assert_allclose(dense(pairs), _by_the_matrix(objective, theta), rtol=0, atol=1e-12)


def _by_the_matrix(objective, theta):
    """The columns of the Jacobian that belong to the only hidden matrix."""
    jacobian = jax.jit(jax.jacfwd(objective.residual))(theta)
    sizes = [leaf.size for leaf in jax.tree.leaves(objective.trial.unravel(theta))]
    start = np.concatenate([[0], np.cumsum(sizes)])[sizes.index(144)]
    return jacobian[:, start : start + 144]
