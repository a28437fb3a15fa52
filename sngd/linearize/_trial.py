"""A network as a function of one flat parameter vector."""

import dataclasses
from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from sngd._arrays import Unflatten, flattened, on_device
from sngd.geometry import AbstractRegion
from sngd.networks import WithConstants
from sngd.problem import AbstractProblem, Components, Constant, Field, values_of


class _Adapted(eqx.Module):
    """A user's network as a function of one point, with the attributes of the network.

    - `takes_number`: whether the network takes the only coordinate of a point as a number.
    - `shape`: the shape to which the values of the network are reshaped.
    """

    network: Any
    takes_number: bool = eqx.field(static=True)
    shape: tuple[int, ...] = eqx.field(static=True)

    def __call__(self, x: Float[Array, " d"]) -> Array:
        return jnp.reshape(self.network(x[0] if self.takes_number else x), self.shape)

    def __getattr__(self, name: str) -> Any:
        return getattr(object.__getattribute__(self, "network"), name)


class TrialFunction(eqx.Module):
    """The map from a parameter vector `theta` of shape `(p,)` to the field `u(theta, .)` on a domain.

    The floating-point arrays of the network are trained. All other leaves stay as they are.

    - `adapt`: the function that makes a function of one point from the network.
    - `parameters`: the parameters of the problem, by their names.
    - `components`: of the unknown functions. `constants`: the unknown constants.
    """

    unravel: Unflatten = eqx.field(static=True)
    fixed: Any
    domain: AbstractRegion = eqx.field(static=True)
    adapt: Callable[[Any], Callable] = eqx.field(static=True)
    parameters: dict[str, Array] = eqx.field(default_factory=dict)
    components: Components = eqx.field(static=True, default=Components())
    constants: tuple[Constant, ...] = eqx.field(static=True, default=())

    def network(self, theta: Float[Array, " p"]) -> Any:
        """The network in the form in which the user gave it, with these parameters."""
        return eqx.combine(self.unravel(theta), self.fixed)

    def function(self, theta: Float[Array, " p"]) -> Callable[[Float[Array, " d"]], Array]:
        """The network as a function of one point, whose values have the shape that the problem asks for."""
        return self.adapt(self.network(theta))

    def unknowns(self, theta: Float[Array, " p"]) -> Callable[[Float[Array, " d"]], Array]:
        """The unknown functions of one point."""
        return self.components.function(self.function(theta))

    def field(self, theta: Float[Array, " p"]) -> Field:
        network, parameters = self.network(theta), self.parameters
        if self.constants:
            parameters = parameters | values_of(self.constants, network.variables)
        return Field(self.components.function(self.adapt(network)), self.domain, parameters, self.components)


def with_constants(network: Callable, problem: AbstractProblem) -> Callable:
    """The network with the unknown constants of the problem at their starts, unless it has them already."""
    if not problem.constants or isinstance(network, WithConstants):
        return network
    return WithConstants(network, on_device(problem.start_variables))


def field_of(network: Callable, problem: AbstractProblem) -> Field:
    """The unknown functions of a problem, with its parameters and unknown constants, as a network has them."""
    parameters = {name: on_device(value) for name, value in problem.parameters.items()}
    if problem.constants:
        assert isinstance(network, WithConstants)
        parameters |= values_of(problem.constants, network.variables)
    function = function_of_point(network, problem.domain.dimension, problem.outputs)
    return Field(problem.components.function(function), problem.domain, parameters, problem.components)


def split_network(network: Callable, problem: AbstractProblem) -> tuple[TrialFunction, Float[Array, " p"]]:
    """The trial function of `network`, a callable PyTree, and its present parameter vector of shape `(p,)`.

    Raises `TypeError` for a network that cannot be called, for one without floating-point arrays, and for one with such
    arrays that are not float64: natural gradients need the digits. Raises `ValueError` for a network that cannot be
    evaluated at a point of the domain, and for one whose value does not have the shape that the problem needs.
    """
    if not callable(network):
        raise TypeError(
            f"network is {network!r}, which cannot be called; give a callable PyTree, like an equinox.Module"
        )
    if isinstance(network, type):
        raise TypeError(f"network is the class {network.__name__}; give an instance of it, with its parameters")
    network = with_constants(network, problem)
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
    theta, unravel = flattened(parameters), Unflatten.of(parameters)
    adapt = _adaptation(network, problem.domain.dimension, problem.outputs)
    parameters = {name: on_device(value) for name, value in problem.parameters.items()}
    trial = TrialFunction(unravel, fixed, problem.domain, adapt, parameters, problem.components, problem.constants)
    return trial, theta


def function_of_point(network: Callable, dimension: int, outputs: int) -> Callable[[Float[Array, " d"]], Array]:
    """The network as a function of one point `x`, shape `(d,)`, that returns a scalar, or a vector of `m` outputs.

    A network of this form is returned itself. A network that takes the only coordinate of a point as a number is
    wrapped. So is a network that returns the only output as a vector of shape `(1,)`. Raises `ValueError` for any other
    network.
    """
    return _adaptation(network, dimension, outputs)(network)


def _adaptation(network: Callable, dimension: int, outputs: int) -> Callable[[Any], Callable]:
    """The function that makes a function of one point from this network, or from one with other parameters."""
    point = jax.ShapeDtypeStruct((dimension,), jnp.dtype("float64"))
    shape, takes_number = _shape(network, point), False
    if isinstance(shape, Exception) and dimension == 1:
        number = _shape(network, jax.ShapeDtypeStruct((), point.dtype))
        shape, takes_number = (shape, False) if isinstance(number, Exception) else (number, True)
    if isinstance(shape, Exception):
        raise ValueError(
            f"network cannot be evaluated at one point x of shape ({dimension},): {type(shape).__name__}: {shape}"
        ) from shape
    expected = () if outputs == 1 else (outputs,)
    if shape not in (expected, (outputs,)):
        raise ValueError(
            f"network returns shape {shape} at one point; the unknown functions of this problem have {outputs} real "
            f"component{'s' if outputs > 1 else ''}, so it must return shape {expected}"
        )
    if shape == expected and not takes_number:
        return _itself
    return _Adaptation(takes_number, expected)


def _itself(network: Any) -> Any:
    return network


@dataclasses.dataclass(frozen=True)
class _Adaptation:
    """A function that makes an `_Adapted`. Equal networks give equal functions, so that compiled code is reused."""

    takes_number: bool
    shape: tuple[int, ...]

    def __call__(self, network: Any) -> _Adapted:
        return _Adapted(network, self.takes_number, self.shape)


def _shape(network: Callable, x: jax.ShapeDtypeStruct) -> tuple[int, ...] | Exception:
    """The shape of the value of the network at one point, or the exception that the network raises there."""
    try:
        return eqx.filter_eval_shape(lambda network, x: jnp.asarray(network(x)), network, x).shape
    except Exception as error:
        return error
