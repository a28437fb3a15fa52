"""The choice of features for a problem, by what fits of the output layer leave on rows that were not fitted."""

import dataclasses
import math
from collections.abc import Callable, Iterator

import numpy as np
from jaxtyping import Float

from sngd._arguments import require_integer, require_number
from sngd.features._estimate import Estimate, estimates, for_correction
from sngd.features._families import Features, Layer
from sngd.features._fit import Fit, fit, stacked, units_of
from sngd.features._points import waves_of, with_points
from sngd.features._rows import Rows, Window
from sngd.problem import Problem, UniformRandom, with_other_points

# A candidate that leaves more than this part of the residual of the zero function has found nothing.
_POOR = 0.1

# Where all candidates are poor, the ranking is repeated with up to so many times as many columns. Each axis is tried
# alone there, if there are at most so many axes.
_RANKING, _FEW_AXES = 4, 3

# Layers at the faces are compared with waves that leave more than this part of the residual of the zero function, on at
# most two axes. Their bandwidths are these.
_UNCONVINCING, _STEEP_LINE, _STEEP = 1e-3, (1e3, 1e4, 1e5, 1e6), (1e2, 1e3)

# By how much wider features are that tell whether a problem is well posed, if there are as many of them as waves.
_PROBES = (4.0, 2.0)

# Points at which norms of solutions are taken.
_POINTS_OF_NORMS = 2048

# The last number of columns is at least so many times the one before.
_WORTHWHILE = 1.25

# Bytes for each entry of a square matrix of all columns: half as many more rows, in about four copies.
_BYTES = 8 * 1.6 * 4

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

    - `columns`: of the least-squares problem by which families are ranked: features times components of the solution.
      `largest`: columns at most.
    - `first`, `widest`: the bandwidths, in radians per half side of the domain, between which the ranking doubles that
      of all axes. In one dimension a wave takes fewer columns, and `widest_line` takes the place of `widest`.
    - `patience`: doublings without improvement after which the ranking goes on to single axes.
    - `better`: the factor by which a score must fall for another candidate to be taken.
    - `wider`: the factor on all bandwidths from one candidate to the next at full size. `growth`: that on the columns.
    - `ranking_steps`, `steps`: Gauss-Newton steps at most, for ranking and at full size.
    """

    columns: int = 256
    largest: int = 2048
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
        for name in ("columns", "largest", "patience", "ranking_steps", "steps"):
            require_integer(name, getattr(self, name), least=1)
        for name, least in (("first", 0.0), ("widest", 0.0), ("widest_line", 0.0), ("wider", 1.0), ("growth", 1.0)):
            require_number(name, getattr(self, name))
            if not getattr(self, name) > least:
                raise ValueError(f"{name} is {getattr(self, name)}; it must be greater than {least:g}")
        if not 0 < self.better < 1:
            raise ValueError(f"better is {self.better}; it must be between 0 and 1")


class Chooser:
    """The candidates of one problem. Every candidate is fitted once.

    - `problem`: in least-squares form, with the points of its user or without points.
    - `seed`: whole numbers, from which the features are drawn. `report`: takes a line for each candidate.
    - `window`: the part of the time axis that is solved; left out, all of it.
    - `memory`: bytes that a fit may take.
    """

    def __init__(
        self,
        choice: FeatureChoice,
        problem: Problem,
        seed: tuple[int, ...],
        report: Callable[[str], None],
        window: Window | None = None,
        memory: float = math.inf,
    ):
        self._memory = memory
        self._choice, self._problem, self._report, self._window = choice, problem, report, window
        self._seed = seed
        self._units: tuple[float, ...] | None = None
        self._conditions: Rows | None = None
        self._linear: bool | None = None
        self._zero = math.nan
        self._tried: dict[tuple[Features, int], Candidate] = {}

    def candidate(self, features: Features, steps: int | None = None) -> Candidate:
        """The fit of these features, and its score. `steps`: Gauss-Newton steps at most; left out, as at full size."""
        steps = self._choice.steps if steps is None else steps
        # One step is enough for a linear equation, whatever the limit.
        limit = 0 if self._linear else steps
        if (features, limit) not in self._tried:
            problem = with_points(self._problem, features)
            layer = features.draw(self._generator(0), problem.periodic_axes)
            rows = self._rows(problem, features, self._window)
            fitted = fit(rows, layer, steps=steps, linear=self._linear)
            self._linear = fitted.linear
            limit = 0 if self._linear else steps
            zero = float(np.linalg.norm(stacked(rows.residual(rows.zero(layer)), fitted.units)))
            if self._units is None and math.isfinite(zero):
                self._units, self._zero = fitted.units, zero
            left = self._between(problem, features, self._window).residual(fitted.network)
            score = float(np.linalg.norm(stacked(left, self._units or fitted.units)))
            known = math.isfinite(score) and math.isfinite(fitted.residual)
            found = Candidate(features, fitted, score if known else math.inf)
            self._tried[features, limit] = found
            self._report(f"{features}: residual {found.score:.1e}, rank {fitted.rank}, {fitted.steps} steps")
        return self._tried[features, limit]

    def stages(self, insist: bool = True) -> Iterator[Candidate]:
        """The best candidate of the ranking, and then better ones with more and more columns.

        - `insist`: whether to rank with more columns where all candidates are poor.
        """
        best = self.ranked(insist)
        yield best
        count, most = best.features.count, int(self.most_columns / self.outputs)
        while most >= _WORTHWHILE * count:
            count = min(int(self._choice.growth * count), most)
            best = self.widened(dataclasses.replace(best.features, count=count))
            yield best

    def widened(self, features: Features) -> Candidate:
        """The best candidate with so many features, of those with these bandwidths and wider ones."""
        found = self.candidate(features)
        while True:
            other = self.candidate(found.features.scaled(*[self._choice.wider] * self._axes))
            if not other.score < self._choice.better * found.score:
                return found
            found = other

    def around(self, best: Candidate) -> Candidate:
        """The best candidate with bandwidths near those of a candidate, one axis at a time."""
        for axis in range(self._axes):
            for factor in (self._choice.wider, 1 / self._choice.wider):
                found = self.candidate(best.features.scaled(*self._on(axis, factor)))
                if found.score < self._choice.better * best.score:
                    best = found
                    break
        return best

    @property
    def window(self) -> Window | None:
        """The part of the time axis that is solved."""
        return self._window

    @property
    def outputs(self) -> int:
        """The number of components of the solution."""
        return self._problem.outputs

    def estimate(self, candidate: Candidate) -> Estimate:
        """The error of a candidate."""
        return self.estimates(candidate, (self._window,))[0]

    def estimates(self, candidate: Candidate, windows: tuple[Window | None, ...]) -> list[Estimate]:
        """The error of a candidate, against each of the windows. These differ in the solution before them alone."""
        features = for_correction(candidate.features)
        problem = with_points(self._problem, features)
        rows = tuple(self._between(problem, features, window) for window in windows)
        return estimates(candidate.fit, rows, features, self._generator(1), self.points_of_norms)

    @property
    def points_of_norms(self) -> Float[np.ndarray, "n d"]:
        """Points of the box [0, 1]^d."""
        return UniformRandom(_POINTS_OF_NORMS).rule(np.zeros(self._axes), np.ones(self._axes))[0]

    @property
    def found_nothing(self) -> bool:
        """Whether no candidate is much better than the function that is zero everywhere."""
        return not min(found.score for found in self._tried.values()) <= _POOR * self._zero

    def probe(self, candidate: Candidate) -> tuple[Layer, tuple[Rows, Rows], tuple[float, ...]]:
        """Features to look at changes of a solution that oscillate faster than the solution does, rows for them, and
        the unit of each condition: its response to features of the first bandwidth, without the weights of the user.
        """
        count = max(2, self._choice.columns // self.outputs)
        features = dataclasses.replace(candidate.features, count=min(count, candidate.features.count))
        if self._problem.quadrature is None:
            wider = [features.scaled(*[factor] * self._axes) for factor in _PROBES]
            features = next((each for each in wider if waves_of(each) <= each.count), features)
        problem = with_points(self._problem, features)
        layer = features.draw(self._generator(2), problem.periodic_axes)
        rows = self._rows(problem, features, self._window)
        slow = Features((self._choice.first,) * self._axes, features.count, features.activation)
        reference = slow.draw(self._generator(2), problem.periodic_axes)
        units = np.array(units_of(rows.jacobian(reference), rows, reference)) * np.sqrt(rows.weights)
        return layer, (rows, self._between(problem, features, self._window)), tuple(units.tolist())

    def rows_of(self, candidate: Candidate) -> tuple[Rows, Rows]:
        """The rows that a candidate was fitted to, and rows between their points."""
        return candidate.fit.rows, self._between(candidate.fit.rows.problem, candidate.features, self._window)

    @property
    def _axes(self) -> int:
        return self._problem.domain.dimension

    @property
    def most_columns(self) -> float:
        """Columns at most: as many as fit into the memory and, if the points are the user's, as there are rows for."""
        most = min(self._choice.largest, math.sqrt(self._memory / _BYTES))
        if self._problem.quadrature is None:
            return most
        rows = sum(candidate.fit.rows.count for candidate in list(self._tried.values())[:1])
        return min(most, rows / _LEAST_OVERSAMPLING)

    def _between(self, problem: Problem, features: Features, window: Window | None) -> Rows:
        return self._rows(with_other_points(problem, lambda points: points.staggered()), features, window)

    def _rows(self, problem: Problem, features: Features, window: Window | None) -> Rows:
        if self._conditions is None:
            self._conditions = Rows.of(problem, features.activation)
        return self._conditions.on(problem, window)

    def _generator(self, draw: int) -> np.random.Generator:
        return np.random.default_rng([*self._seed, draw])

    def _rank(self, features: Features) -> Candidate:
        return self.candidate(features, self._choice.ranking_steps)

    def ranked(self, insist: bool) -> Candidate:
        """The best candidate at the number of columns for ranking.

        - `insist`: whether to rank with more columns where all candidates are poor.
        """
        best = self._on_axes(self._on_doublings(self._choice.columns))
        columns = self._choice.columns
        most = min(_RANKING * self._choice.columns, self.most_columns) if insist else columns
        while best.score > _POOR * self._zero and 2 * columns <= most:
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
        count = max(2, columns // self._problem.outputs)
        best = self._rank(Features((bandwidth,) * self._axes, count))
        while bandwidth < widest and (stale < choice.patience or best.score > _POOR * self._zero):
            bandwidth *= 2
            found = self._rank(Features((bandwidth,) * self._axes, count))
            best, stale = (found, 0) if found.score < choice.better * best.score else (best, stale + 1)
        if best.score <= _POOR * self._zero or not 1 < self._axes <= _FEW_AXES:
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
