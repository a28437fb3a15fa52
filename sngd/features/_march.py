"""Solutions in cells: windows of time, each started from the one before, that are divided where the solution is rich.

All cells have the same features, scaled to the cell, and an output layer of their own. The output layers of a window
are fitted together with the continuity of the solution between its cells (local random features: Dong and Li, Comput.
Methods Appl. Mech. Engrg. 387, 2021; Chen, Chi, E and Yang, J. Mach. Learn. 1, 2022).
"""

import dataclasses
import math
import time
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from sngd.features._cells import March, can_march
from sngd.features._estimate import Estimate, compared, estimates, for_correction
from sngd.features._families import Features, Layer
from sngd.features._fit import Fit, fit
from sngd.features._inference import beside_noise, infer
from sngd.features._mesh import between
from sngd.features._network import Network
from sngd.features._points import points_of_norms
from sngd.features._probe import Probe, probe
from sngd.features._projection import projected
from sngd.features._refinement import Refinement
from sngd.features._rows import Conditions
from sngd.features._system import System, Units
from sngd.features._window import Window
from sngd.geometry import Box, reentrant_corners
from sngd.problem import Periodic, with_other_points

# The error that a window adds is to be smaller than the error that is asked for, since later windows may amplify it.
_SHARE = 0.1

# A window that adds so much less than its share is followed by one that is twice as long.
_EASY = 0.03

# The first window is this part of the time axis.
_FIRST = 1 / 4

# An attempt must leave at most this part of the error of the attempt before, or nothing is gained by smaller cells.
# After so many that gain nothing the window stays as it is.
_GAINS, _VAIN = 0.5, 2

# Windows whose errors differ by less than this factor are alike.
_ALIKE = 1.5

# A window whose error is larger than this is not left as it is.
_FAIR = 1e-6

# A solution with a larger error is no start for the next attempt.
_CLOSE = 1e-2

# By how much wider the features are on a window that tell whether the problem is well posed.
_PROBE = 2.0

# The number of the draw of features that a solution from readings is compared on.
_COMPARED = 3

# The residual in a cell at a singular point changes the solution everywhere, by this power of the share of the cell.
_SINGULAR = 0.5

# Instants whose distance is at most this part of the time axis are the same.
_SAME = 1e-9


class _Attempt(NamedTuple):
    """A fit in cells, the error that it adds, its error with those of the windows before, and the rows between."""

    fit: Fit
    added: Estimate
    estimate: Estimate
    between: System


class Marcher:
    """The search for a solution in cells.

    - `setting`: what cells and features may be. `conditions`: of the problem. `seed`: of the features.
    - `linear`: whether the equation is linear. `goal`: the relative error that is asked for.
    - `report`: takes a line for each attempt. `goes_on`: called before each attempt with the seconds that it may take,
      ends the search by `False`.
    - `like`: a solution in cells of this domain. Its windows and cells are tried first, and nonlinear equations are
      solved from it.
    """

    def __init__(
        self,
        setting: March,
        conditions: Conditions,
        seed: tuple[int, ...],
        linear: bool,
        goal: float,
        report: Callable[[str], None],
        goes_on: Callable[[float], bool],
        like: Network | None = None,
    ):
        problem = conditions.problem
        self._setting, self._conditions, self._seed, self._linear = setting, conditions, seed, linear
        self._report, self._goes_on, self._like = report, goes_on, like
        self._domain, self._hull, self._marches = problem.domain, problem.domain.hull, can_march(problem)
        self._target = _SHARE * goal if self._marches else goal
        axis = self._time if self._marches else None
        self._refinement = Refinement(self._hull, axis, setting.halvings, setting.cells)
        self._features = setting.features(self._domain.dimension)
        corrections = for_correction(self._features)
        self._layer, self._correction = self._drawn(self._features, 0), self._drawn(corrections, 1)
        self._problem = conditions.with_points(self._features)
        self._between = with_other_points(conditions.with_points(corrections), lambda points: points.staggered())

    def restored(self, arrays: dict[str, np.ndarray], before: list[Window]) -> Window:
        """The window that `arrays_of` has made arrays of.

        - `before`: the windows before it.

        Raises `KeyError` or `ValueError` for arrays that are not those of a window of this problem.
        """
        start, end = arrays["instants"].tolist()
        boxes = arrays["cells"].tolist()
        cells = tuple(dataclasses.replace(self._hull, lower=low, upper=high) for low, high in _corners(boxes))
        shape = (len(cells), self._conditions.problem.outputs)
        numbers, changes = arrays["constants"]
        network = Network(self._layer, cells, arrays["outputs"].reshape(*shape, len(self._layer)), numbers)
        outputs = arrays["correction"].reshape(*shape, len(self._correction))
        correction = Network(self._correction, cells, outputs, changes)
        given = (start if self._marches else None, before[-1].fit.network if before else None)
        system, rows = (System.of(self._conditions, each, cells, *given) for each in (self._problem, self._between))
        added, residual, steps = arrays["numbers"].tolist()
        fitted = Fit(network, system, Units((), ()), residual, self._linear, int(steps))
        estimate = Estimate(correction, arrays["errors"], arrays["sizes"], arrays["residuals"])
        return Window(start, end, self._features, fitted, estimate, added, rows)

    def solve(self, done: Sequence[Window] = (), keep: Callable[[list[Window]], None] | None = None) -> list[Window]:
        """The solution in all windows, or in those up to the one that cannot be solved.

        - `done`: the first windows, if they are known. `keep`: called with all windows after each one.
        """
        if not self._conditions.are_pointwise or not self._meets_periodic_conditions():
            return []
        if not self._marches:
            cells = self._first_cells() if self._like is None else self._like.cells
            found = self._window(cells, (math.nan, math.nan), [], self._like)
            return [] if found is None else [found]
        first, last = self._domain.bounds[self._time]
        now, length, cells, windows = first, (last - first) * _FIRST, (self._hull,), list(done)
        if windows:
            now, length, cells = self._after(windows[-1])
        while now < last:
            # No short rest is left over.
            end = last if now + 1.5 * length > last else now + length
            end = min((instant for instant in self._setting.windows if now < instant < end), default=end)
            here = tuple(between(cell, self._time, now, end) for cell in cells)
            if known := self._known_from(now):
                here, end = known, known[0].upper[self._time]
            found = self._window(here, (now, end), windows, self._like if known else None)
            if found is None:
                break
            windows.append(found)
            if keep is not None:
                keep(windows)
            now, length, cells = self._after(found)
        return windows

    def probe(self, window: Window) -> Probe:
        """The responses to changes of the solution in a window by features on the whole window."""
        dimension = self._domain.dimension
        wide = self._features.scaled(*[_PROBE] * dimension)
        layer, slow = (
            each.draw_for(
                self._conditions.problem.frames,
                np.random.default_rng([*self._seed, 2]),
                self._conditions.problem.periodic_axes,
            )
            for each in (wide, self._features.scaled(*[1 / self._features.bandwidths[0]] * dimension))
        )
        whole = self._hull
        if self._marches:
            whole = between(whole, self._time, window.start, window.end)
        unit = (points_of_norms(self._domain, [whole]) - whole.center) / whole.half_sides
        at = None if self._linear else self._projected(window.fit.network, (whole,), layer)
        problem = self._conditions.with_points(wide)
        others = with_other_points(problem, lambda points: points.staggered())
        systems = [
            System.of(self._conditions, each, (whole,), window.start if self._marches else None)
            for each in (problem, others)
        ]
        # Periodic features need no interface.
        found = [dataclasses.replace(system, interfaces=()) for system in systems]
        return probe((found[0], found[1]), layer, slow, at, unit)

    @property
    def _time(self) -> int:
        assert self._domain.time_axis is not None
        return self._domain.index(self._domain.time_axis)

    def _drawn(self, features: Features, draw: int) -> Layer:
        return features.draw_for(self._conditions.problem.frames, np.random.default_rng([*self._seed, draw]))

    def _meets_periodic_conditions(self) -> bool:
        """Whether each periodic condition is for all derivatives below the order of the equation, as interfaces are."""
        found = [each for each in self._conditions.problem.conditions if isinstance(each, Periodic)]
        orders = [max(self._conditions.orders[self._domain.index(each.axis)]) for each in found]
        return all(sorted(each.derivatives) == list(range(order)) for each, order in zip(found, orders, strict=True))

    def _after(self, window: Window) -> tuple[float, float, tuple[Box, ...]]:
        """Where the next window begins, how long it is at first, and its cells."""
        length = (window.end - window.start) * (2 if window.added <= _EASY * self._target else 1)
        return window.end, length, self._refinement.joined(window.fit.network)

    def _known_from(self, instant: float) -> tuple[Box, ...]:
        """The cells of the window of `like` that begins at an instant, or none."""
        near = _SAME * 2 * self._domain.half_sides[self._time]
        cells = () if self._like is None else self._like.cells
        return tuple(cell for cell in cells if abs(cell.lower[self._time] - instant) <= near)

    def _window(
        self, cells: tuple[Box, ...], instants: tuple[float, float], windows: list[Window], guess: Network | None
    ) -> Window | None:
        """The solution in a window, which may become shorter; `None` where no cells are small enough.

        - `cells`: to begin with. `windows`: the windows before.
        - `guess`: from which a nonlinear equation is solved first; left out, as in `_first`.
        """
        start, end = instants
        best, before, apart, vain, expected = None, None, math.inf, 0, 0.0
        # What the windows before could not go below is not sought in this one.
        floors = [_ALIKE * window.added for window in windows if window.added > self._target]
        target = max([self._target, *floors])
        while self._goes_on(expected):
            began = time.perf_counter()
            attempt = self._attempt(cells, start, windows, guess)
            resolved = attempt.added.error <= target
            if resolved and attempt.fit.system.has_readings:
                attempt = self._compared(attempt)
            if self._setting.grading:
                attempt, before, apart = self._beside(attempt, before, apart)
                resolved = attempt.added.error <= target
            error, least = attempt.added.error, math.inf if best is None else best.added
            self._report(f"{_named(instants[0], end)}{len(cells)} cells: error {error:.1e}, {attempt.fit.steps} steps")
            vain = 0 if error <= _GAINS * least else vain + 1
            if error < least or best is None:
                known = infer(attempt.fit)
                best = Window(start, end, self._features, attempt.fit, attempt.estimate, error, attempt.between, known)
            # Smaller cells, with fewer readings in each, leave functions more open between the readings.
            enough = max(target, beside_noise(best.inference, best.estimate.sizes))
            if resolved or error <= enough or (vain > _VAIN and best.added <= _FAIR):
                return best
            divided = self._divided(attempt)
            if divided is None or (vain > _VAIN + 1 and not self._setting.grading):
                break
            # In two dimensions and more, cells meet more and more others that wait for their elimination.
            expected = (time.perf_counter() - began) * (len(divided) / len(cells)) ** 2
            cells = self._inside(divided)
            if self._marches:
                end = cells[0].upper[self._time]
            guess = attempt.fit.network if error <= _CLOSE else None
        return best if self._setting.grading else None

    def _beside(self, attempt: _Attempt, before: Network | None, apart: float) -> tuple[_Attempt, Network, float]:
        """An attempt with an error that is not smaller than what a geometric series lets expect, nor than the residual;
        its network; and its distance from the one before.

        - `before`: the network of the attempt before. `apart`: the distance of that one from the one before it.

        A singular solution is not made by the features of the correction either, so that the correction does not tell
        the whole error. Where no combination of the features solves the equation, the attempts converge to something
        else, and leave a residual that smaller cells do not lower.
        """
        network, problem = attempt.fit.network, attempt.fit.system.problem
        errors, now = attempt.fit.share * attempt.added.sizes, math.inf
        if before is not None:
            points = points_of_norms(self._domain, network.cells)
            values = [problem.components.at_points(points, each(points)) for each in (network, before)]
            distances = problem.components.norms(np.sqrt(np.mean((values[0] - values[1]) ** 2, axis=0)))
            now = float(np.linalg.norm(distances))
            rate = min(now / apart, 1.0) if 0 < apart < math.inf else 1.0
            errors = np.maximum(errors, rate * distances)
        both = (attempt.added, attempt.estimate)
        added, whole = (dataclasses.replace(each, errors=np.maximum(each.errors, errors)) for each in both)
        return attempt._replace(added=added, estimate=whole), network, now

    def _divided(self, attempt: _Attempt) -> tuple[Box, ...] | None:
        """Smaller cells after an attempt, or a shorter window; `None` where there are none."""
        network, residuals = attempt.fit.network, attempt.added.residuals
        if not self._setting.grading:
            return self._refinement.divided(network, residuals)
        cells = self._towards_corners(network.cells)
        if len(cells) > len(network.cells):
            return cells
        worst = attempt.between.worst(network, attempt.fit.units)
        return self._refinement.graded(network.cells, residuals, worst, self._setting.grading)

    def _first_cells(self) -> tuple[Box, ...]:
        """The cells of the first attempt. Where cells are graded, they crowd at re-entrant corners of the domain."""
        cells = (self._hull,)
        return self._inside(self._towards_corners(cells) if self._setting.grading else cells)

    def _towards_corners(self, cells: tuple[Box, ...]) -> tuple[Box, ...]:
        """The cells, of which those at re-entrant corners are halved."""
        for corner in reentrant_corners(self._domain):
            cells = self._refinement.towards(cells, np.array(corner.at), 2 * self._setting.grading)
        return cells

    def _inside(self, cells: tuple[Box, ...]) -> tuple[Box, ...]:
        """The cells that have a part in the domain."""
        if isinstance(self._domain, Box):
            return cells
        return tuple(cell for cell in cells if len(self._problem.interior(part=self._domain.part(cell)).weights))

    def _attempt(self, cells: tuple[Box, ...], start: float, windows: list[Window], guess: Network | None) -> _Attempt:
        before = windows[-1] if windows else None
        given = (start if self._marches else None, None if before is None else before.fit.network)
        system = System.of(self._conditions, self._problem, cells, *given)
        first = None if self._linear else self._first(cells, start, before, guess)
        found = fit(system, self._layer, steps=self._setting.steps, linear=self._linear, start=first)
        rows = System.of(self._conditions, self._between, cells, *given)
        systems = [rows]
        if before is not None:
            corrected = before.fit.network.plus(before.estimate.correction)
            systems.append(System.of(self._conditions, self._between, cells, start, corrected))
        points = points_of_norms(self._domain, cells)
        decay = _SINGULAR if self._setting.grading else 1.0
        added, *whole = estimates(found, tuple(systems), self._correction, points, decay)
        # Where the solution has decayed, errors count by its size in the windows before.
        sizes = np.max([added.sizes, *(window.estimate.sizes for window in windows)], axis=0)
        return _Attempt(found, dataclasses.replace(added, sizes=sizes), whole[0] if whole else added, rows)

    def _compared(self, attempt: _Attempt) -> _Attempt:
        """The attempt with an error that is at least its difference from a fit of other features."""
        layer = self._drawn(for_correction(self._features), _COMPARED)
        guess = None if self._linear else self._projected(attempt.fit.network, attempt.fit.system.cells, layer)
        estimate = compared(attempt.estimate, attempt.fit, layer, guess, self._setting.steps)
        return attempt._replace(estimate=estimate, added=estimate)

    def _first(
        self, cells: tuple[Box, ...], start: float, before: Window | None, guess: Network | None
    ) -> Network | None:
        """Where the Gauss-Newton steps of an attempt start: at the attempt before, or else at the constant in time that
        the last window ends with.
        """
        if guess is not None:
            return self._projected(guess, cells, self._layer)
        if before is None:
            return None
        return self._projected(before.fit.network, cells, self._layer, instant=start)

    def _projected(
        self, network: Network, cells: tuple[Box, ...], layer: Layer, instant: float | None = None
    ) -> Network:
        """The features of a layer that are closest to a network in each cell.

        - `instant`: at which the network is taken everywhere; left out, it is taken at all times.
        """
        whole = self._problem.interior(part=self._hull).points
        scaled = (whole - self._domain.center) / self._domain.half_sides
        return projected(network, cells, layer, scaled, None if instant is None else (self._time, instant))


def _corners(boxes: list[list[list[float]]]) -> list[tuple[tuple[float, ...], tuple[float, ...]]]:
    """The lower and the upper bounds of boxes."""
    return [(tuple(low for low, _ in box), tuple(high for _, high in box)) for box in boxes]


def _named(start: float, end: float) -> str:
    return "" if math.isnan(start) else f"window from {start:.4g} to {end:.4g}, "
