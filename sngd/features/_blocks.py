"""Least squares for many blocks of columns, of which few have rows in common, by QR decompositions.

The blocks are eliminated one after the other. Each QR decomposition sees the rows of one block, what is left of those
blocks before it that share rows with it, and the columns of all blocks with which these share rows (multifrontal QR:
Duff and Reid, ACM Trans. Math. Softw. 9, 1983). The border, a few columns in which any row may have entries, is
eliminated last. Normal equations are not formed, because they would lose half of the digits.
"""

import dataclasses
import itertools
from typing import NamedTuple

import numpy as np
import scipy.linalg
from jaxtyping import Bool, Float

# The damping of the border, relative to its columns, over that of the blocks.
_BORDER = 1e2


@dataclasses.dataclass(frozen=True)
class Coupling:
    """Rows that two blocks of columns have in common: `left @ x_first + right @ x_second`."""

    first: int
    second: int
    left: Float[np.ndarray, "n c"]
    right: Float[np.ndarray, "n c"]


@dataclasses.dataclass(frozen=True)
class Joint:
    """Rows that any number of blocks of columns and the border have in common.

    - `blocks`: their numbers. `parts`: what each of them has in the rows. `border`: what the border has.
    """

    blocks: tuple[int, ...]
    parts: tuple[Float[np.ndarray, "n c"], ...]
    border: Float[np.ndarray, "n b"]


class Solved(NamedTuple):
    """The solution of a least-squares problem with `r` right-hand sides.

    - `columns`: of the blocks. `border`: of the border.
    - `triangle`: the triangular factor that is left for the border when the blocks are eliminated, without the damping.
    """

    columns: Float[np.ndarray, "K c r"]
    border: Float[np.ndarray, "b r"]
    triangle: Float[np.ndarray, "b b"]


@dataclasses.dataclass(frozen=True)
class Blocks:
    """A matrix of `K` blocks of `c` columns, and a border of `b` columns.

    - `own`: for each block the rows that have no columns of other blocks, shape `(n_k, c)`. `couplings`: rows of two.
    - `border`: the columns of the border in the own rows of each block, shape `(n_k, b)`. Couplings have none.
    - `last`: rows that have columns of the border alone, shape `(n, b)`. `joints`: rows of many blocks.
    """

    own: tuple[Float[np.ndarray, "n c"], ...]
    couplings: tuple[Coupling, ...] = ()
    border: tuple[Float[np.ndarray, "n b"], ...] = ()
    last: Float[np.ndarray, "n b"] = dataclasses.field(default_factory=lambda: np.zeros((0, 0)))
    joints: tuple[Joint, ...] = ()

    def times(self, columns: Float[np.ndarray, "K c"], border: Float[np.ndarray, " b"]) -> list[np.ndarray]:
        """The product with a vector: an array for the own rows of each block, for each coupling and for each joint, and
        one for the last rows.
        """
        own = [matrix @ each for matrix, each in zip(self.own, columns, strict=True)]
        own = [part + matrix @ border for part, matrix in zip(own, self._borders, strict=True)]
        coupled = [part.left @ columns[part.first] + part.right @ columns[part.second] for part in self.couplings]
        for joint in self.joints:
            products = [part @ columns[block] for block, part in zip(joint.blocks, joint.parts, strict=True)]
            coupled.append(np.sum(products, axis=0) + joint.border @ border)
        return [*own, *coupled, self.last @ border]

    @property
    def scale(self) -> float:
        """The root mean square of the Frobenius norms of the own rows of the blocks."""
        return float(np.sqrt(np.mean([np.sum(matrix**2) for matrix in self.own])))

    @property
    def is_finite(self) -> bool:
        return all(np.all(np.isfinite(matrix)) for matrix in (*self.own, *self._borders))

    def without(self, chosen: Bool[np.ndarray, " b"]) -> "Blocks":
        """The matrix with zeros in these columns of the border."""
        if not np.any(chosen):
            return self
        border = tuple(np.where(chosen, 0.0, matrix) for matrix in self._borders)
        joints = tuple(dataclasses.replace(each, border=np.where(chosen, 0.0, each.border)) for each in self.joints)
        return dataclasses.replace(self, border=border, last=np.where(chosen, 0.0, self.last), joints=joints)

    def thinned(self) -> "Blocks":
        """The matrix with every other column of the blocks."""
        couplings = [
            dataclasses.replace(part, left=part.left[:, ::2], right=part.right[:, ::2]) for part in self.couplings
        ]
        joints = [dataclasses.replace(each, parts=tuple(part[:, ::2] for part in each.parts)) for each in self.joints]
        own = tuple(part[:, ::2] for part in self.own)
        return dataclasses.replace(self, own=own, couplings=tuple(couplings), joints=tuple(joints))

    @property
    def _borders(self) -> tuple[Float[np.ndarray, "n b"], ...]:
        return self.border or tuple(np.zeros((len(matrix), self.last.shape[1])) for matrix in self.own)

    def solve(self, right: list[Float[np.ndarray, "n r"]], damping: float) -> Solved:
        """The vectors that make the least sum of squares of the residual and of `damping` times the vector.

        Entries of the border are multiplied by the norms of their columns first, over the scale of the blocks, and by a
        hundred.

        - `right`: the right-hand sides, in the order of `times`.
        """
        count, width, sides = len(self.own), self.own[0].shape[1], right[0].shape[1]
        widths = {**dict.fromkeys(range(count), width), count: self.last.shape[1]}
        pairs = [(part.first, part.second) for part in self.couplings]
        pairs.extend(pair for joint in self.joints for pair in itertools.combinations(joint.blocks, 2))
        order = _order(count, pairs)
        place = {number: at for at, number in enumerate(order)}
        waiting: list[list[_Rows]] = [[] for _ in range(count)]
        shared: list[tuple[tuple[int, ...], tuple[np.ndarray, ...]]] = [
            ((part.first, part.second), (part.left, part.right)) for part in self.couplings
        ]
        shared.extend(((*joint.blocks, count), (*joint.parts, joint.border)) for joint in self.joints)
        for (blocks, parts), side in zip(shared, right[count:-1], strict=True):
            earlier = min(blocks, key=lambda number: place.get(number, count))
            waiting[earlier].append(_Rows(blocks, parts, side))
        damped, zeros = damping * np.eye(width), np.zeros((width, sides))
        eliminated, last = [], []
        for number in order:
            # The own rows are reduced to a triangle first, so that fewer rows meet the columns of other blocks.
            own = [
                _Rows((number, count), (self.own[number], self._borders[number]), right[number]),
                _Rows((number,), (damped,), zeros),
            ]
            upper, columns = _triangle(own, [number, count], widths), [number, count]
            if waiting[number]:
                given = [_rows_of(upper, columns, widths), *waiting[number]]
                waiting[number] = []
                columns = [number, *sorted({block for rows in given for block in rows.blocks} - {number})]
                upper = _triangle(given, columns, widths)
            eliminated.append((columns, upper[:width]))
            rest = _rows_of(upper[width:, width:], columns[1:], widths)
            # What is left belongs to that block which is eliminated next.
            later = min(columns[1:], key=lambda block: place.get(block, count))
            (last if later == count else waiting[later]).append(rest)
        return self._substituted(eliminated, last, right[-1], damping)

    def _substituted(
        self,
        eliminated: list[tuple[list[int], Float[np.ndarray, "c C"]]],
        rest: list["_Rows"],
        last: Float[np.ndarray, "n r"],
        damping: float,
    ) -> Solved:
        """The solution, from the rows that each block has left, and from those that are left for the border."""
        count, width, sides, border = len(self.own), self.own[0].shape[1], last.shape[1], self.last.shape[1]
        mine = [_Rows((0,), each.parts, each.right) for each in rest]
        rows = _triangle([*mine, _Rows((0,), (self.last,), last)], [0], {0: border})
        # Constants of small effect are damped as little as others, relative to their effect. Rounding errors move a
        # combination of constants without effect by the inverse of the damping.
        borders = (*self._borders, self.last, *(joint.border for joint in self.joints))
        norms = np.sqrt(sum(np.sum(part**2, axis=0) for part in borders))
        shares = np.where(norms > 0, _BORDER * norms / self.scale, 1.0) if border else np.zeros(0)
        damped = _Rows((0,), (damping * np.diag(shares),), np.zeros((border, sides)))
        whole = _triangle([_rows_of(rows, [0], {0: border}), damped], [0], {0: border})
        known = np.zeros((0, sides))
        if border:
            known = scipy.linalg.solve_triangular(whole[:border, :border], whole[:border, border:], check_finite=False)
        found = np.zeros((count, width, sides))
        for columns, upper in reversed(eliminated):
            others = np.concatenate([*(found[other] for other in columns[1:-1]), known])
            end = width + len(others)
            side = upper[:, end:] - upper[:, width:end] @ others
            found[columns[0]] = scipy.linalg.solve_triangular(upper[:, :width], side, check_finite=False)
        triangle = np.zeros((border, border))
        triangle[: min(len(rows), border)] = rows[:border, :border]
        return Solved(found, known, triangle)


def _order(count: int, pairs: list[tuple[int, int]]) -> list[int]:
    """The order in which blocks are eliminated: next always the one that has rows in common with the fewest others
    (minimum degree: George and Liu, SIAM Review 31, 1989), and of these the first.

    - `pairs`: of blocks that have rows in common.
    """
    others: dict[int, set[int]] = {number: set() for number in range(count)}
    for first, second in pairs:
        if first != second:
            others[first].add(second)
            others[second].add(first)
    found = []
    while others:
        number = min(others, key=lambda block: (len(others[block]), block))
        meets = others.pop(number)
        for block in meets:
            others[block] |= meets
            others[block] -= {block, number}
        found.append(number)
    return found


class _Rows(NamedTuple):
    """Rows with columns in some of the blocks, by the numbers of these, and their right-hand sides."""

    blocks: tuple[int, ...]
    parts: tuple[Float[np.ndarray, "n c"], ...]
    right: Float[np.ndarray, "n r"]


def _rows_of(matrix: Float[np.ndarray, "n C"], blocks: list[int], widths: dict[int, int]) -> _Rows:
    """The rows of a matrix whose columns are those of these blocks, and then the right-hand sides."""
    ends = np.cumsum([widths[block] for block in blocks]).tolist()
    *parts, right = np.split(matrix, ends, axis=1)
    return _Rows(tuple(blocks), tuple(parts), right)


def _triangle(given: list[_Rows], columns: list[int], widths: dict[int, int]) -> Float[np.ndarray, "k C"]:
    """The upper triangular factor of rows whose columns are those of some blocks, and then the right-hand sides."""
    starts = dict(zip(columns, np.cumsum([0, *(widths[block] for block in columns)]).tolist(), strict=False))
    count, end = sum(len(each.right) for each in given), sum(widths[block] for block in columns)
    matrix = np.zeros((count, end + given[0].right.shape[1]), order="F")
    first = 0
    for each in given:
        last = first + len(each.right)
        for block, part in zip(each.blocks, each.parts, strict=True):
            matrix[first:last, starts[block] : starts[block] + widths[block]] += part
        matrix[first:last, end:] = each.right
        first = last
    if not count:
        return matrix
    # LAPACK itself, because `scipy.linalg.qr` copies the whole matrix once more.
    decompose, space = scipy.linalg.get_lapack_funcs(("geqrf", "geqrf_lwork"), (matrix,))
    packed, *_ = decompose(matrix, lwork=int(space(*matrix.shape)[0]), overwrite_a=True)
    return np.triu(packed[: matrix.shape[1]])
