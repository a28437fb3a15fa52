"""The error that a caller asks for."""

import dataclasses

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

    def is_reached(self, error: float, absolute: float) -> bool:
        """Whether estimates of the relative and of the absolute error are small enough."""
        if not self.is_given:
            return error <= _ROUNDING
        enough = self.relative is None or error <= self.relative
        return enough and (self.absolute is None or absolute <= self.absolute)

    def is_reached_by(self, solution: Solution) -> bool:
        """Whether the solution is as good as was asked for; never where nothing was."""
        size = 0.0 if self.absolute is None else root_mean_square(solution(error_points(solution.problem)))
        return self.is_given and self.is_reached(solution.error_estimate, solution.error_estimate * size)
