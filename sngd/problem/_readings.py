"""Measured data: values of unknowns, or of operators on them, that were read at points."""

import dataclasses
import functools
import math
from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import jax.numpy as jnp
import numpy as np
import scipy.linalg
from jaxtyping import Array, Bool, Float

from sngd._arguments import require_number, shown
from sngd.geometry import AbstractRegion, Box, Collocation, Regions, is_inside
from sngd.problem._condition import AbstractCondition, Of, chosen
from sngd.problem._data import Point
from sngd.problem._field import Field
from sngd.problem._parameters import call_by_names

# The number of axes of a covariance matrix, and the part of its largest entry by which it may differ from its
# transpose.
_MATRIX, _SYMMETRIC = 2, 1e-10

# Readings may be outside of a region by this part of its largest side.
_INSIDE = 1e-9

# Exact values at one point that differ by less than this part of the largest value are equal.
_EQUAL = 1e-9


@dataclasses.dataclass(frozen=True, eq=False)
class Data(AbstractCondition):
    """Values that were read at points: `u(points) = values` up to noise.

    - `points`: shape `(n, d)`. `values`: shape `(n,)`, or `(n, m)` for readings of `m` numbers at each point. They may
      be complex.
    - `noise`: the standard deviation of a reading, of a complex one that of each of its parts: a number, or one for
      each point, shape `(n,)`. Zero means that the values are exact. If it is left out, it is estimated from what the
      fit leaves. The covariance matrix of readings that are correlated has the shape `(n, n)`; such readings need
      frozen features on the whole domain.
    - `of`: the unknown functions that were read, as in `Dirichlet`.
    - `operator`: a function of unknowns and of a point `x`, by their names, like the equation of `Interior`. Its values
      were read in place of those of `of`.
    - `huber`: for readings with outliers a number of standard deviations, such as 1.345. The square of a larger
      residual is replaced by a linear function (Huber, Ann. Math. Statist. 35, 1964). A standard deviation that is not
      given is then found from the median of the residuals. Left out, all residuals are squared.

    The equations and the other conditions of the problem hold exactly, however large the noise is. The sum of squares
    of the residuals of all data with noise, each divided by its standard deviation, is the least one possible then.

    Raises `TypeError` or `ValueError` for arrays of other shapes, numbers that are not finite, negative noise, and
    points outside of the domain of the problem.
    """

    functions: ClassVar[tuple[str, ...] | None] = ("operator",)

    points: Any
    values: Any
    noise: Any = None
    of: Of = None
    operator: Callable[..., Any] | None = None
    huber: float | None = None

    def __post_init__(self):
        super().__post_init__()
        if self.quadrature is not None:
            raise ValueError(f"quadrature of {self.label} is given; the points of data are those of the readings")
        points = _numbers(self.points, f"points of {self.label}", "(n, d)")
        values = _numbers(self.values, f"values of {self.label}", "(n,) or (n, m)", may_be_complex=True)
        object.__setattr__(self, "points", points)
        object.__setattr__(self, "values", values)
        count = len(self.points)
        if self.points.ndim != 2 or not count:
            raise ValueError(
                f"points of {self.label} have shape {self.points.shape}; give at least one point, in an array of shape "
                "(n, d)"
            )
        if self.values.shape[:1] != (count,) or self.values.ndim > 2:
            raise ValueError(
                f"values of {self.label} have shape {self.values.shape}, and there are {count} points; give one value "
                f"for each, shape ({count},), or several, shape ({count}, m)"
            )
        if self.operator is not None and (self.of is not None or not callable(self.operator)):
            raise TypeError(
                f"operator of {self.label} is {shown(self.operator)} with of={self.of!r}; give a function of unknowns "
                "and x, and leave of out, or the other way round"
            )
        if self.noise is not None:
            self._require_noise(count)
        if self.huber is not None:
            self._require_huber()
        if self.is_exact:
            self._require_one_value_at_each_point()

    def _require_noise(self, count: int) -> None:
        if isinstance(self.noise, bool):
            raise TypeError(f"noise of {self.label} is {self.noise}; give standard deviations, or leave it out")
        noise = _numbers(self.noise, f"noise of {self.label}", f"(), ({count},) or ({count}, {count})")
        if noise.shape not in ((), (count,), (count, count)):
            raise ValueError(
                f"noise of {self.label} has shape {noise.shape}; give one standard deviation, one for each of the "
                f"{count} points, or their covariance matrix of shape ({count}, {count})"
            )
        if noise.ndim == _MATRIX:
            self._require_covariance(noise)
            object.__setattr__(self, "noise", (noise + noise.T) / 2)
            return
        if np.any(noise < 0):
            raise ValueError(
                f"noise of {self.label} holds {noise.min()}; a standard deviation is positive, or zero for exact values"
            )
        if np.any(noise == 0) and np.any(noise > 0):
            raise ValueError(
                f"noise of {self.label} is zero for some readings only; give exact and noisy readings as two conditions"
            )
        object.__setattr__(self, "noise", noise)

    def _require_one_value_at_each_point(self) -> None:
        _, first, same = np.unique(self.points, axis=0, return_index=True, return_inverse=True)
        apart = np.abs(self.values - self.values[first][same.ravel()]).reshape(len(self.points), -1)
        row = int(np.argmax(np.max(apart, axis=1)))
        if np.max(apart) > _EQUAL * np.max(np.abs(self.values)):
            raise ValueError(
                f"values of {self.label} are exact, and two at the point {self.points[row].tolist()} differ by "
                f"{np.max(apart[row]):.3g}; give their noise, or one of them"
            )

    def _require_huber(self) -> None:
        require_number(f"huber of {self.label}", self.huber)
        assert self.huber is not None
        if not (math.isfinite(self.huber) and self.huber > 0):
            raise ValueError(f"huber of {self.label} is {self.huber}; it must be positive and finite")
        if self.is_exact or self.mixing is not None:
            kind = "zero" if self.is_exact else "a covariance matrix"
            raise ValueError(
                f"huber of {self.label} is {self.huber}, and its noise is {kind}; give standard deviations, or leave "
                "one of the two out"
            )

    def _require_covariance(self, noise: Float[np.ndarray, "n n"]) -> None:
        if np.min(np.diag(noise)) <= 0:
            raise ValueError(
                f"noise of {self.label} holds {np.min(np.diag(noise))}; a covariance matrix has positive variances"
            )
        apart = np.abs(noise - noise.T)
        if np.max(apart) > _SYMMETRIC * np.max(np.abs(noise)):
            row, column = np.unravel_index(np.argmax(apart), apart.shape)
            raise ValueError(
                f"noise of {self.label} is not symmetric: its entries ({row}, {column}) and ({column}, {row}) are "
                f"{noise[row, column]} and {noise[column, row]}; give a covariance matrix"
            )
        least = float(np.linalg.eigvalsh((noise + noise.T) / 2)[0])
        if least <= len(noise) * np.finfo(float).eps * np.max(np.abs(noise)):
            raise ValueError(
                f"noise of {self.label} has the eigenvalue {least:.1e}; a covariance matrix is positive definite, so "
                "add the variance of independent errors to its diagonal"
            )

    @property
    def is_of_readings(self) -> bool:
        return True

    @property
    def needs_features(self) -> str:
        if self.mixing is not None:
            return f"the noise of {self.label} is a covariance matrix"
        return "" if self.huber is None else f"{self.label} has a threshold huber"

    @property
    def mixing(self) -> Float[np.ndarray, "n n"] | None:
        return self._mixing

    @functools.cached_property
    def _mixing(self) -> Float[np.ndarray, "n n"] | None:
        if self.noise is None or self.noise.ndim != _MATRIX:
            return None
        lower, least = np.linalg.cholesky(self.noise), math.sqrt(np.min(np.diag(self.noise)))
        return least * scipy.linalg.solve_triangular(lower, np.eye(len(lower)), lower=True)

    @property
    def is_exact(self) -> bool:
        """Whether the values have no noise."""
        return self.noise is not None and not np.any(self.noise)

    @property
    def noise_unit(self) -> float | None:
        """The standard deviation of the weighted residual of one reading; of noise one where that is to be estimated.

        The weights are inverse variances, normalized so that the largest one is one over the number of readings.
        """
        if self.is_exact:
            return None
        if self.noise is None:
            least = 1.0
        else:
            least = float(np.min(self.noise)) if self.mixing is None else math.sqrt(np.min(np.diag(self.noise)))
        return least / math.sqrt(len(self.points) / self.weight)

    @property
    def estimates_noise(self) -> bool:
        return self.noise is None

    def in_regions(self, domain: AbstractRegion) -> Sequence[AbstractCondition]:
        """The readings of each of the named regions, unless they name functions by `of` or by an operator."""
        if not isinstance(domain, Regions) or self.within or self.of is not None or self.operator is not None:
            return (self,)
        self.require_fits(domain)
        slack, found = _INSIDE * float(np.max(domain.half_sides)), []
        left = np.ones(len(self.points), dtype=bool)
        for name, region in domain.named_regions.items():
            here = left & region.contains(self.points, slack)
            left &= ~here
            if here.any():
                found.append(self._some(here, name))
        return found

    def _some(self, chosen: Bool[np.ndarray, " n"], within: str) -> "Data":
        """Some of the readings, as those in a region."""
        noise = self.noise
        if self.mixing is not None and np.any(self.noise[chosen][:, ~chosen]):
            raise ValueError(
                f"noise of {self.label} correlates readings in the region {within!r} with others; give those of each "
                "region as a condition of their own"
            )
        if noise is not None and noise.ndim:
            noise = noise[chosen] if noise.ndim < _MATRIX else noise[np.ix_(chosen, chosen)]
        weight = self.weight * float(np.mean(chosen))
        return dataclasses.replace(
            self, points=self.points[chosen], values=self.values[chosen], noise=noise, weight=weight, within=within
        )

    def faces(self, domain: AbstractRegion) -> None:
        return None

    def require_fits(self, domain: AbstractRegion) -> None:
        if self.points.shape[1] != domain.dimension:
            raise ValueError(
                f"points of {self.label} have shape {self.points.shape}; this domain needs (n, {domain.dimension}), "
                f"with one column for each of the axes {', '.join(domain.axes)}"
            )
        slack = _INSIDE * float(np.max(domain.half_sides))
        outside = ~(is_inside(self.points, *domain.extent) & domain.contains(self.points, slack))
        if outside.any():
            raise ValueError(
                f"points of {self.label} hold {self.points[outside][0].tolist()}, which lies outside of the domain "
                f"{domain.bounds if isinstance(domain, Box) else domain}"
            )

    def readings(self, domain: AbstractRegion, part: AbstractRegion | None = None) -> Collocation:
        """The readings in a part of the domain. One at a face between two parts belongs to the upper one."""
        part = domain if part is None else part
        # Rounding errors may put a reading slightly outside of the domain.
        inside, is_last = np.clip(self.points, domain.lower, domain.upper), np.array(part.upper) >= domain.upper
        here = np.all((inside >= part.lower) & ((inside < part.upper) | is_last), axis=1)
        points = self.points[here]
        weights = np.full(len(points), self.weight / len(self.points))
        if self.noise is not None and not self.is_exact and self.noise.ndim and self.mixing is None:
            weights *= (np.min(self.noise) / self.noise[here]) ** 2
        return Collocation(points, np.zeros_like(points), weights, {"reading": self.values[here]})

    @property
    def traced(self) -> "Reading":
        return Reading(self.label, self.of, self.operator)

    def residual(self, u: Field, x: Point, normal: Point) -> Array:
        """The residual of the first reading."""
        return dataclasses.replace(self.traced, reading=self.values[0]).residual(u, x, normal)


@dataclasses.dataclass(frozen=True)
class Reading:
    """One reading of data. Readings of equal quantities are equal but for the value, so that code is compiled once.

    - `label`, `of`, `operator`: of the data. `reading`: the value.
    """

    label: str
    of: Of
    operator: Callable[..., Any] | None
    reading: Any = None

    def residual(self, u: Field, x: Point, normal: Point) -> Array:
        """What `u` has at the point less the value that was read."""
        if self.operator is not None:
            left = call_by_names(self.operator, {"x": x}, u, f"the operator of {self.label}")
            left = jnp.stack(left) if isinstance(left, tuple | list) else jnp.asarray(left)
        else:
            left = chosen(u, self.of, self.label)(x)
        if jnp.shape(left) != jnp.shape(self.reading):
            raise ValueError(
                f"values of {self.label} have shape {jnp.shape(self.reading)} at one point, and what was read has "
                f"shape {jnp.shape(left)}; name what was read by of, or by an operator"
            )
        kinds = ["complex" if jnp.iscomplexobj(each) else "real" for each in (self.reading, left)]
        if kinds[0] != kinds[1]:
            raise ValueError(
                f"values of {self.label} are {kinds[0]}, and what was read is {kinds[1]}; give values of the same "
                "kind, or an operator like lambda u, x: u(x).real, or make the unknown complex by sngd.Unknown(name, "
                "complex=True)"
            )
        return left - self.reading


def _numbers(given: Any, label: str, shape: str, may_be_complex: bool = False) -> np.ndarray:
    """An array of finite float64 or complex128 numbers. Raises `TypeError` or `ValueError` for anything else."""
    try:
        array = np.asarray(given)
    except ValueError as error:
        raise TypeError(f"{label} is no array ({error}); give numbers in an array of shape {shape}") from error
    if array.dtype.kind not in ("biufc" if may_be_complex else "biuf"):
        raise TypeError(f"{label} has the type {array.dtype}; give real numbers in an array of shape {shape}")
    array = array.astype(complex if array.dtype.kind == "c" else float)
    if not np.all(np.isfinite(array)):
        row = int(np.flatnonzero(~np.isfinite(array).reshape(len(array), -1).all(axis=1))[0]) if array.ndim else 0
        raise ValueError(f"{label} is not finite in row {row}: {array[row].tolist() if array.ndim else array}")
    return array
