"""What to solve: a problem in least-squares form, or an energy to minimize."""

import dataclasses
from collections.abc import Callable, Sequence

import numpy as np
from jaxtyping import Array, Float

from sngd.problem._conditions import AbstractCondition
from sngd.problem._domain import Box
from sngd.problem._field import Field
from sngd.problem._quadrature import AbstractQuadrature, Rule, default_quadrature

Point = Float[Array, " d"]


@dataclasses.dataclass(frozen=True)
class Collocation:
    """Points with outward unit normals (zero in the interior), both `(n, d)`, and positive weights, `(n,)`."""

    points: np.ndarray
    normals: np.ndarray
    weights: np.ndarray


@dataclasses.dataclass(frozen=True, eq=False, kw_only=True)
class AbstractProblem:
    """What both forms share.

    - `quadrature`: points for the interior. Left out, `default_quadrature` chooses by the dimension.
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

    def interior(self, rule: AbstractQuadrature | None = None) -> Collocation:
        """The points in the interior. Raises `ValueError` for a rule whose weights are not positive."""
        rule = rule or self.quadrature or default_quadrature(self.domain.dimension)[0]
        points, weights = _checked(rule, rule.rule(np.array(self.domain.lower), np.array(self.domain.upper)))
        return Collocation(points, np.zeros_like(points), weights)


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

    def collocation(self, condition: AbstractCondition) -> Collocation:
        """The points at which `condition` is imposed; their weights include the condition's own."""
        faces = condition.faces(self.domain)
        if faces is None:
            found = self.interior(condition.quadrature)
            return dataclasses.replace(found, weights=condition.weight * found.weights)
        rule = condition.quadrature or self.boundary_quadrature or self.quadrature
        rule = rule or default_quadrature(self.domain.dimension)[1]
        parts = [(face, *_checked(rule, rule.rule(*face.extent))) for face in faces]
        return Collocation(
            points=np.concatenate([face.embed(points) for face, points, _ in parts]),
            normals=np.concatenate([np.tile(face.normal, (len(weights), 1)) for face, _, weights in parts]),
            weights=np.concatenate([condition.weight * weights for _, _, weights in parts]),
        )


@dataclasses.dataclass(frozen=True, eq=False)
class Energy(AbstractProblem):
    """Minimize the integral of `density(u, x)` over the domain; boundary conditions are the natural ones.

    The loss is that energy, which may be negative. Its Gramian comes from the second variation, given by its factor:
    `metric(u, v, x)` is linear in the direction `v`, and its squared norm integrates to the second derivative of the
    energy at `u` along `v`. For the density `u'^2 / 2 + u^4 / 4` (section 5.3 of the paper) it is the vector
    `(v', sqrt(3) u v)`. Its gradient is not `J^T r`: descents that need residuals refuse an energy.
    """

    density: Callable[[Field, Point], Array]
    metric: Callable[[Field, Field, Point], Array]


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
