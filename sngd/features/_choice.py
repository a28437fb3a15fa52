"""The choice of features for a problem, by what fits of the output layer leave on rows that were not fitted."""

import dataclasses
import math
import time
from collections.abc import Callable, Iterator

import numpy as np
from jaxtyping import Float

from sngd._arguments import require_integer, require_number
from sngd.features._estimate import Estimate, compared, estimates, for_correction
from sngd.features._families import Features, Layer
from sngd.features._fit import Fit, fit
from sngd.features._network import Network
from sngd.features._points import points_of_norms, waves_of
from sngd.features._probe import Probe, probe
from sngd.features._projection import projected
from sngd.features._rows import Conditions
from sngd.features._system import System, Units
from sngd.problem import Problem, with_other_points

# A candidate that leaves more than this part of the residual of the zero function has found nothing, unless it leaves
# less than so many standard deviations of the noise of readings.
_POOR, _WITHIN_NOISE = 0.1, 3.0

# A candidate that leaves no more than this part has a residual of rounding errors, so that no other one is looked at.
_EXACT = 1e-14

# A candidate whose score is at most this part of the residual of the zero function has a solution from which others of
# a nonlinear equation are fitted.
_CLOSE = 1e-2

# In more dimensions than this, features of one coordinate each are tried first, and columns are added only as long as
# the residual that they lead to at the present rate is at most so many times the one that is asked for.
_MANY_AXES, _NEAR = 3, 10.0

# On so many axes and more a component has at least so many features in the ranking: fewer do not tell good bandwidths
# from bad ones. On so many axes the proportions of the bandwidths follow the solution, whose slope along an axis counts
# as at least this part of the largest one. Bandwidths that differ by less than this factor are not compared.
_SEVERAL_AXES, _LEAST_FEATURES, _LEAST_SLOPE, _EQUAL = 3, 256, 1 / 32, 1.2

# Where all candidates are poor, the ranking is repeated with up to so many times as many columns. Each axis is tried
# alone there, if there are at most so many axes.
_RANKING, _FEW_AXES = 4, 3

# Layers at the faces are compared with waves that leave more than this part of the residual of the zero function, on at
# most two axes. Their bandwidths are these.
_UNCONVINCING, _STEEP_LINE, _STEEP = 1e-3, (1e3, 1e4, 1e5, 1e6), (1e2, 1e3)

# The bandwidth of an axis that no feature of a network depends on.
_NARROW = 0.1

# By how much wider features are that tell whether a problem is well posed, if there are as many of them as waves.
_PROBES = (4.0, 2.0)

# The last number of columns is at least so many times the one before.
_WORTHWHILE = 1.25

# Bytes for each entry of a square matrix of all columns: half as many more rows, in about four copies.
_BYTES = 8 * 1.6 * 4

# The number of the draw of features that a solution from readings is compared on, and one with fewer rows for each
# column at the points of the user.
_COMPARED, _SCARCE = 3, 3.0

# Rows for each column, at least, where the points are those of the user.
_LEAST_OVERSAMPLING = 1.3


@dataclasses.dataclass(frozen=True)
class Candidate:
    """Features with a fitted output layer.

    - `score`: the norm of the residual at other points, each condition in the unit of the first candidate.
    """

    features: Features
    fit: Fit
    score: float


@dataclasses.dataclass(frozen=True)
class FeatureChoice:
    """How features and their number are chosen.

    - `columns`: of the least-squares problem by which families are ranked: features times components of the solution;
      on three and more axes 256 features for each component at least. `largest`: columns at most, on one or two axes;
      on more axes, where cells have more neighbors, `largest_space` takes its place.
    - `first`, `widest`: the bandwidths, in radians per half side of the domain, between which the ranking doubles that
      of all axes. In one dimension a wave takes fewer columns, and `widest_line` takes the place of `widest`.
    - `patience`: doublings without improvement after which the ranking goes on to single axes.
    - `better`: the factor by which a score must fall for another candidate to be taken.
    - `wider`: the factor on all bandwidths from one candidate to the next at full size. `growth`: that on the columns.
    - `ranking_steps`, `steps`: Gauss-Newton steps at most, for ranking and at full size.
    """

    columns: int = 256
    largest: int = 2048
    largest_space: int = 4096
    first: float = 2.0
    widest: float = 128.0
    widest_line: float = 4096.0
    patience: int = 2
    better: float = 0.7
    wider: float = 1.5
    growth: float = 2.0
    ranking_steps: int = 8
    steps: int = 15

    def __post_init__(self):
        for name in ("columns", "largest", "largest_space", "patience", "ranking_steps", "steps"):
            require_integer(name, getattr(self, name), least=1)
        for name, least in (("first", 0.0), ("widest", 0.0), ("widest_line", 0.0), ("wider", 1.0), ("growth", 1.0)):
            require_number(name, getattr(self, name))
            if not getattr(self, name) > least:
                raise ValueError(f"{name} is {getattr(self, name)}; it must be greater than {least:g}")
        if not 0 < self.better < 1:
            raise ValueError(f"better is {self.better}; it must be between 0 and 1")


class Chooser:
    """The candidates of one problem. Every candidate is fitted once.

    - `conditions`: of a problem in least-squares form, with the points of its user or without points.
    - `seed`: whole numbers, from which the features are drawn. `report`: takes a line for each candidate.
    - `memory`: bytes that a fit may take. `goes_on`: whether there is time for a fit of so many seconds.
    """

    def __init__(
        self,
        choice: FeatureChoice,
        conditions: Conditions,
        seed: tuple[int, ...],
        report: Callable[[str], None],
        memory: float = math.inf,
        goes_on: Callable[[float], bool] = lambda expected: True,
    ):
        self._choice, self._conditions, self._report, self._memory = choice, conditions, report, memory
        self._goes_on, self._expected = goes_on, 0.0
        self._problem, self._seed = conditions.problem, seed
        self._units: Units | None = None
        self._linear: bool | None = None
        self._exact: Candidate | None = None
        self._zero = self._poor = math.nan
        self._tried: dict[tuple[Features, int], Candidate] = {}

    @property
    def linear(self) -> bool:
        """Whether the equation is linear."""
        if self._linear is None:
            features = self._slow(self._choice.columns)
            system = self._system(self._conditions.with_points(features))
            self._linear = fit(system, self._drawn(features, 0), steps=0).linear
        return self._linear

    def candidate(self, features: Features, steps: int | None = None, near: Candidate | None = None) -> Candidate:
        """The fit of these features, and its score.

        - `steps`: Gauss-Newton steps at most; left out, as at full size. `near`: a candidate from whose solution a
          nonlinear equation is solved, if that is close.
        """
        steps = self._choice.steps if steps is None else steps
        # One step is enough for a linear equation, whatever the limit.
        limit = 0 if self._linear else steps
        if (features, limit) not in self._tried:
            began = time.perf_counter()
            found = self.made(features, steps, near)
            self._expected = time.perf_counter() - began
            limit = 0 if self._linear else steps
            self._tried[features, limit] = found
            self._report(f"{features}: residual {found.score:.1e}, {found.fit.steps} steps")
        return self._tried[features, limit]

    def made(self, features: Features, steps: int, near: Candidate | None = None) -> Candidate:
        """The fit of these features, and its score, for `candidate`, which keeps them."""
        system, layer = self._system(self._conditions.with_points(features)), self._drawn(features, 0)
        start = None
        if near is not None and not self._linear and near.score <= _CLOSE * self._zero:
            hull = system.cells[0]
            scaled = (system.problem.interior().points - hull.center) / hull.half_sides
            start = projected(near.fit.network, system.cells, layer, scaled)
        fitted = fit(system, layer, steps=steps, linear=self._linear, start=start)
        self._linear = fitted.linear
        zero = _norm(system, system.zero(fitted.network.layer), fitted.units)
        if self._units is None and math.isfinite(zero):
            self._units = fitted.units
            self._compare_with(zero, system.noise)
        score = _norm(self._between(system.problem), fitted.network, self._units or fitted.units)
        known = math.isfinite(score) and math.isfinite(fitted.residual)
        return Candidate(features, fitted, score if known else math.inf)

    def _compare_with(self, zero: float, noise: float = 0.0) -> None:
        """Scores are compared with that of the zero function, and with the norm of the noise of readings."""
        self._zero, self._poor = zero, max(_POOR * zero, _WITHIN_NOISE * noise)

    def refitted(self, network: Network) -> Candidate:
        """The candidate on the features of a network on the whole domain, from which a nonlinear equation is solved."""
        layer = network.layer
        bandwidths = np.maximum(np.max(np.abs(layer.weights), axis=0), _NARROW)
        spread = "uniform" if layer.activation == "sin" else "layers"
        features = Features(tuple(bandwidths.tolist()), len(layer), layer.activation, spread)
        system = self._system(self._conditions.with_points(features))
        start = None if self.linear else network
        fitted = fit(system, layer, steps=self._choice.steps, linear=self.linear, start=start)
        self._report(f"{features} of the start: {fitted.steps} steps")
        return Candidate(features, fitted, _norm(self._between(system.problem), fitted.network, fitted.units))

    def stages(self, insist: bool = True, goal: float = 0.0) -> Iterator[Candidate]:
        """The best candidate of the ranking, and then better ones with more and more columns.

        - `insist`: whether to rank with more columns where all candidates are poor.
        - `goal`: the relative error that is asked for.
        """
        best = self.ranked(insist)
        yield best
        count, most = best.features.count, int(self.most_columns / self.outputs)
        while most >= _WORTHWHILE * count:
            before, fewer = best.score, count
            count = min(int(self._choice.growth * count), most)
            # The operations of a fit grow with the cube of the columns.
            if not self._goes_on(self._expected * (count / fewer) ** 3):
                return
            best = self.widened(dataclasses.replace(best.features, count=count), best)
            yield best
            ahead = math.log(most / count) / math.log(count / fewer)
            rate = min(best.score / before, 1.0) if before else 1.0
            hopeless = best.score * rate**ahead > _NEAR * goal * self._zero
            if self._axes > _MANY_AXES and hopeless:
                return

    def widened(self, features: Features, near: Candidate | None = None) -> Candidate:
        """The best candidate with so many features: with these bandwidths, in other proportions, and with wider ones,
        as long as there is time.

        - `near`: as in `candidate`.
        """
        found = self._proportioned(self.candidate(features, near=near))
        while self._goes_on(self._expected):
            other = self.candidate(found.features.scaled(*[self._choice.wider] * self._axes), near=found)
            if not other.score < self._choice.better * found.score:
                return self._proportioned(found)
            found = other
        return found

    def _proportioned(self, best: Candidate) -> Candidate:
        """The better one of a candidate on three axes and of as many waves whose bandwidths are like its slopes."""
        features = best.features
        if self._axes != _SEVERAL_AXES or features.spread == "layers" or features.coordinates or self.found_nothing:
            return best
        slopes = np.maximum(best.fit.network.slopes(self._scaled), _LEAST_SLOPE)
        low, high = 0.0, 2 * max(features.bandwidths) / float(np.min(slopes))
        for _ in range(50):
            middle = (low + high) / 2
            waves = waves_of(dataclasses.replace(features, bandwidths=tuple(middle * slopes)))
            low, high = (middle, high) if waves < waves_of(features) else (low, middle)
        bandwidths = np.maximum(low * slopes, _NARROW)
        ratios = bandwidths / np.array(features.bandwidths)
        if (np.max(ratios) < _EQUAL and np.min(ratios) > 1 / _EQUAL) or not self._goes_on(self._expected):
            return best
        other = self.candidate(dataclasses.replace(features, bandwidths=tuple(bandwidths)), near=best)
        return min(best, other, key=lambda found: found.score)

    @property
    def outputs(self) -> int:
        """The number of components of the solution."""
        return self._problem.outputs

    def estimate(self, candidate: Candidate) -> Estimate:
        """The error of a candidate."""
        features = for_correction(candidate.features)
        between = self._between(self._conditions.with_points(features))
        points = points_of_norms(self._problem.domain)
        found = estimates(candidate.fit, (between,), self._drawn(features, 1), points)[0]
        system, columns = candidate.fit.system, candidate.fit.network.columns.size
        if system.has_readings:
            return compared(found, candidate.fit, self._drawn(features, _COMPARED), None, self._choice.steps)
        if self._problem.quadrature is not None and system.count < _SCARCE * columns:
            other = self._drawn(candidate.features, _COMPARED)
            return compared(found, candidate.fit, other, None, self._choice.steps)
        return found

    @property
    def found_nothing(self) -> bool:
        """Whether no candidate is much better than the function that is zero everywhere."""
        return not min(found.score for found in self._tried.values()) <= self._poor

    def probe(self, candidate: Candidate) -> Probe:
        """The responses to changes of a candidate that oscillate faster than the candidate does."""
        count = max(2, self._choice.columns // self.outputs)
        features = dataclasses.replace(candidate.features, count=min(count, candidate.features.count))
        if self._problem.quadrature is None:
            wider = [features.scaled(*[factor] * self._axes) for factor in _PROBES]
            features = next((each for each in wider if waves_of(each) <= each.count), features)
        system = self._system(self._conditions.with_points(features))
        slow = Features((self._choice.first,) * self._axes, features.count, features.activation)
        at = None if candidate.fit.linear else candidate.fit.network
        return probe(
            (system, self._between(system.problem)),
            self._drawn(features, 2),
            self._drawn(slow, 2),
            at,
            self._scaled,
        )

    def between(self, candidate: Candidate) -> System:
        """The rows between the points of a candidate."""
        return self._between(candidate.fit.system.problem)

    @property
    def _axes(self) -> int:
        return self._problem.domain.dimension

    @property
    def _scaled(self) -> Float[np.ndarray, "n d"]:
        """The points at which norms are taken, scaled to [-1, 1]."""
        domain = self._problem.domain
        return (points_of_norms(domain) - domain.center) / domain.half_sides

    @property
    def most_columns(self) -> float:
        """Columns at most: as many as fit into the memory and, if the points are the user's, as there are rows for."""
        largest = self._choice.largest_space if self._axes >= _SEVERAL_AXES else self._choice.largest
        most = min(largest, math.sqrt(self._memory / _BYTES))
        if self._problem.quadrature is None:
            return most
        rows = sum(candidate.fit.system.count for candidate in list(self._tried.values())[:1])
        return min(most, rows / _LEAST_OVERSAMPLING)

    def _between(self, problem: Problem) -> System:
        return self._system(with_other_points(problem, lambda points: points.staggered()))

    def _system(self, problem: Problem) -> System:
        return System((problem.domain.hull,), self._conditions.rows(problem))

    def _drawn(self, features: Features, draw: int) -> Layer:
        generator = np.random.default_rng([*self._seed, draw])
        return features.draw_for(self._problem.frames, generator, self._problem.periodic_axes)

    def _slow(self, columns: int) -> Features:
        """The features of the first bandwidth."""
        return Features((self._choice.first,) * self._axes, max(2, columns // self.outputs))

    def _rank(self, features: Features) -> Candidate:
        """The candidate of these features, or one that leaves nothing but rounding errors, if there has been any."""
        if self._exact is None:
            found = self.candidate(features, self._choice.ranking_steps)
            if not found.score <= _EXACT * self._zero:
                return found
            self._exact = found
        return self._exact

    def ranked(self, insist: bool) -> Candidate:
        """The best candidate at the number of columns for ranking.

        - `insist`: whether to rank with more columns where all candidates are poor.
        """
        columns = self._choice.columns
        if self._axes >= _SEVERAL_AXES:
            columns = max(columns, min(_LEAST_FEATURES, self._choice.columns) * self.outputs)
        if self._axes > _MANY_AXES:
            self._rank(dataclasses.replace(self._slow(columns), coordinates=1))
        best = self._on_axes(self._on_doublings(columns))
        most = min(_RANKING * self._choice.columns, self.most_columns) if insist else columns
        while best.score > self._poor and 2 * columns <= most:
            columns *= 2
            best = min(best, self._on_axes(self._on_doublings(columns)), key=lambda found: found.score)
        others = [dataclasses.replace(best.features, coordinates=count) for count in (1, 2) if count < self._axes]
        others.append(dataclasses.replace(best.features, spread="log-uniform"))
        for features in others:
            found = self._rank(features)
            if found.score < self._choice.better * best.score:
                best = self._on_axes(found)
        layered = self._axes <= 2 and not self._problem.periodic_axes and best.score > _UNCONVINCING * self._zero
        return best if not layered else min(best, self._layers(), key=lambda c: c.score)

    def _layers(self) -> Candidate:
        """The best candidate whose features are layers at the faces; steeper ones take more points."""
        bandwidths = _STEEP_LINE if self._axes == 1 else _STEEP
        count = max(2, self._choice.columns // self.outputs)
        each = [Features((bandwidth,) * self._axes, count, "tanh", "layers") for bandwidth in bandwidths]
        return min(map(self._rank, each), key=lambda found: found.score)

    def _on_doublings(self, columns: int) -> Candidate:
        """The best candidate with one bandwidth for all axes; where none is any good, with one axis apart."""
        bandwidth, stale, choice = self._choice.first, 0, self._choice
        widest = choice.widest_line if self._axes == 1 else choice.widest
        best = self._rank(self._slow(columns))
        count = best.features.count
        while bandwidth < widest and (stale < choice.patience or best.score > self._poor):
            bandwidth *= 2
            found = self._rank(Features((bandwidth,) * self._axes, count))
            best, stale = (found, 0) if found.score < choice.better * best.score else (best, stale + 1)
        if best.score <= self._poor or not 1 < self._axes <= _FEW_AXES:
            return best
        low = 2 * choice.first
        doublings = [low * 2.0**k for k in range(1, 1 + int(math.log2(choice.widest / low)))]
        alone = [
            [wide if at == axis else low for at in range(self._axes)]
            for axis in range(self._axes)
            for wide in doublings
        ]
        return min([best, *(self._rank(Features(tuple(each), count)) for each in alone)], key=lambda found: found.score)

    def _on_axes(self, best: Candidate) -> Candidate:
        """From the best candidate, one bandwidth doubled or halved at a time, as long as that is better."""
        improved = self._axes > 1
        while improved:
            improved = False
            for axis in range(self._axes):
                for factor in (2.0, 0.5):
                    found = self._rank(best.features.scaled(*self._on(axis, factor)))
                    if found.score < self._choice.better * best.score:
                        best, improved = found, True
                        break
        return best

    def _on(self, axis: int, factor: float) -> list[float]:
        return [factor if other == axis else 1.0 for other in range(self._axes)]


def _norm(system: System, network: Network, units: Units) -> float:
    """The norm of the residual of a network, in units."""
    return math.sqrt(sum(float(np.sum(part**2)) for part in system.stacked(network, units)))
