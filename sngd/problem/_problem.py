"""The two forms of a problem: least squares, and an energy to minimize."""

import abc
import dataclasses
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple, TypeVar

import numpy as np
from jaxtyping import Array, Float

from sngd.geometry import (
    AbstractPoints,
    AbstractRegion,
    Box,
    Collocation,
    Face,
    Piece,
    Quadrature,
    Regions,
    as_points,
    default_quadrature,
    joined,
    require_on,
)
from sngd.problem._components import Components
from sngd.problem._condition import AbstractCondition
from sngd.problem._conditions import Periodic
from sngd.problem._field import Field
from sngd.problem._laws import Coefficient, Law
from sngd.problem._parameters import as_pytree, checked, names_in, sorted_unknowns
from sngd.problem._smooth import Smooth
from sngd.problem._unknowns import Constant, Unknown

Point = Float[Array, " d"]


class Frame(NamedTuple):
    """Where a function lives, in coordinates in which the box around the domain is [-1, 1]^d.

    - `axes`: that it depends on, by their indices. `center`, `half_sides`: of the box around its region.
    """

    axes: tuple[int, ...]
    center: tuple[float, ...]
    half_sides: tuple[float, ...]


AnyProblem = TypeVar("AnyProblem", bound="AbstractProblem")


@dataclasses.dataclass(frozen=True, eq=False, kw_only=True)
class AbstractProblem(abc.ABC):
    """The fields that both forms of a problem share.

    - `domain`: a domain that `interval`, `box` or `space_time` makes, or another region.
    - `quadrature`: the points for the interior: a rule, any object with a method `rule(lower, upper)`, or two arrays
      `(points, weights)` of shapes `(n, d)` and `(n,)`. If it is left out, `default_quadrature` chooses a rule by the
      dimension and the size of the network.
    - `boundary_quadrature`: the points for the faces. Arrays hold points of the domain, shape `(n, d)`, each on any of
      the faces. If it is left out, the rule `quadrature` serves for the faces too. If `quadrature` is left out or holds
      arrays, the default rule for faces serves.
    - `exact`: the exact solution as a function of one point, if it is known; for several unknown functions an array
      with one entry for each. It serves to report errors and never
      enters the training. A function that JAX cannot trace, like a function of NumPy or SciPy, is evaluated point by
      point.
    - `unknowns`: what is to be found: the names of functions of the point, an `Unknown` for a function of some of the
      axes or with complex values, a `Constant`, and a `Law` for a function of a number. Residuals take them as
      arguments of these names. If it is left out, the only unknown is the function `u`.
    - `name`: the name of the problem in reports and files.
    - `parameters`: known coefficients by their names, each a number or an array. Equations, data and `exact` take them
      as arguments of these names: `Interior(lambda u, x, nu: ...)` with `parameters={"nu": 0.1}`. The same problem with
      another value is `dataclasses.replace(problem, parameters={"nu": 0.2})`, for which nothing is compiled again.

    A field of another type raises `TypeError`. A value that cannot be used raises `ValueError`.
    """

    domain: AbstractRegion = dataclasses.field(kw_only=False)
    quadrature: Quadrature | None = None
    boundary_quadrature: Quadrature | None = None
    exact: Callable[[Point], Any] | None = None
    unknowns: Sequence[str | Unknown | Constant | Law] = ("u",)
    name: str = "problem"
    parameters: Mapping[str, Any] = dataclasses.field(default_factory=dict)

    @property
    def functions(self) -> tuple[str, ...]:
        """The names of the unknown functions."""
        return self.components.names

    @property
    def components(self) -> Components:
        """The real components of the unknown functions."""
        functions = [each for each in self.unknowns if isinstance(each, Unknown)]
        trials = tuple(each.trial for each in functions)
        return Components(
            names=tuple(each.name for each in functions),
            are_complex=tuple(each.complex for each in functions),
            trials=trials if any(each is not None for each in trials) else (),
            counts=tuple(each.parts for each in functions) if any(each.parts > 1 for each in functions) else (),
            regions=tuple((each.on or "", each.alias) for each in functions) if functions[0].on else (),
        )

    @property
    def inputs(self) -> tuple[tuple[int, ...], ...]:
        """For each component of the unknown functions the indices of the axes that it depends on."""
        functions = [each for each in self.unknowns if isinstance(each, Unknown)]
        named = [each.inputs or self.domain.axes for each in functions for _ in range(each.components)]
        return tuple(tuple(at for at, axis in enumerate(self.domain.axes) if axis in names) for names in named)

    @property
    def frames(self) -> tuple[Frame, ...]:
        """For each component of the unknown functions where it lives: the axes that it depends on and a box."""
        hull, functions = self.domain.hull, [each for each in self.unknowns if isinstance(each, Unknown)]
        regions = self.domain.named_regions if isinstance(self.domain, Regions) else {}
        boxes = [regions[each.on].hull if each.on else hull for each in functions for _ in range(each.components)]
        found = []
        for axes, box in zip(self.inputs, boxes, strict=True):
            center = (box.center - hull.center) / hull.half_sides
            found.append(Frame(axes, tuple(center.tolist()), tuple((box.half_sides / hull.half_sides).tolist())))
        return tuple(found)

    def shares(self, points: Float[np.ndarray, "n d"]) -> Float[np.ndarray, "n m"] | float:
        """What squares of the components at points are multiplied by before their mean is taken.

        It is one, but zero outside of the region that a component lives on, and larger inside accordingly.
        """
        if not isinstance(self.domain, Regions):
            return 1.0
        names, regions = zip(*self.domain.named_regions.items(), strict=True)
        inside = np.stack([region.contains(points) for region in regions], axis=1).astype(float)
        owned = inside @ self.components.owners(names).T
        return owned * len(points) / np.maximum(np.sum(owned, axis=0), 1.0)

    @property
    def starts(self) -> np.ndarray:
        """The components of the constant functions from which the unknown functions are sought, shape `(m,)`."""
        starts = np.array([[each.start for each in self.unknowns if isinstance(each, Unknown)]])
        return self.components.parts(starts)[0]

    @property
    def constants(self) -> tuple[Constant, ...]:
        """The unknown constants, with the coefficients of the laws at the end."""
        return tuple(each for each in self.unknowns if isinstance(each, Constant))

    @property
    def laws(self) -> tuple[Law, ...]:
        """The unknown functions of a number."""
        return tuple(dict.fromkeys(each.law for each in self.constants if isinstance(each, Coefficient) and each.law))

    @property
    def start_variables(self) -> np.ndarray:
        """The variables without bounds of the unknown constants at their starts, shape `(c,)`."""
        return np.array([constant.variable(constant.start) for constant in self.constants])

    @property
    def units(self) -> np.ndarray:
        """The units of the unknown constants, shape `(c,)`."""
        return np.array([constant.unit for constant in self.constants])

    @property
    def start_numbers(self) -> np.ndarray:
        """The unknown constants at their starts, in their units, shape `(c,)`."""
        return np.array([constant.start / constant.unit for constant in self.constants])

    @property
    def outputs(self) -> int:
        """The number `m` of real components of the unknown functions."""
        return len(self.components)

    @property
    def exact_solution(self) -> Callable[[Point], Any] | None:
        """The exact solution as a function of one point, with the values of the parameters, or `None`."""
        return None if self.exact is None else as_pytree(self.exact, 1, self.parameters, "exact")

    @property
    @abc.abstractmethod
    def periodic_axes(self) -> tuple[int, ...]:
        """The indices of the axes along which the unknown functions are periodic."""

    def with_points(self: AnyProblem, points: float) -> AnyProblem:
        """The same problem with default rules in place of those that were left out.

        - `points`: about how many points the interior gets, as in `default_quadrature`.
        """
        interior, boundary = default_quadrature(self.domain, points)
        changes: dict[str, Any] = {}
        if self.quadrature is None:
            changes["quadrature"] = interior
        if self._boundary_points is None:
            changes["boundary_quadrature"] = boundary
        return dataclasses.replace(self, **changes) if changes else self

    def interior(self, own: Quadrature | None = None, part: AbstractRegion | None = None) -> Collocation:
        """The points in the interior.

        - `own`: the quadrature of one condition, if that condition has its own.
        - `part`: a region in the domain that gets the points. If it is left out, the domain gets them.

        If the problem names no rule, the points are the fewest that `default_quadrature` chooses. Raises `ValueError`
        for points or weights that cannot be used.
        """
        given = as_points(own, "quadrature") if own is not None else self._points or self._fewest[0]
        return given.on(self.domain if part is None else part)

    def on_faces(self, faces: Sequence[Piece], own: Quadrature | None = None) -> Collocation:
        """The points on pieces of the boundary of the domain, or of parts of it.

        - `own`: the quadrature of one condition, if that condition has its own.

        Raises `ValueError` for points or weights that cannot be used, and where no point is on any of the pieces.
        """
        found = joined([self._points_on(face, own) for face in faces])
        if not len(found.weights):
            names = ", ".join(
                f"{face.axis} = {face.position}" if isinstance(face, Face) else repr(face.name) for face in faces
            )
            kind = "faces" if isinstance(self.domain, Box) else "pieces"
            raise ValueError(f"boundary_quadrature has no point on the {kind} {names}; a condition needs one there")
        return found

    def _points_on(self, face: Piece, own: Quadrature | None) -> Collocation:
        given = as_points(own, "quadrature") if own is not None else self._boundary_points or self._fewest[1]
        return given.on(face)

    @property
    def _fewest(self) -> tuple[AbstractPoints, AbstractPoints]:
        return default_quadrature(self.domain, points=0)

    @property
    def _points(self) -> AbstractPoints | None:
        return None if self.quadrature is None else as_points(self.quadrature, "quadrature")

    @property
    def _boundary_points(self) -> AbstractPoints | None:
        if self.boundary_quadrature is not None:
            return as_points(self.boundary_quadrature, "boundary_quadrature")
        return self._points if self._points is not None and self._points.fit_faces else None

    @property
    def _places_of_faces(self) -> tuple[Piece, ...]:
        domain = self.domain
        if isinstance(domain, Box):
            return domain.faces()
        return (*domain.boundary, *domain.instants)

    def _check(self) -> None:
        """Raises `TypeError` or `ValueError` for arguments that cannot be used."""
        if not isinstance(self.domain, AbstractRegion):
            raise TypeError(
                f"domain is {self.domain!r}; it must be made by interval, box, space_time or a shape like disk, and "
                "come first, as in Problem(domain, conditions)"
            )
        if self.exact is not None and not callable(self.exact):
            raise TypeError(f"exact is {self.exact!r}; it must be a function of a point, or left out")
        object.__setattr__(self, "parameters", checked(self.parameters))
        if self.exact is not None:
            names_in(self.exact, 1, self.parameters, "exact")
        functions, constants = sorted_unknowns(self.unknowns, self.domain.axes, self.parameters)
        object.__setattr__(self, "unknowns", (*_in_regions(functions, self.domain), *constants))
        for name, points, places in (
            ("quadrature", self._points, (self.domain,)),
            ("boundary_quadrature", self._boundary_points, self._places_of_faces),
        ):
            if points is not None:
                require_on(points, places, name)


@dataclasses.dataclass(frozen=True, eq=False)
class Problem(AbstractProblem):
    """The problem to find unknowns such that all `conditions` hold, in the sense of weighted least squares.

    The loss is `sum_i w_i r_i(u)^2 / 2` over the residuals of all conditions at their points. It is half the
    discretized loss of eq. (3) of the paper.

    - `conditions`: one condition, or several in a sequence.
    - All other fields are as in `AbstractProblem`.

    Raises `ValueError` for no conditions. Raises `TypeError` for anything that is not a condition.
    """

    conditions: Sequence[AbstractCondition]

    def __post_init__(self):
        self._check()
        given = _sequence(self.conditions)
        if not given:
            raise ValueError("conditions is empty; give at least one, for instance Interior(equation)")
        for condition in given:
            if not isinstance(condition, AbstractCondition):
                raise TypeError(f"conditions holds {condition!r}; each must be a condition, like Interior or Dirichlet")
        found = tuple(part for condition in given for part in condition.in_regions(self.domain))
        object.__setattr__(self, "conditions", found)
        for condition in found:
            condition.require_fits(self.domain)
        axes = [part.axis for part in self.conditions if isinstance(part, Periodic)]
        for axis in axes:
            if axes.count(axis) > 1:
                raise ValueError(f"conditions holds two Periodic ones for the axis {axis!r}; give one with all orders")
        smooth = [part.of for part in self.conditions if isinstance(part, Smooth)]
        for name in smooth:
            if smooth.count(name) > 1:
                raise ValueError(f"conditions holds two Smooth ones for the unknown {name!r}; give one")
        noisy = any(part.is_of_readings and part.noise_unit is not None for part in self.conditions)
        for part in self.conditions:
            if isinstance(part, Smooth) and part.penalty is None and not noisy:
                raise ValueError(
                    f"conditions holds {part.label}, and no readings with noise, which tell how smooth the function "
                    "is; give them, or give penalty"
                )
        for constant in self.constants:
            if constant.prior is None and not any(condition.uses(constant.argument) for condition in self.conditions):
                raise ValueError(
                    f"unknowns holds {constant.label}, and no condition takes it; make it an argument of "
                    "an equation or of data, or leave it out"
                )

    @property
    def joined_axes(self) -> dict[int, complex]:
        """The axes that have a `Periodic` condition, by their indices, and its factor."""
        parts = [part for part in self.conditions if isinstance(part, Periodic)]
        return {self.domain.index(part.axis): part.factor for part in parts}

    @property
    def periodic_axes(self) -> tuple[int, ...]:
        return tuple(sorted(axis for axis, factor in self.joined_axes.items() if factor == 1))

    def collocation(self, condition: AbstractCondition) -> Collocation:
        """The points at which `condition` is imposed.

        The weights include the condition's own factor `weight`. Data that JAX cannot trace are evaluated at these
        points. Raises `ValueError` for points or weights that cannot be used.
        """
        if condition.is_of_readings:
            return condition.readings(self.domain)
        faces, own = condition.faces(self.domain), condition.quadrature
        found = self.interior(own, condition.region(self.domain)) if faces is None else self.on_faces(faces, own)
        return self._imposed(condition, found)

    def collocation_in(self, condition: AbstractCondition, part: Box, start: float | None = None) -> Collocation | None:
        """The points of the rules in a part of the domain at which `condition` is imposed, or `None` for none.

        - `part`: a box in the domain, with the same axes.
        - `start`: the instant at which initial conditions are imposed. If it is left out, that is the first instant of
          the domain.

        The points and weights are otherwise as in `collocation`. Points that are given as arrays are those of the whole
        domain, so that a condition with arrays is not for parts.
        """
        if condition.is_of_readings:
            found = condition.readings(self.domain, part)
            return found if len(found.points) else None
        faces, own = condition.faces(self.domain), condition.quadrature
        if faces is None:
            region = condition.region(self.domain).part(part)
            found = None if region is None else self.interior(own, region)
        else:
            there = [face.part(part, start) for face in faces]
            touched = [face for face in there if face is not None]
            found = joined([self._points_on(face, own) for face in touched]) if touched else None
        return self._imposed(condition, found) if found is not None and len(found.weights) else None

    def _imposed(self, condition: AbstractCondition, found: Collocation) -> Collocation:
        tabulated = condition.tabulated(found.points, self.parameters, self.constants)
        return dataclasses.replace(found, weights=condition.weight * found.weights, tabulated=tabulated)


@dataclasses.dataclass(frozen=True, eq=False)
class Energy(AbstractProblem):
    """The problem to minimize the integral of `density(u, x)` over the domain, with natural boundary conditions.

    An energy takes no conditions of another kind. The loss is the energy, that is the integral, which may be negative.

    - `density`: a function of the unknown `u` and one point `x`, which returns a scalar. It may depend on `x`, `u` and
      the first derivatives of `u`. Of several unknown functions, `u(x)` has one entry for each.
    - `metric`: a function `metric(u, v, x)` of the unknown, of a direction `v` (a field like `u`) and of one point. It
      returns a number or a vector, and it is linear in `v`. The integral of its squared norm is the second derivative
      of the energy at `u` along `v`. For the density `u'^2 / 2 + u^4 / 4` (section 5.3 of the paper) the metric is the
      vector `(v', sqrt(3) u v)`.
    - All other fields are as in `AbstractProblem`.

    The Gramian is `J^T J` with the Jacobian `J` of the metric (Mueller and Zeinhofer, ICML 2023). The gradient comes
    from the first variation of the energy, integrated by parts. It is not `J^T r`, because an energy has no residual.
    """

    density: Callable[[Field, Point], Array]
    metric: Callable[[Field, Field, Point], Array]

    def __post_init__(self):
        self._check()
        if self.constants:
            raise ValueError(
                f"unknowns of the energy holds {self.constants[0].label}; an energy has unknown functions "
                "alone, so write its equations as a Problem"
            )
        if self.components.any_is_complex:
            raise ValueError(
                "unknowns of the energy holds a complex function; give its real and its imaginary part as two functions"
            )
        for name, function in (("density", self.density), ("metric", self.metric)):
            if not callable(function):
                arguments = "(u, x)" if name == "density" else "(u, v, x)"
                raise TypeError(f"{name} is {function!r}; it must be a function of {arguments}")

    @property
    def periodic_axes(self) -> tuple[int, ...]:
        return ()

    def natural_boundary(self) -> Collocation:
        """The points on the whole boundary, at which the natural boundary conditions hold."""
        return self.on_faces(self._places_of_faces)


def with_other_points(problem: AnyProblem, other: Callable[[AbstractPoints], AbstractPoints]) -> AnyProblem:
    """The same problem with `other(points)` in place of all points that the problem and its conditions name."""
    names = ("quadrature", "boundary_quadrature")
    given = {name: getattr(problem, name) for name in names if getattr(problem, name) is not None}
    changes: dict[str, Any] = {name: other(as_points(points, name)) for name, points in given.items()}
    if isinstance(problem, Problem):
        # A condition without points of its own stays the same object, so that nothing is compiled again for it.
        changes["conditions"] = [
            part if part.given_points is None else dataclasses.replace(part, quadrature=other(part.given_points))
            for part in problem.conditions
        ]
    return dataclasses.replace(problem, **changes)


def _in_regions(functions: tuple[Unknown, ...], domain: AbstractRegion) -> tuple[Unknown, ...]:
    """The unknown functions, in a domain that is made of named regions one for each of these."""
    found = []
    names = list(domain.named_regions) if isinstance(domain, Regions) else []
    for each in functions:
        if each.on is not None and each.on not in names:
            known = (
                f"the regions of this domain are {', '.join(names)}" if names else "this domain has no named regions"
            )
            raise ValueError(f"on of the unknown {each.name} is {each.on!r}, and {known}")
        if each.on is not None or not names:
            found.append(dataclasses.replace(each, alias=each.alias or each.name) if names else each)
        else:
            one = lambda name, each=each: dataclasses.replace(
                each, name=f"{each.name}_{name}", on=name, alias=each.name
            )
            found.extend(one(name) for name in names)
    missing = [name for name in names if not any(each.on == name for each in found)]
    if missing:
        raise ValueError(f"unknowns has no function on the region {missing[0]!r}; give one with on={missing[0]!r}")
    return tuple(found)


def _sequence(conditions: Any) -> tuple:
    """The conditions as a tuple. Raises `TypeError` for anything but a condition or an iterable."""
    if isinstance(conditions, AbstractCondition):
        return (conditions,)
    if isinstance(conditions, str) or not isinstance(conditions, Iterable):
        raise TypeError(
            f"conditions is {conditions!r}; give conditions like Interior and Dirichlet, one or several in a list"
        )
    return tuple(conditions)
