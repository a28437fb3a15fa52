"""The error that a caller asks for."""

import dataclasses
import math

from sngd.solver._evaluation import error_points, root_mean_square
from sngd.solver._solution import Solution

# An estimated relative error below this is as small as rounding errors let it be found.
_ROUNDING = 1e-14


@dataclasses.dataclass(frozen=True)
class Goal:
    """An error that ends a run.

    - `relative`: the relative L2 error; `absolute`: the root mean square of the error. `None` for one not asked for.
    """

    relative: float | None = None
    absolute: float | None = None

    @property
    def is_given(self) -> bool:
        """Whether the caller has asked for any."""
        return self.relative is not None or self.absolute is not None

    def is_reached(self, error: float, size: float) -> bool:
        """Whether an estimated relative error is small enough. `size`: the root mean square of the solution."""
        if not self.is_given:
            return error <= _ROUNDING
        relative = math.inf if self.relative is None else self.relative
        absolute = math.inf if self.absolute is None else self.absolute
        return error <= relative and error * size <= absolute

    def is_reached_by(self, solution: Solution) -> bool:
        """Whether the solution is as good as was asked for; never where nothing was."""
        size = 0.0 if self.absolute is None else root_mean_square(solution(error_points(solution.problem)))
        return self.is_given and self.is_reached(solution.error_estimate, size)
