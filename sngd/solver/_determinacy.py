"""Which conditions a problem lacks: derivatives along each axis against conditions on its two faces."""

import dataclasses
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from sngd.geometry import Box, Face
from sngd.problem import AbstractCondition, AbstractProblem, Field, Problem, real_parts

# Derivatives along one axis that are looked for.
_HIGHEST = 6

_TIMES = ("not at all", "once", "twice", "three times", "four times", "five times", "six times")


@dataclasses.dataclass(frozen=True)
class Axis:
    """What is known of a problem along one axis.

    - `order`: the highest derivative along it in the equations, summed over the components of the unknown.
    - `conditions`: how many equations hold on its two faces, counted for each component.
    - `free`: faces on which none holds.
    """

    name: str
    order: int
    conditions: int
    free: tuple[Face, ...]

    @property
    def lacks(self) -> bool:
        """Whether there are fewer conditions than derivatives."""
        return self.conditions < self.order

    def __str__(self) -> str:
        times = _TIMES[self.order] if self.order < len(_TIMES) else f"{self.order} times"
        count = {0: "no condition", 1: "one condition"}.get(self.conditions, f"{self.conditions} conditions")
        faces = " and ".join(f"{face.axis} = {face.position:g}" for face in self.free)
        free = f"; none holds at {faces}" if faces else ""
        return f"the equations differentiate {times} along {self.name!r}, which has {count}{free}"


def axes_without_conditions(problem: AbstractProblem, field: Field) -> tuple[Axis, ...]:
    """The axes with fewer conditions than derivatives.

    There are none for an energy, whose boundary conditions are natural, and none for a domain that is no box, whose
    boundary has no axes.

    - `field`: any function of the shape of the unknown, such as the solution, at which equations are linearized.

    Systems may need fewer conditions than this counts: the pressure of an incompressible flow, for instance. So the
    count explains why a solution is not determined; it does not show that it is not.
    """
    if not isinstance(problem, Problem) or not isinstance(problem.domain, Box):
        return ()
    axes = [_axis(problem, field, name) for name in problem.domain.axes]
    return tuple(axis for axis in axes if axis.lacks)


def _axis(problem: Problem, field: Field, name: str) -> Axis:
    domain, count = problem.domain, 0
    assert isinstance(domain, Box)
    both = [domain.face(name, "lower"), domain.face(name, "upper")]
    free = [] if domain.index(name) in problem.joined_axes else both
    orders = np.zeros(problem.outputs, int)
    for condition in problem.conditions:
        faces = condition.faces(domain)
        residual, x = _residual_at_a_point(problem, condition)
        if faces is None:
            orders = np.maximum(orders, _orders(residual, field, x, domain.index(name), problem.outputs))
        else:
            along = [face for face in faces if isinstance(face, Face) and face.axis == name]
            count += len(along) * len(residual(field))
            free = [face for face in free if face not in along]
    return Axis(name, int(np.sum(orders)), count, tuple(free))


def _residual_at_a_point(problem: Problem, condition: AbstractCondition) -> tuple[Callable[[Field], Array], Array]:
    """The residual of a condition at the first of its points, as a function of the unknown; and that point."""
    collocation = problem.collocation(condition)
    x, normal = jnp.asarray(collocation.points[0]), jnp.asarray(collocation.normals[0])
    tabulated = {name: values[0] for name, values in collocation.tabulated.items()}
    at_point = dataclasses.replace(condition.traced, **tabulated) if tabulated else condition.traced
    return lambda u: jnp.ravel(real_parts(at_point.residual(u, x, normal))), x


def _orders(
    residual: Callable[[Field], Array], field: Field, x: Float[Array, " d"], axis: int, outputs: int
) -> Int[np.ndarray, " outputs"]:
    """The order of the highest derivative along an axis that the residual takes of each component.

    At `x` the only derivative of `(z - x)^k` along its axis that does not vanish is the one of order `k`. Its factor
    `exp(z - x)` along the other axes lets mixed derivatives respond too.
    """
    others = jnp.asarray(np.arange(len(x)) != axis, x.dtype)

    def response(component: int, order: int) -> Array:
        unit = 1.0 if outputs == 1 else field.components.values(jnp.eye(outputs)[component])

        def moved(amount: Array) -> Array:
            bump = lambda z: (z[axis] - x[axis]) ** order * jnp.exp(others @ (z - x)) * unit
            return residual(field.like(lambda z: field(z) + amount * bump(z)))

        return jax.jvp(moved, (jnp.zeros(()),), (jnp.ones(()),))[1]

    found = [
        [order for order in range(_HIGHEST + 1) if np.any(np.asarray(response(component, order)))]
        for component in range(outputs)
    ]
    return np.array([max(orders, default=0) for orders in found])
