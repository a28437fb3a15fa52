"""Least squares for many blocks of columns, of which few have rows in common, by QR decompositions.

The blocks are eliminated one after the other. Each QR decomposition sees the rows of one block, what is left of the
blocks before it, and the columns of those blocks with which it shares rows (multifrontal QR: Duff and Reid, ACM Trans.
Math. Softw. 9, 1983). Normal equations are not formed, because they would lose half of the digits.
"""

import dataclasses
from typing import NamedTuple

import numpy as np
import scipy.linalg
from jaxtyping import Float


@dataclasses.dataclass(frozen=True)
class Coupling:
    """Rows that two blocks of columns have in common: `left @ x_first + right @ x_second`."""

    first: int
    second: int
    left: Float[np.ndarray, "n c"]
    right: Float[np.ndarray, "n c"]


@dataclasses.dataclass(frozen=True)
class Blocks:
    """A matrix of `K` blocks of `c` columns.

    - `own`: for each block the rows that have no other columns, shape `(n_k, c)`. `couplings`: all other rows.
    """

    own: tuple[Float[np.ndarray, "n c"], ...]
    couplings: tuple[Coupling, ...] = ()

    def times(self, columns: Float[np.ndarray, "K c"]) -> list[Float[np.ndarray, " n"]]:
        """The product with a vector, as one array for the own rows of each block, and then one for each coupling."""
        own = [matrix @ each for matrix, each in zip(self.own, columns, strict=True)]
        return own + [part.left @ columns[part.first] + part.right @ columns[part.second] for part in self.couplings]

    @property
    def scale(self) -> float:
        """The root mean square of the Frobenius norms of the own rows of the blocks."""
        return float(np.sqrt(np.mean([np.sum(matrix**2) for matrix in self.own])))

    @property
    def is_finite(self) -> bool:
        return all(np.all(np.isfinite(matrix)) for matrix in self.own)

    def solve(self, right: list[Float[np.ndarray, "n r"]], damping: float) -> Float[np.ndarray, "K c r"]:
        """The vectors that make the least sum of squares of the residual and of `damping` times the vector.

        - `right`: the right-hand sides, in the order of `times`.
        """
        count, width, sides = len(self.own), self.own[0].shape[1], right[0].shape[1]
        waiting: list[list[tuple[Coupling, np.ndarray]]] = [[] for _ in range(count)]
        for part, side in zip(self.couplings, right[count:], strict=True):
            waiting[min(part.first, part.second)].append((part, side))
        damped, zeros = damping * np.eye(width), np.zeros((width, sides))
        front: list[int] = []
        rest, eliminated = np.zeros((0, sides)), []
        for number in range(count):
            later = {other for part, _ in waiting[number] for other in (part.first, part.second)}
            columns = [number, *sorted((set(front) | later) - {number})]
            end = len(front) * width
            parts = tuple(rest[:, at : at + width] for at in range(0, end, width))
            own = [_Rows((number,), (self.own[number],), right[number]), _Rows((number,), (damped,), zeros)]
            # The own rows are reduced to a triangle first, so that fewer rows meet the columns of other blocks.
            reduced = _triangle(own, [number], width)
            given = [_Rows(tuple(front), parts, rest[:, end:])]
            given.append(_Rows((number,), (reduced[:, :width],), reduced[:, width:]))
            given.extend(
                _Rows((part.first, part.second), (part.left, part.right), side) for part, side in waiting[number]
            )
            upper = reduced if len(columns) == 1 and not len(rest) else _triangle(given, columns, width)
            eliminated.append((columns, upper[:width]))
            front, rest = columns[1:], upper[width:, width:]
        found = np.zeros((count, width, sides))
        for columns, rows in reversed(eliminated):
            known = found[columns[1:]].reshape(-1, sides)
            end = len(columns) * width
            side = rows[:, end:] - rows[:, width:end] @ known
            found[columns[0]] = scipy.linalg.solve_triangular(rows[:, :width], side, check_finite=False)
        return found


class _Rows(NamedTuple):
    """Rows with columns in some of the blocks, by the numbers of these, and their right-hand sides."""

    blocks: tuple[int, ...]
    parts: tuple[Float[np.ndarray, "n c"], ...]
    right: Float[np.ndarray, "n r"]


def _triangle(given: list[_Rows], columns: list[int], width: int) -> Float[np.ndarray, "k C"]:
    """The upper triangular factor of rows whose columns are those of some blocks, and then the right-hand sides."""
    count, end = sum(len(each.right) for each in given), len(columns) * width
    matrix = np.zeros((count, end + given[0].right.shape[1]), order="F")
    first = 0
    for each in given:
        last = first + len(each.right)
        for block, part in zip(each.blocks, each.parts, strict=True):
            at = columns.index(block) * width
            matrix[first:last, at : at + width] += part
        matrix[first:last, end:] = each.right
        first = last
    # LAPACK itself, because `scipy.linalg.qr` copies the whole matrix once more.
    decompose, space = scipy.linalg.get_lapack_funcs(("geqrf", "geqrf_lwork"), (matrix,))
    packed, *_ = decompose(matrix, lwork=int(space(*matrix.shape)[0]), overwrite_a=True)
    return np.triu(packed[: matrix.shape[1]])
