"""Which problems can be solved in cells and in windows of time, and what cells and windows may be."""

import dataclasses
import itertools

from sngd._arguments import require_integer, require_number
from sngd.features._families import Features
from sngd.geometry import Regions
from sngd.problem import Integral, Problem

# The bandwidths and the numbers of features in graded cells, and how often they are halved in one attempt.
_GRADED = (4.0, 1.5, (32, 64, 200), 2)


@dataclasses.dataclass(frozen=True)
class March:
    """How the domain is divided into cells, and the time axis into windows.

    - `bandwidth`: of the features of a cell, in radians per half side. `bandwidth_space`: the same in three dimensions,
      where as many features are fewer for each axis: waves up to a bandwidth that they do not resolve do not make a
      smooth function to more than five digits, however small the cell is.
    - `counts`: the number of features for each component of the solution, in one, two and three dimensions.
    - `halvings`: how often an axis is halved at most. `cells`: in one window at most.
    - `steps`: Gauss-Newton steps at most for each attempt.
    - `grading`: how often cells are halved along all axes towards the point with the largest residual, in each attempt;
      0 for cells that are halved as a whole.
    - `windows`: instants at which a window ends in any case, such as those at which data jump.
    """

    bandwidth: float = 6.0
    bandwidth_space: float = 3.0
    counts: tuple[int, int, int] = (48, 256, 800)
    halvings: int = 16
    cells: int = 512
    steps: int = 12
    grading: int = 0
    windows: tuple[float, ...] = ()

    def __post_init__(self):
        for name in ("bandwidth", "bandwidth_space"):
            require_number(name, getattr(self, name))
            if not getattr(self, name) > 0:
                raise ValueError(f"{name} is {getattr(self, name)}; it must be positive")
        if len(self.counts) != len(March.counts):
            raise ValueError(f"counts is {self.counts}; give one number for each of the dimensions one, two and three")
        for count in self.counts:
            require_integer("counts", count, least=2)
        for name in ("halvings", "grading"):
            require_integer(name, getattr(self, name), least=0)
        for name in ("cells", "steps"):
            require_integer(name, getattr(self, name), least=1)
        if any(not early < late for early, late in itertools.pairwise(self.windows)):
            raise ValueError(f"windows is {self.windows}; give increasing instants")

    def require_fits(self, problem: Problem) -> None:
        """Raises `ValueError` if windows are named for a problem that cannot be cut at these instants."""
        if not self.windows:
            return
        domain, given = problem.domain, f"windows of march is {self.windows}"
        if domain.time_axis is None:
            raise ValueError(f"{given}, and this domain has no time axis; make it with space_time, or leave them out")
        if not can_march(problem):
            raise ValueError(
                f"{given}; windows need initial conditions, no condition that couples times, and points that are left "
                "to the library. Leave them out"
            )
        first, last = domain.bounds[domain.index(domain.time_axis)]
        if not first < self.windows[0] <= self.windows[-1] < last:
            raise ValueError(f"{given}; the instants must be between {first} and {last}")

    @property
    def graded(self) -> "March":
        """The same for solutions that are singular at points: few features in many cells that crowd there."""
        bandwidth, bandwidth_space, counts, grading = _GRADED
        bands = {"bandwidth": bandwidth, "bandwidth_space": bandwidth_space}
        return dataclasses.replace(self, **bands, counts=counts, grading=grading)

    def features(self, dimension: int) -> Features:
        """The features of a cell."""
        bandwidth = self.bandwidth if dimension < len(self.counts) else self.bandwidth_space
        return Features((bandwidth,) * dimension, self.counts[dimension - 1])


def can_divide(problem: Problem) -> bool:
    """Whether the problem can be solved in cells, as far as its conditions tell.

    It has at most three dimensions, no named regions, and an equation in the interior, leaves the points to the
    library, and has no correlated readings.
    """
    if any(condition.mixing is not None for condition in problem.conditions):
        return False
    if isinstance(problem.domain, Regions):
        return False
    given = (problem.quadrature, problem.boundary_quadrature, *(each.given_points for each in problem.conditions))
    others = [each for each in problem.conditions if not each.is_of_readings]
    inside = any(condition.faces(problem.domain) is None for condition in others)
    return problem.domain.dimension <= len(March.counts) and inside and all(points is None for points in given)


def can_march(problem: Problem) -> bool:
    """Whether the problem is an evolution from initial conditions, as far as the faces of the conditions tell.

    No condition may hold at the last instant, or at the first one and on other faces together, and time is not
    periodic. There are no unknown constants, no readings and no integrals, which couple all times. An equation that
    reads the solution at other times is noticed when it is evaluated.
    """
    domain = problem.domain
    if problem.constants or any(each.is_of_readings or isinstance(each, Integral) for each in problem.conditions):
        return False
    if domain.time_axis is None or domain.index(domain.time_axis) in problem.joined_axes:
        return False
    faces = [condition.faces(domain) or () for condition in problem.conditions]
    starts = [each for each in faces if any(face.is_initial for face in each)]
    alone = bool(starts) and all(face.is_initial for each in starts for face in each)
    return can_divide(problem) and alone and not any(face.is_final for each in faces for face in each)
