"""Figures of problems and of solutions."""

import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from sngd._arguments import shown
from sngd.display import draw, draw_corner, draw_domain
from sngd.geometry import Regions
from sngd.problem import AbstractProblem, Coefficient
from sngd.solver._evaluation import evaluate_exact, in_regions, regions_of
from sngd.solver._solution import Solution

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def plot(
    solution: Solution | AbstractProblem,
    path: str | Path | None = None,
    *,
    axes: Sequence[str] | None = None,
    at: Mapping[str, float] | None = None,
    of: str | None = None,
    surface: bool = False,
    title: str | None = None,
) -> "Figure":
    """A figure of a solution, or of the domain of a problem.

    Of a solution it shows the function, the exact one and the error, where known, and the history of the run. A
    solution from readings with noise has a band of 95 % probability. The band of a modulus is for both parts
    together, and so too wide.

    Of a problem it shows the points of the interior, the pieces of the boundary with their normals, the named regions,
    and which conditions hold where. A piece without a condition is gray and dashed.

    - `path`: a file to write the figure to as well; its ending says in which format.
    - `axes`: the one or two axes to vary. Left out, they are the first ones of a box, and the axes of space of another
      region: of three axes of space there are three slices. Of a problem the two or three axes to draw.
    - `at`: the values of axes that are held, by their names: `at={"t": 0.5}`. The others are held at the middle of the
      domain.
    - `of`: the name of the unknown function to draw, a complex one by its modulus; left out, the first one.
    - `surface`: whether the values on the boundary surface are drawn too, in a domain with three axes of space.
    - `title`: of the whole figure.

    Raises `TypeError` or `ValueError` for axes or a function that the problem does not have, for values of axes outside
    of their bounds, for a slice outside of the domain, for a surface in less than three dimensions, and for `at`, `of`
    and `surface` with a problem.
    """
    if isinstance(solution, AbstractProblem):
        for name, given in (("at", at), ("of", of), ("surface", surface or None)):
            if given is not None:
                raise ValueError(f"{name} is {given!r}, which is for solutions; leave it out to draw a problem")
        figure = draw_domain(solution, axes=axes, title=title)
    elif isinstance(solution, Solution):
        figure = _draw_solution(solution, axes=axes, at=at, of=of, surface=surface, title=title)
    else:
        raise TypeError(f"solution is {shown(solution)}; give a solution that solve returns, or a problem")
    if path is not None:
        figure.savefig(path, dpi=120)
    return figure


def _draw_solution(solution: Solution, of: str | None, **options: Any) -> "Figure":
    """The figure of one of the unknown functions, in the region that it lives on."""
    problem = solution.problem
    exact, names = problem.exact_solution, problem.components.shared if regions_of(problem) else problem.functions
    known = None if exact is None else lambda points: evaluate_exact(exact, points)
    spread = None if solution.modes is None else _deviation_of(solution)
    function, name, domain = solution, names[0] if of is None else of, problem.domain
    if name not in names and name not in problem.functions:
        every = dict.fromkeys((*names, *problem.functions))
        raise ValueError(f"of is {of!r}; the unknown functions are {', '.join(every)}")
    if isinstance(domain, Regions) and name in problem.functions:
        region, alias = problem.components.regions[problem.functions.index(name)]
        function, domain, name = solution[name], domain.named_regions[region], name if name in names else alias
    column = names.index(name)
    given = {"exact": known, "deviation": spread}
    columns = {key: each and _column(each, column) for key, each in given.items()}
    values = _column(function, column) if function is solution else function
    return draw(values, domain, solution.history, **columns, **options)


def _column(function: Callable[[np.ndarray], np.ndarray], column: int) -> Callable[[np.ndarray], np.ndarray]:
    """One of the columns of a function, whose values may have one alone."""
    return lambda points: function(points).reshape(len(points), -1)[:, column]


def _deviation_of(solution: Solution) -> Callable[[np.ndarray], np.ndarray]:
    """The standard deviation as a function, with the columns that the solution has."""
    problem = solution.problem
    if not regions_of(problem):
        return solution.standard_deviation
    columns = {name: list(problem.components.within(name)[0]) for name in regions_of(problem)}
    every = lambda own: solution.standard_deviation(own).reshape(len(own), -1)
    return lambda points: in_regions(problem, points, lambda name, own: every(own)[:, columns[name]])


def plot_constants(
    solution: Solution, path: str | Path | None = None, *, names: Sequence[str] | None = None
) -> "Figure":
    """A figure of the joint distribution of constants, from the noise of readings: a corner plot.

    - `path`: a file to write the figure to as well; its ending says in which format.
    - `names`: of the constants; left out, all but coefficients of laws.

    Raises `ValueError` for a name that is no constant, and for constants without a standard error: from readings
    without noise, at a bound, or not determined.
    """
    problem, known = solution.problem, solution.constants
    all_names = [constant.name for constant in problem.constants]
    plain = [each.name for each in problem.constants if not isinstance(each, Coefficient)]
    chosen = plain if names is None else [names] if isinstance(names, str) else list(names)
    if not chosen or any(name not in known for name in chosen):
        raise ValueError(
            f"names is {names!r}; give names of constants, of which the solution has {', '.join(all_names) or 'none'}"
        )
    for name in chosen:
        if not 0 < known[name].standard_error < math.inf:
            raise ValueError(f"the constant {name} is {known[name]} and has no standard error; leave it out of names")
    at = [all_names.index(name) for name in chosen]
    values = np.array([known[name].value for name in chosen])
    figure = draw_corner(chosen, values, solution.covariance[np.ix_(at, at)])
    if path is not None:
        figure.savefig(path, dpi=120)
    return figure
