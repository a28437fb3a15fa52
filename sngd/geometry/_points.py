"""Points with weights in a box or on a face of a box: the interface of all ways to choose them."""

import abc
from typing import Any, Protocol, runtime_checkable

import numpy as np

from sngd.geometry._box import Box, Face

Rule = tuple[np.ndarray, np.ndarray]

Place = Box | Face

# Rounding errors may put points outside of a box by this fraction of its sides.
_ROUNDING = 1e-12


@runtime_checkable
class HasRule(Protocol):
    """A user's quadrature rule: any object with the method `rule`."""

    def rule(self, lower: np.ndarray, upper: np.ndarray) -> Rule:
        """The points, shape `(n, d)`, and the weights, shape `(n,)`, for the box with these bounds.

        - `lower`, `upper`: the bounds, each of shape `(d,)`.

        A face of a domain with `d` axes is a box with the other `d - 1` axes. For a face the bounds have the shape
        `(d - 1,)` and the points the shape `(n, d - 1)`. The faces of an interval are single points and need no rule.
        """
        ...


class AbstractPoints(abc.ABC):
    """A way to choose the points at which a condition is imposed."""

    @property
    @abc.abstractmethod
    def fit_faces(self) -> bool:
        """Whether points that were chosen for the interior serve for the faces too."""

    @abc.abstractmethod
    def on(self, place: Place) -> Rule:
        """The points, shape `(n, d)`, and the positive weights, shape `(n,)`, in a box or on a face of a box.

        On a face too, a point has all `d` coordinates of the box. Raises `ValueError` for points of another shape or
        outside of the box, and for weights that are not positive and finite.
        """

    @abc.abstractmethod
    def staggered(self) -> "AbstractPoints":
        """Other points, at which a solution is validated.

        Their number is the same where that is possible, so that nothing is compiled again.
        """

    @abc.abstractmethod
    def refined(self) -> "AbstractPoints":
        """More points: at least 1.5 times as many, where the number can be chosen freely."""


def rule_on(rule: HasRule, place: Place) -> Rule:
    """The points and weights of `rule` for a box, or for a face, which is a box of one dimension less.

    The points have the shape `(n, d)`, also on a face, and the weights have the shape `(n,)`. Raises `ValueError` if
    the rule fails, for points of another shape or outside of the box, and for weights that are not positive and finite.
    """
    lower, upper = place.extent
    if not len(lower):
        # A face of an interval is one point, for every rule.
        return place.embed(np.zeros((1, 0))), np.ones(1)
    if isinstance(place, Face):
        where = f"on the face {place.axis} = {place.position}, a box of dimension {len(lower)}"
        way_out = f". Give the problem a boundary_quadrature for boxes of dimension {len(lower)}"
    else:
        where, way_out = "in the interior", ""
    try:
        points, weights = (np.asarray(array, dtype=float) for array in rule.rule(lower, upper))
    except Exception as error:
        raise ValueError(f"the rule {rule} fails {where} ({type(error).__name__}: {error}){way_out}") from error
    if points.ndim != 2 or points.shape[1] != len(lower) or weights.shape != points.shape[:1] or not len(weights):
        raise ValueError(
            f"the rule {rule} gives points of shape {points.shape} with weights of shape {weights.shape} {where}; "
            f"it must give at least one point, (n, {len(lower)}), and one weight for each, (n,){way_out}"
        )
    require_positive(weights, f"the rule {rule}")
    outside = ~is_inside(points, lower, upper)
    if outside.any():
        raise ValueError(
            f"the rule {rule} gives the point {points[outside][0].tolist()}, which lies outside of the box from "
            f"{lower.tolist()} to {upper.tolist()}"
        )
    return place.embed(points), weights


def require_positive(weights: np.ndarray, owner: str) -> None:
    """Raises `ValueError` for weights that are not positive and finite."""
    if not (np.all(np.isfinite(weights)) and np.all(weights > 0)):
        raise ValueError(f"weights of {owner} must be positive and finite; the smallest is {weights.min()}")


def is_inside(points: np.ndarray, lower: Any, upper: Any) -> np.ndarray:
    """Whether each of the points, shape `(n, d)`, lies in the box with these bounds, up to rounding errors."""
    slack = _ROUNDING * np.maximum(np.subtract(upper, lower), np.maximum(np.abs(lower), np.abs(upper)))
    return np.all((points >= lower - slack) & (points <= upper + slack), axis=1)
