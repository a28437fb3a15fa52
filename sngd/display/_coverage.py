"""Which conditions of a problem hold where on the boundary of its domain."""

import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Literal

import numpy as np

from sngd.geometry import (
    AbstractPiece,
    AbstractRegion,
    Collocation,
    Face,
    Piece,
    Regions,
    SinglePoint,
    is_on,
    joined,
    select_faces,
)
from sngd.problem import AbstractCondition, AbstractProblem, Integral, Periodic, Problem

Kind = Literal["boundary", "interface", "instant", "point"]


@dataclasses.dataclass(frozen=True, eq=False)
class Part:
    """A part of the boundary of a domain, of an interface or of an instant, with the same conditions everywhere.

    - `name`: of the piece. `kind`: what it is. `found`: points on it with normals and weights.
    - `conditions`: the labels of the conditions that hold there, each once.
    """

    name: str
    kind: Kind
    conditions: tuple[str, ...]
    found: Collocation

    @property
    def label(self) -> str:
        """The part in a legend."""
        return f"{self.name}: {', '.join(self.conditions) or 'no condition'}"


Sample = Callable[[AbstractPiece], Collocation]
"""Chooses points on a piece, by which it is drawn."""


def parts_of(problem: AbstractProblem, sample: Sample) -> list[Part]:
    """The parts of the boundary of a problem's domain, of its interfaces, and of the first instant, if there is time.

    Single points and the last instant are parts if conditions hold there. A piece on a part of which a condition holds
    is divided.
    """
    held = _held(problem)
    divided: dict[tuple[str, Kind], dict[tuple[str, ...], list[tuple[str, Collocation]]]] = {}
    for name, kind, piece in _places(problem.domain, held):
        groups = divided.setdefault((name, kind), {})
        for labels, points in _divided(sample(piece), held):
            groups.setdefault(labels, []).append((piece.owner, points))
    return [part for (name, kind), groups in divided.items() for part in _parts(name, kind, groups)]


def _divided(
    points: Collocation, held: Sequence[tuple[str, Sequence[Piece]]]
) -> Iterator[tuple[tuple[str, ...], Collocation]]:
    """The points by the conditions that hold there."""
    covers = [np.any([is_on(points.points, piece) for piece in pieces], axis=0) for _, pieces in held]
    table = np.stack([np.zeros(len(points.weights), dtype=bool), *covers], axis=1)
    for row in np.unique(table, axis=0)[::-1]:
        labels = dict.fromkeys(label for (label, _), is_held in zip(held, row[1:], strict=True) if is_held)
        yield tuple(labels), points.kept(np.all(table == row, axis=1))


def _parts(
    name: str, kind: Kind, groups: Mapping[tuple[str, ...], Sequence[tuple[str, Collocation]]]
) -> Iterator[Part]:
    """The parts of pieces that share a name; their owners are named if these differ in their conditions."""
    owners = {owner for group in groups.values() for owner, _ in group}
    for labels, group in groups.items():
        own = ", ".join(dict.fromkeys(owner for owner, _ in group))
        told = len(groups) > 1 and len(owners) > 1
        yield Part(f"{name} of {own}" if told else name, kind, labels, joined([points for _, points in group]))


def _held(problem: AbstractProblem) -> list[tuple[str, tuple[Piece, ...]]]:
    """The conditions on boundaries, each with its label and its pieces."""
    if not isinstance(problem, Problem):
        return [("natural", tuple(problem.domain.boundary))]
    pairs = [(_label(condition), _pieces(condition, problem.domain)) for condition in problem.conditions]
    return [(label, pieces) for label, pieces in pairs if pieces]


def _label(condition: AbstractCondition) -> str:
    of = getattr(condition, "of", None)
    return condition.label if of is None else f"{condition.label} of {of if isinstance(of, str) else ', '.join(of)}"


def _pieces(condition: AbstractCondition, domain: AbstractRegion) -> tuple[Piece, ...]:
    if condition.is_of_readings:
        return ()
    if isinstance(condition, Integral):
        over = condition.over
        if over is None or isinstance(over, (AbstractRegion, str)):
            return ()
        return select_faces(domain, over, condition.label)
    found = condition.faces(domain) or ()
    if isinstance(condition, Periodic):
        found = (*found, domain.face(condition.axis, "upper"))
    return found


def _places(
    domain: AbstractRegion, held: Sequence[tuple[str, Sequence[Piece]]]
) -> Iterator[tuple[str, Kind, AbstractPiece]]:
    """The pieces to draw, with their names and kinds."""
    for piece in domain.pieces:
        yield piece.name, "boundary", piece
    for piece in _first_instant(domain):
        yield piece.name, "instant", piece
    for name, piece in _interfaces(domain):
        yield name, "interface", piece
    for piece in dict.fromkeys(piece for _, pieces in held for piece in pieces):
        if isinstance(piece, SinglePoint):
            yield piece.name, "point", piece
        elif piece.is_final:
            yield piece.name, "instant", surface_of(piece)


def surface_of(piece: Piece) -> AbstractPiece:
    """A face of a box as other pieces."""
    return piece.surface if isinstance(piece, Face) else piece


def _first_instant(domain: AbstractRegion) -> list[AbstractPiece]:
    if domain.time_axis is None:
        return []
    if isinstance(domain, Regions):
        return [domain.initial_of(name) for name in domain.named_regions]
    try:
        return [surface_of(domain.initial)]
    except ValueError:
        # Combinations of regions with time have no face at the first instant.
        return []


def _interfaces(domain: AbstractRegion) -> Iterator[tuple[str, AbstractPiece]]:
    names = list(domain.named_regions) if isinstance(domain, Regions) else []
    for number, first in enumerate(names):
        for second in names[number + 1 :]:
            try:
                pieces = domain.interface(first, second)  # pyright: ignore[reportAttributeAccessIssue]
            except ValueError:
                # Not every two regions touch.
                continue
            yield from ((f"{first} and {second}", piece) for piece in pieces)
