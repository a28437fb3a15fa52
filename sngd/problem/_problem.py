"""What to solve: a problem in least-squares form, or an energy to minimize."""

import abc
import dataclasses
from collections.abc import Callable, Iterable, Mapping, Sequence
from numbers import Integral
from typing import Any, TypeVar

import numpy as np
from jaxtyping import Array, Float

from sngd.problem._conditions import AbstractCondition, Periodic
from sngd.problem._domain import Box, Face
from sngd.problem._field import Field
from sngd.problem._given import Quadrature, as_points, require_on
from sngd.problem._parameters import as_pytree, checked, names_in
from sngd.problem._points import AbstractPoints
from sngd.problem._quadrature import default_quadrature

Point = Float[Array, " d"]

AnyProblem = TypeVar("AnyProblem", bound="AbstractProblem")


@dataclasses.dataclass(frozen=True)
class Collocation:
    """Points with outward unit normals (zero in the interior), both `(n, d)`, and positive weights, `(n,)`.

    - `tabulated`: data of a condition that are known at the points only, by their names: arrays of shape `(n, ...)`.
    """

    points: np.ndarray
    normals: np.ndarray
    weights: np.ndarray
    tabulated: dict[str, np.ndarray] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True, eq=False, kw_only=True)
class AbstractProblem(abc.ABC):
    """What both forms share.

    - `quadrature`: points for the interior: a rule, any object with a method `rule(lower, upper)`, or two arrays
      `(points, weights)` of shapes `(n, d)` and `(n,)`. Left out, `default_quadrature` chooses by the dimension and the
      network.
    - `boundary_quadrature`: points for the faces; arrays hold points of the domain, `(n, d)`, on any of its faces. Left
      out, it is `quadrature`, or the default for faces where that is left out too or holds arrays.
    - `exact`: the exact solution as a function of one point, if known. Reports use it, training never does. A function
      that JAX cannot trace, like one of NumPy or SciPy, is evaluated point by point.
    - `outputs`: the number of components of `u`. With one, `u(x)` is a scalar, else a vector.
    - `parameters`: known coefficients by their names, numbers or arrays. Equations, data and `exact` take them as
      arguments of these names: `Interior(lambda u, x, nu: ...)` with `parameters={"nu": 0.1}`. For another value,
      `dataclasses.replace(problem, parameters={"nu": 0.2})` compiles nothing again.
    """

    domain: Box = dataclasses.field(kw_only=False)
    quadrature: Quadrature | None = None
    boundary_quadrature: Quadrature | None = None
    exact: Callable[[Point], Any] | None = None
    outputs: int = 1
    name: str = "problem"
    parameters: Mapping[str, Any] = dataclasses.field(default_factory=dict)

    @property
    def exact_solution(self) -> Callable[[Point], Any] | None:
        """The exact solution as a function of one point alone, if known."""
        return None if self.exact is None else as_pytree(self.exact, 1, self.parameters, "exact")

    @property
    @abc.abstractmethod
    def periodic_axes(self) -> tuple[int, ...]:
        """The axes with a `Periodic` condition, by their indices."""

    def with_points(self: AnyProblem, points: float) -> AnyProblem:
        """The same problem with rules where it names none. `points`: about how many points the interior gets."""
        interior, boundary = default_quadrature(self.domain.dimension, points)
        changes: dict[str, Any] = {}
        if self.quadrature is None:
            changes["quadrature"] = interior
        if self._boundary_points is None:
            changes["boundary_quadrature"] = boundary
        return dataclasses.replace(self, **changes) if changes else self

    def interior(self, own: Quadrature | None = None) -> Collocation:
        """The points in the interior, or those of a condition's `own` quadrature.

        A problem that names no rule has the fewest points that are chosen by default. Raises `ValueError` for points or
        weights that cannot be used.
        """
        given = as_points(own, "quadrature") if own is not None else self._points or self._fewest[0]
        points, weights = given.on(self.domain)
        return Collocation(points, np.zeros_like(points), weights)

    def _on_faces(self, faces: Sequence[Face], own: Quadrature | None = None) -> Collocation:
        given = as_points(own, "quadrature") if own is not None else self._boundary_points or self._fewest[1]
        parts = [(face, *given.on(face)) for face in faces]
        if not sum(len(weights) for *_, weights in parts):
            names = ", ".join(f"{face.axis} = {face.position}" for face in faces)
            raise ValueError(f"boundary_quadrature has no point on the faces {names}; a condition needs one there")
        return Collocation(
            points=np.concatenate([points for _, points, _ in parts]),
            normals=np.concatenate([np.tile(face.normal, (len(weights), 1)) for face, _, weights in parts]),
            weights=np.concatenate([weights for _, _, weights in parts]),
        )

    @property
    def _fewest(self) -> tuple[AbstractPoints, AbstractPoints]:
        return default_quadrature(self.domain.dimension, points=0)

    @property
    def _points(self) -> AbstractPoints | None:
        return None if self.quadrature is None else as_points(self.quadrature, "quadrature")

    @property
    def _boundary_points(self) -> AbstractPoints | None:
        if self.boundary_quadrature is not None:
            return as_points(self.boundary_quadrature, "boundary_quadrature")
        return self._points if self._points is not None and self._points.fit_faces else None

    def _check(self) -> None:
        """Raises `TypeError` or `ValueError` for arguments that cannot be used."""
        if not isinstance(self.domain, Box):
            raise TypeError(
                f"domain is {self.domain!r}; it must be made by interval, box or space_time, and come first, as "
                "in Problem(domain, conditions)"
            )
        if self.exact is not None and not callable(self.exact):
            raise TypeError(f"exact is {self.exact!r}; it must be a function of a point, or left out")
        object.__setattr__(self, "parameters", checked(self.parameters))
        if self.exact is not None:
            names_in(self.exact, 1, self.parameters, "exact")
        if isinstance(self.outputs, bool) or not isinstance(self.outputs, Integral) or self.outputs < 1:
            raise ValueError(f"outputs is {self.outputs!r}; it must be an integer of at least 1")
        for name, points, places in (
            ("quadrature", self._points, (self.domain,)),
            ("boundary_quadrature", self._boundary_points, self.domain.faces),
        ):
            if points is not None:
                require_on(points, places, name)


@dataclasses.dataclass(frozen=True, eq=False)
class Problem(AbstractProblem):
    """Find `u` such that all `conditions` hold, in the sense of weighted least squares.

    The loss is `sum_i w_i r_i(u)^2 / 2` over the residuals of all conditions at their points: half the discretization
    of eq. (3) of the paper. Raises `ValueError` for empty conditions and `TypeError` for anything else among them.
    """

    conditions: Sequence[AbstractCondition]

    def __post_init__(self):
        self._check()
        object.__setattr__(self, "conditions", _sequence(self.conditions))
        if not self.conditions:
            raise ValueError("conditions is empty; give at least one, for instance Interior(equation)")
        for condition in self.conditions:
            if not isinstance(condition, AbstractCondition):
                raise TypeError(f"conditions holds {condition!r}; each must be a condition, like Interior or Dirichlet")
            if condition.points is not None:
                places = condition.faces(self.domain) or (self.domain,)
                require_on(condition.points, places, f"quadrature of {condition.label}")

    @property
    def periodic_axes(self) -> tuple[int, ...]:
        axes = {self.domain.index(part.axis) for part in self.conditions if isinstance(part, Periodic)}
        return tuple(sorted(axes))

    def collocation(self, condition: AbstractCondition) -> Collocation:
        """The points at which `condition` is imposed; their weights include the condition's own.

        Data that JAX cannot trace are evaluated at these points.
        """
        faces = condition.faces(self.domain)
        found = self.interior(condition.quadrature) if faces is None else self._on_faces(faces, condition.quadrature)
        weights, tabulated = condition.weight * found.weights, condition.tabulated(found.points, self.parameters)
        return dataclasses.replace(found, weights=weights, tabulated=tabulated)


@dataclasses.dataclass(frozen=True, eq=False)
class Energy(AbstractProblem):
    """Minimize the integral of `density(u, x)` over the domain; boundary conditions are the natural ones.

    The loss is that energy, which may be negative. The density may depend on `x`, `u` and the first derivatives of `u`.
    Its Gramian comes from the second variation, given by its factor:
    `metric(u, v, x)` is linear in the direction `v`, and its squared norm integrates to the second derivative of the
    energy at `u` along `v`. For the density `u'^2 / 2 + u^4 / 4` (section 5.3 of the paper) it is the vector
    `(v', sqrt(3) u v)`.

    Its gradient is that of the first variation integrated by parts, not `J^T r` with the Jacobian `J` of the metric.
    """

    density: Callable[[Field, Point], Array]
    metric: Callable[[Field, Field, Point], Array]

    def __post_init__(self):
        self._check()
        for name, function in (("density", self.density), ("metric", self.metric)):
            if not callable(function):
                arguments = "(u, x)" if name == "density" else "(u, v, x)"
                raise TypeError(f"{name} is {function!r}; it must be a function of {arguments}")

    @property
    def periodic_axes(self) -> tuple[int, ...]:
        return ()

    def natural_boundary(self) -> Collocation:
        """The points on all faces, where the natural boundary conditions hold."""
        return self._on_faces(self.domain.faces)


def with_other_points(problem: AbstractProblem, other: Callable[[AbstractPoints], AbstractPoints]) -> AbstractProblem:
    """The same problem with `other(points)` for all of its points, those of its conditions included."""
    names = ("quadrature", "boundary_quadrature")
    given = {name: getattr(problem, name) for name in names if getattr(problem, name) is not None}
    changes: dict[str, Any] = {name: other(as_points(points, name)) for name, points in given.items()}
    if isinstance(problem, Problem):
        # A condition without points of its own stays the same object, so that nothing is compiled again for it.
        changes["conditions"] = [
            part if part.points is None else dataclasses.replace(part, quadrature=other(part.points))
            for part in problem.conditions
        ]
    return dataclasses.replace(problem, **changes)


def _sequence(conditions: Any) -> tuple:
    """Several conditions, or one."""
    if isinstance(conditions, AbstractCondition):
        return (conditions,)
    if isinstance(conditions, str) or not isinstance(conditions, Iterable):
        raise TypeError(
            f"conditions is {conditions!r}; give conditions like Interior and Dirichlet, one or several in a list"
        )
    return tuple(conditions)
