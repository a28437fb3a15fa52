"""A network seen as a function of one flat parameter vector."""

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, Float

from sngd.problem import Box, Field


class TrialFunction(eqx.Module):
    """The map from a parameter vector `theta` of shape `(p,)` to the field `u(theta, .)` on a domain.

    The parameters are the floating-point arrays of the network; everything else in it stays as it is.
    """

    unravel: Callable[[Float[Array, " p"]], Any] = eqx.field(static=True)
    fixed: Any
    domain: Box = eqx.field(static=True)

    def network(self, theta: Float[Array, " p"]) -> Any:
        return eqx.combine(self.unravel(theta), self.fixed)

    def field(self, theta: Float[Array, " p"]) -> Field:
        return Field(self.network(theta), self.domain)


def split_network(network: Callable, problem_domain: Box) -> tuple[TrialFunction, Float[Array, " p"]]:
    """The trial function of `network`, a callable PyTree, and its present parameter vector of shape `(p,)`.

    Raises `TypeError` for a network that cannot be called, holds no floating-point arrays, or holds any that are not
    float64: natural gradients need the digits.
    """
    if not callable(network):
        raise TypeError(
            f"network is {network!r}, which cannot be called; give a callable PyTree, like an equinox.Module"
        )
    parameters, fixed = eqx.partition(network, eqx.is_inexact_array)
    leaves = jax.tree.leaves(parameters)
    if not leaves:
        raise TypeError(
            "network holds no floating-point arrays, so there is nothing to train; bind the parameters of a plain "
            "function with jax.tree_util.Partial(function, parameters)"
        )
    for dtype in {leaf.dtype for leaf in leaves} - {jnp.dtype("float64")}:
        raise TypeError(
            f"network has parameters of dtype {dtype}; float64 is needed. Call "
            "jax.config.update('jax_enable_x64', True) before making the network"
        )
    theta, unravel = ravel_pytree(parameters)
    return TrialFunction(unravel, fixed, problem_domain), theta
