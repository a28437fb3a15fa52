"""Points with weights in a region or on a piece of a boundary: the interface of all ways to choose them."""

import abc
import dataclasses
from typing import Any, Protocol, runtime_checkable

import numpy as np

from sngd.geometry._box import Box, Face, Place
from sngd.geometry._collocation import Collocation
from sngd.geometry._pieces import AbstractPiece

Rule = tuple[np.ndarray, np.ndarray]

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
    def on(self, place: Place) -> Collocation:
        """The points, shape `(n, d)`, and the positive weights, shape `(n,)`, in a region or on a piece of a boundary.

        On a boundary there are normals too. Raises `ValueError` for points of another shape or outside of the place,
        and for weights that are not positive and finite.
        """

    @abc.abstractmethod
    def staggered(self) -> "AbstractPoints":
        """Other points, at which a solution is validated.

        Their number is the same where that is possible, so that nothing is compiled again.
        """

    @abc.abstractmethod
    def refined(self) -> "AbstractPoints":
        """More points: at least 1.5 times as many, where the number can be chosen freely."""


def rule_on(rule: HasRule, place: Place) -> Collocation:
    """The points and weights of a rule for boxes.

    A face of a box is a box of one dimension less. Pieces of other boundaries are images of such boxes. A region that
    is no box has those points of the box around it that are in the region.

    Raises `ValueError` if the rule fails, for points of another shape or outside of the box, for weights that are not
    positive and finite, where no point is in the region, and for pieces that are no images of boxes.
    """
    if isinstance(place, AbstractPiece):
        return place.ruled(_Checked(rule, f"on {place.label}"))
    if isinstance(place, Box | Face):
        lower, upper = place.extent
        if not len(lower):
            # A face of an interval is one point, for every rule.
            points, weights = np.zeros((1, 0)), np.ones(1)
        else:
            where = (
                "in the interior" if isinstance(place, Box) else f"on {place.label}, a box of dimension {len(lower)}"
            )
            points, weights = _Checked(rule, where, is_face=isinstance(place, Face)).rule(lower, upper)
        points = place.embed(points)
        normals = np.tile(place.normal, (len(points), 1)) if isinstance(place, Face) else np.zeros_like(points)
        return Collocation(points, normals, weights)
    points, weights = _Checked(rule, "in the interior").rule(*place.extent)
    inside = place.contains(points)
    if not inside.any():
        raise ValueError(f"the rule {rule} has no point in {place}; give more points, or sngd.Spread(1000)")
    return Collocation(points, np.zeros_like(points), weights).kept(inside)


@dataclasses.dataclass(frozen=True)
class _Checked:
    """A rule whose points and weights are checked.

    - `where`: in messages. `is_face`: whether the box is a face, which has one dimension less than the domain.
    """

    given: HasRule
    where: str
    is_face: bool = True

    def __str__(self) -> str:
        return str(self.given)

    def rule(self, lower: np.ndarray, upper: np.ndarray) -> Rule:
        """The points and weights. Raises `ValueError` for those that cannot be used."""
        rule, where = self.given, self.where
        way_out = (
            f". Give the problem a boundary_quadrature for boxes of dimension {len(lower)}" if self.is_face else ""
        )
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
        return points, weights


def require_positive(weights: np.ndarray, owner: str) -> None:
    """Raises `ValueError` for weights that are not positive and finite."""
    if not (np.all(np.isfinite(weights)) and np.all(weights > 0)):
        raise ValueError(f"weights of {owner} must be positive and finite; the smallest is {weights.min()}")


def is_inside(points: np.ndarray, lower: Any, upper: Any) -> np.ndarray:
    """Whether each of the points, shape `(n, d)`, lies in the box with these bounds, up to rounding errors."""
    slack = _ROUNDING * np.maximum(np.subtract(upper, lower), np.maximum(np.abs(lower), np.abs(upper)))
    return np.all((points >= lower - slack) & (points <= upper + slack), axis=1)
