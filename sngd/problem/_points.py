"""Points with weights, in a box or on one of its faces: what every way to choose them has in common."""

import abc
from typing import Any, Protocol, runtime_checkable

import numpy as np

from sngd.problem._domain import Box, Face

Rule = tuple[np.ndarray, np.ndarray]

Place = Box | Face

# Points may lie outside of a box by this fraction of its sides: by rounding errors.
_ROUNDING = 1e-12


@runtime_checkable
class HasRule(Protocol):
    """A quadrature rule of a user's: any object with this method."""

    def rule(self, lower: np.ndarray, upper: np.ndarray) -> Rule:
        """Points of shape `(n, d)` and weights of shape `(n,)` on the box with these bounds, each of shape `(d,)`."""
        ...


class AbstractPoints(abc.ABC):
    """A way to choose the points at which a condition is imposed."""

    @property
    @abc.abstractmethod
    def fit_faces(self) -> bool:
        """Whether a way that was chosen for the interior serves for the faces too."""

    @abc.abstractmethod
    def on(self, place: Place) -> Rule:
        """Points of shape `(n, d)` and weights of shape `(n,)`, in a box or on a face of it.

        The weights are positive. Raises `ValueError` for points or weights that cannot be used.
        """

    @abc.abstractmethod
    def staggered(self) -> "AbstractPoints":
        """As many points in other places, to check a solution between the points: of the same number where that is
        possible, so that nothing is compiled for them.
        """

    @abc.abstractmethod
    def refined(self) -> "AbstractPoints":
        """More points, at least half as many more where the number is free."""


def rule_on(rule: HasRule, place: Place) -> Rule:
    """What `rule` gives for a box, or for a face, which is a box of one dimension less.

    Raises `ValueError` where the rule fails, and for points or weights that cannot be used.
    """
    lower, upper = place.extent
    if not len(lower):
        # An end of an interval is a point, whatever the rule.
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
    """Whether each of the points, shape `(n, d)`, lies in the box with these bounds, but for rounding errors."""
    slack = _ROUNDING * np.maximum(np.subtract(upper, lower), np.maximum(np.abs(lower), np.abs(upper)))
    return np.all((points >= lower - slack) & (points <= upper + slack), axis=1)
