"""The choice of features for an eigenvalue problem, by the residuals of the wanted pairs between the points."""

import dataclasses
import math
from collections.abc import Callable

import numpy as np
from jaxtyping import Float

from sngd.features._basis import Basis
from sngd.features._choice import Candidate, Chooser, FeatureChoice
from sngd.features._eigen import Ritz, inside, lowest, nearest_to
from sngd.features._estimate import for_correction
from sngd.features._families import Features, Layer
from sngd.features._fit import Fit
from sngd.features._network import Network
from sngd.features._pencil import Pencil, require_pencil
from sngd.features._points import points_of_norms
from sngd.features._rows import Conditions
from sngd.features._system import System

# Shifts are kept from candidates that leave less than this part of the sizes of the terms.
_GOOD = 0.1

# Pairs that leave less than the first part show an eigenvalue. That of another candidate is another one where it is
# farther away than so many times what is left, and than the last part of the spread.
_SHOWN, _FAR, _DIFFERENT = 1e-5, 1e3, 1e-2

# The number of the draw of features with which pairs are compared.
_SECOND = 1

# Functions that are smaller than the first part of the largest one are combinations of others. There are more
# eigenvalues than were found where there are no more independent functions than so many times their number.
_RESOLVED, _MANY = 1e-8, 4

# Columns for each pair, at least, by which families of features are ranked.
_COLUMNS = 6

# Further doublings without improvement on a line.
_MORE_PATIENCE = 2

# The number of waves whose Rayleigh quotients at two bandwidths are compared. Where the lowest and the largest one
# grow by more than this factor, and the lowest one is more than this part of the largest one, it goes on to fall.
_WAVES, _STEEPER, _SHARE = 64, 3.0, 1e-3

# The two bandwidths, and the features whose points integrate products of such waves; on a line, and on more axes.
_FAST_LINE, _FAST = ((64.0, 256.0), 256), ((8.0, 32.0), 2048)

# How often the wanted values are looked for farther below, each time by so many times farther.
_PROBES, _FARTHER = 6, 4.0


@dataclasses.dataclass(frozen=True)
class Found:
    """Eigenpairs on the features of a layer.

    - `ritz`: the pairs. `system`: the rows by which they were found.
    - `residuals`: of all pairs, relative to the sizes of their terms, between the points.
    """

    ritz: Ritz
    layer: Layer
    system: System
    residuals: Float[np.ndarray, " p"]

    def network(self, columns: Float[np.ndarray, " k"], value: float) -> Network:
        """The function of these output weights, with the constant at a value."""
        problem = self.system.problem
        outputs = self.layer.outputs_of(columns[None], problem.outputs)
        return Network(self.layer, self.system.cells, outputs, np.array([value]) / problem.units)


class EigenChooser(Chooser):
    """The candidates for eigenpairs: their scores are the largest relative residuals of the wanted pairs.

    - `count`: how many pairs are wanted. `near`: the number to which their values are nearest; `None` for the lowest.
    - All else is as in `Chooser`.

    `goes_down` says whether the values go on towards minus infinity by the equation itself, and `endless` whether those
    on the last features do.

    Raises `ValueError` where the problem is not linear and homogeneous in the functions and affine in the constant.
    """

    def __init__(
        self,
        choice: FeatureChoice,
        conditions: Conditions,
        seed: tuple[int, ...],
        report: Callable[[str], None],
        memory: float = math.inf,
        *,
        count: int,
        near: float | None,
    ):
        # On a line wider features are cheap, and few of them resolve all wanted functions.
        patience = choice.patience + (_MORE_PATIENCE if conditions.problem.domain.dimension == 1 else 0)
        columns = min(max(choice.columns, _COLUMNS * count), max(choice.columns, choice.largest))
        choice = dataclasses.replace(choice, patience=patience, columns=columns)
        super().__init__(choice, conditions, seed, report, memory)
        self._linear = True
        self._compare_with(1.0)
        self._count, self._near, self._hint = count, near, 0.0
        self._found: dict[Features, Found] = {}
        self.endless = False
        slow = self._slow(choice.columns)
        require_pencil(self._system(conditions.with_points(slow)), Basis(self._drawn(slow, 0)))
        self.goes_down = near is None and self._goes_down()

    def made(self, features: Features, steps: int, near: Candidate | None = None) -> Candidate:
        """The pairs on these features, which `found` keeps, as a candidate with a fit of the first one."""
        system = self._system(self._conditions.with_points(features))
        layer = self._drawn(features, 0)
        pencil = Pencil.of(system, Basis(layer))
        self._units = self._units or pencil.units
        found = self._pairs(pencil, self._between(system.problem))
        score = math.inf
        if found is not None:
            self._found[features] = found
            self._require_enough(found)
            if len(found.ritz.values) >= self._count:
                # Residuals that are not finite are infinite.
                score = float(np.max(found.residuals[: self._count]))
            if score < _GOOD:
                self._hint = found.ritz.shift
        network = system.zero(layer) if found is None else found.network(np.real(found.ritz.columns[:, 0]), 0.0)
        fitted = Fit(network, system, pencil.units, score, linear=True, steps=1)
        return Candidate(features, fitted, score)

    def _goes_down(self) -> bool:
        """Whether the values go on towards minus infinity, by the Rayleigh quotients of single waves that oscillate
        faster and faster, in the interior.
        """
        conditions, domain = self._problem.conditions, self._problem.domain
        ranges = []
        bandwidths, count = _FAST_LINE if self._axes == 1 else _FAST
        for bandwidth in bandwidths:
            features = Features((bandwidth,) * self._axes, _WAVES)
            points = self._conditions.with_points(dataclasses.replace(features, count=count))
            layer, system = self._drawn(features, 0), self._system(points)
            interior = tuple(each for each in system.rows if conditions[each.number].faces(domain) is None)
            if not interior:
                return False
            weights, biases = np.tile(layer.weights, (2, 1)), np.concatenate([layer.biases, layer.biases + np.pi / 2])
            pencil = Pencil.of(dataclasses.replace(system, rows=interior), Basis(Layer(weights, biases, "sin")))
            quotients = pencil.quotients(_WAVES)
            ranges.append((np.min(quotients, initial=0.0), np.max(np.abs(quotients), initial=0.0)))
        (before, size), (lowest, largest) = ranges
        falls = lowest < min(_STEEPER * before, -_SHARE * largest) < 0
        return bool(falls and before < -_SHARE * size and largest > _STEEPER * size)

    def found(self, candidate: Candidate) -> Found | None:
        """The pairs of a candidate; `None` where there are none."""
        return self._found.get(candidate.features)

    def again(self, features: Features) -> Found | None:
        """The pairs on wider features of another draw, and at other points, from other random functions."""
        wider = for_correction(features)
        # Wider features have other points, unless the points are those of the user.
        system = self._system(self._conditions.with_points(wider))
        if self._problem.quadrature is not None:
            system = self._between(system.problem)
        pencil = Pencil.of(system, Basis(self._drawn(wider, _SECOND)))
        return self._pairs(pencil, self._between(system.problem), _SECOND)

    def farther_below(self, candidate: Candidate) -> bool:
        """Whether there are values far below those of a candidate, on its features. If so, it is forgotten with all
        others, and the next ranking begins below these values.
        """
        found = self.found(candidate)
        if self._near is not None or found is None:
            return False
        pencil = Pencil.of(found.system, Basis(found.layer))
        low, gap = float(np.real(found.ritz.values[0])), found.ritz.scale
        for probe in range(1, _PROBES + 1):
            shift = low - gap * _FARTHER**probe
            ritz = nearest_to(pencil, shift, shift, self._count, self._generator(0))
            relative = pencil.residuals(ritz.values, ritz.columns) / pencil.sizes(
                np.abs(ritz.values) + ritz.scale, ritz.columns
            )
            values = np.real(ritz.values)
            below = values[(relative < _DIFFERENT) & (values < low - gap)]
            if len(below):
                self._hint = float(np.min(below)) - gap
                self._tried.clear()
                self._found.clear()
                return True
        return False

    def elsewhere(self, found: Found) -> list[float]:
        """Values that other candidates show among the wanted ones, and that these pairs lack."""
        missing = []
        limit = found.ritz.values[: self._count]
        for other in self._found.values():
            ritz = other.ritz
            shown = (other.residuals < _SHOWN) & inside(ritz.values, limit, self._near)
            shown &= np.abs(np.imag(ritz.values)) < _DIFFERENT * ritz.scale
            for value, residual in zip(ritz.values[shown], other.residuals[shown], strict=True):
                apart = float(np.min(np.abs(found.ritz.values - value)))
                if apart > _FAR * residual * (abs(value) + ritz.scale) + _DIFFERENT * found.ritz.scale:
                    missing.append(float(value.real))
        return missing

    def _pairs(self, pencil: Pencil, between: System, draw: int = 0) -> Found | None:
        """The pairs of a pencil; `None` where its matrices are not finite or there is always a lower value."""
        if not pencil.is_finite:
            return None
        generator = self._generator(draw)
        if self._near is None:
            ritz = lowest(pencil, self._hint, self._count, generator)
            self.endless = ritz is None
        else:
            ritz = nearest_to(pencil, self._near, self._near, self._count, generator)
        if ritz is None or not len(ritz.values):
            return None
        other = Pencil.of(between, pencil.basis, self._units)
        sizes = other.sizes(np.maximum(np.abs(ritz.values), ritz.scale), ritz.columns)
        with np.errstate(invalid="ignore", divide="ignore"):
            residuals = other.residuals(ritz.values, ritz.columns) / sizes
        residuals = np.where(np.isfinite(residuals), residuals, math.inf)
        return Found(ritz, pencil.basis.layer, pencil.system, residuals)

    def _require_enough(self, found: Found) -> None:
        """Raises `ValueError` where there are fewer values than are wanted, all of them known well."""
        most = len(found.ritz.values)
        if most >= self._count or np.max(found.residuals) >= _SHOWN:
            return
        # Periodic features of a narrow band are few different functions.
        domain = self._problem.domain
        scaled = (points_of_norms(domain) - domain.center) / domain.half_sides
        sizes = np.linalg.svd(found.layer(scaled), compute_uv=False)
        if self.outputs * int(np.sum(sizes > _RESOLVED * sizes[0])) > _MANY * most:
            raise ValueError(f"count is {self._count}, and the problem has {most} eigenvalues; ask for at most {most}")

    def _generator(self, draw: int) -> np.random.Generator:
        return np.random.default_rng([*self._seed, draw, self._count])
