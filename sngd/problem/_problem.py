"""What to solve: a problem in least-squares form, or an energy to minimize."""

import abc
import dataclasses
from collections.abc import Callable, Sequence
from typing import Any, Self

import numpy as np
from jaxtyping import Array, Float

from sngd.problem._conditions import AbstractCondition, Periodic
from sngd.problem._domain import Box, Face
from sngd.problem._field import Field
from sngd.problem._quadrature import AbstractQuadrature, Rule, default_quadrature

Point = Float[Array, " d"]

# Of the default network in two dimensions, where a problem is looked at without one.
_PARAMETERS = 1341


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

    - `quadrature`: points for the interior. Left out, `default_quadrature` chooses by the dimension and the network.
    - `boundary_quadrature`: points for the faces. Left out, it is `quadrature`, or the default for faces.
    - `exact`: the exact solution as a function of one point, if known. Reports use it, training never does.
    - `outputs`: the number of components of `u`. With one, `u(x)` is a scalar, else a vector.
    """

    domain: Box = dataclasses.field(kw_only=False)
    quadrature: AbstractQuadrature | None = None
    boundary_quadrature: AbstractQuadrature | None = None
    exact: Callable[[Point], Array] | None = None
    outputs: int = 1
    name: str = "problem"

    @property
    @abc.abstractmethod
    def periodic_axes(self) -> tuple[int, ...]:
        """The axes with a `Periodic` condition, by their indices."""

    def with_points(self, parameters: int) -> Self:
        """The same problem with rules where it names none, as suits a network with this many parameters."""
        if self.quadrature is not None:
            return self
        interior, boundary = default_quadrature(self.domain.dimension, parameters)
        return dataclasses.replace(self, quadrature=interior, boundary_quadrature=self.boundary_quadrature or boundary)

    def interior(self, rule: AbstractQuadrature | None = None) -> Collocation:
        """The points in the interior. Raises `ValueError` for a rule whose weights are not positive."""
        rule = rule or self.quadrature or _default(self.domain)[0]
        points, weights = _checked(rule, rule.rule(np.array(self.domain.lower), np.array(self.domain.upper)))
        return Collocation(points, np.zeros_like(points), weights)

    def _on_faces(self, faces: Sequence[Face], rule: AbstractQuadrature | None = None) -> Collocation:
        rule = rule or self.boundary_quadrature or self.quadrature or _default(self.domain)[1]
        parts = [(face, *_checked(rule, rule.rule(*face.extent))) for face in faces]
        return Collocation(
            points=np.concatenate([face.embed(points) for face, points, _ in parts]),
            normals=np.concatenate([np.tile(face.normal, (len(weights), 1)) for face, _, weights in parts]),
            weights=np.concatenate([weights for _, _, weights in parts]),
        )


@dataclasses.dataclass(frozen=True, eq=False)
class Problem(AbstractProblem):
    """Find `u` such that all `conditions` hold, in the sense of weighted least squares.

    The loss is `sum_i w_i r_i(u)^2 / 2` over the residuals of all conditions at their points: half the discretization
    of eq. (3) of the paper. Raises `ValueError` for empty conditions and `TypeError` for anything else among them.
    """

    conditions: Sequence[AbstractCondition]

    def __post_init__(self):
        object.__setattr__(self, "conditions", tuple(self.conditions))
        if not self.conditions:
            raise ValueError("conditions is empty; give at least one, for instance Interior(equation)")
        for condition in self.conditions:
            if not isinstance(condition, AbstractCondition):
                raise TypeError(f"conditions holds {condition!r}; each must be a condition, like Interior or Dirichlet")

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
        weights, tabulated = condition.weight * found.weights, condition.tabulated(found.points)
        return dataclasses.replace(found, weights=weights, tabulated=tabulated)


@dataclasses.dataclass(frozen=True, eq=False)
class Energy(AbstractProblem):
    """Minimize the integral of `density(u, x)` over the domain; boundary conditions are the natural ones.

    The loss is that energy, which may be negative. The density may depend on `x`, `u` and the first derivatives of `u`.
    Its Gramian comes from the second variation, given by its factor:
    `metric(u, v, x)` is linear in the direction `v`, and its squared norm integrates to the second derivative of the
    energy at `u` along `v`. For the density `u'^2 / 2 + u^4 / 4` (section 5.3 of the paper) it is the vector
    `(v', sqrt(3) u v)`. Its gradient is not `J^T r`: descents that need residuals refuse an energy.
    """

    density: Callable[[Field, Point], Array]
    metric: Callable[[Field, Field, Point], Array]

    @property
    def periodic_axes(self) -> tuple[int, ...]:
        return ()

    def natural_boundary(self) -> Collocation:
        """The points on all faces, where the natural boundary conditions hold."""
        faces = [self.domain.face(axis, side) for axis in self.domain.axes for side in ("lower", "upper")]
        return self._on_faces(faces)


def with_other_rules(
    problem: AbstractProblem, other: Callable[[AbstractQuadrature], AbstractQuadrature | None]
) -> AbstractProblem | None:
    """The same problem with `other(rule)` for each of its rules, or `None` where that is `None` for one of them."""
    changes: dict[str, Any] = _other_rules(problem, ("quadrature", "boundary_quadrature"), other)
    missing = None in changes.values()
    if isinstance(problem, Problem):
        parts = [(condition, _other_rules(condition, ("quadrature",), other)) for condition in problem.conditions]
        missing = missing or any(None in rules.values() for _, rules in parts)
        # A condition without a rule of its own stays the same object, so that nothing is compiled again for it.
        changes["conditions"] = (
            () if missing else [dataclasses.replace(part, **rules) if rules else part for part, rules in parts]
        )
    return None if missing else dataclasses.replace(problem, **changes)


def _other_rules(owner: AbstractProblem | AbstractCondition, names: tuple[str, ...], other: Callable) -> dict[str, Any]:
    rules = {name: getattr(owner, name) for name in names}
    return {name: other(rule) for name, rule in rules.items() if rule is not None}


def _default(domain: Box) -> tuple[AbstractQuadrature, AbstractQuadrature]:
    return default_quadrature(domain.dimension, _PARAMETERS)


def _checked(rule: AbstractQuadrature, output: Rule) -> Rule:
    points, weights = output
    if points.ndim != 2 or weights.shape != points.shape[:1] or not len(weights):
        raise ValueError(
            f"the rule {rule} gives points of shape {points.shape} with weights of shape {weights.shape}; "
            "it must give at least one point, (n, d), and one weight for each, (n,)"
        )
    if not (np.all(np.isfinite(weights)) and np.all(weights > 0)):
        raise ValueError(f"weights of the rule {rule} must be positive and finite; the smallest is {weights.min()}")
    return points, weights
