"""How large things are: the data of each condition, and what a network of ordinary size makes of it."""

import dataclasses
import math

import numpy as np
from jaxtyping import Array, Float

from sngd.linearize import AbstractObjective
from sngd.train._step import data_of, values_of

# Data this much smaller than what a network makes of the condition are rounding errors of zero.
_NOTHING = 1e-6

# Solutions as much larger or smaller than a network of ordinary size are left to training.
_ORDINARY = 1e3


@dataclasses.dataclass(frozen=True)
class Scales:
    """Norms over the points, one for each condition.

    - `data`: of the residual of the function that is zero everywhere.
    - `response`: of what a network changes of it, before it is trained.
    """

    data: tuple[float, ...]
    response: tuple[float, ...]

    @property
    def output(self) -> float:
        """The power of ten by which the network should be multiplied: one, unless the solution is of another size."""
        ratios = [data / response for data, response in zip(self.data, self.response, strict=True) if response > 0]
        largest = max(ratios, default=0.0)
        ordinary = 1 / _ORDINARY <= largest <= _ORDINARY
        return 1.0 if ordinary or not 0 < largest < math.inf else 10.0 ** round(math.log10(largest))

    def relative(self, residuals: tuple[float, ...]) -> float:
        """The largest of these norms of residuals relative to data; of conditions whose data are not zero."""
        triples = zip(residuals, self.data, self.response, strict=True)
        return max((residual / data for residual, data, response in triples if data > _NOTHING * response), default=0.0)


def scales_of(objective: AbstractObjective, theta: Float[Array, " p"]) -> Scales:
    """The scales of a problem, by an untrained network. Where the zero function has no residual, there are no data."""
    data, residual = np.asarray(data_of(objective, theta)), np.asarray(values_of(objective, theta)[1])
    data = np.where(np.isfinite(data), data, 0.0)
    return Scales(norms_of(objective, data), norms_of(objective, residual - data))


def norms_of(objective: AbstractObjective, residual: np.ndarray) -> tuple[float, ...]:
    """The norm of the rows of each condition in a residual, shape `(n,)`."""
    ends = np.cumsum([term.rows for term in objective.residual_terms])[:-1]
    return tuple(float(np.linalg.norm(rows)) for rows in np.split(residual, ends))
