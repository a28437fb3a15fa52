"""How finely a network should oscillate at the start, from the linearized problem.

Near its initial parameters a network is a linear model whose features are the columns of the Jacobian. If a small
change of the parameters solves the linearized problem, and solves it between the points too, the features suit the
solution: training is then nearly linear, and converges in tens of steps. Features that oscillate too slowly need
enormous changes; features that oscillate too fast fit the points only. So candidates are compared by their
cross-validation residual: what a least-squares fit to some rows leaves on the others, for several bounds on the change.
"""

import dataclasses
import itertools
import math
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, PRNGKeyArray

from sngd._arguments import require_integer, require_number
from sngd._compiled import compiled
from sngd.linearize import AbstractFactor

Linearize = Callable[[Float[Array, " p"]], tuple[Float[Array, " n"], AbstractFactor]]
Frequencies = tuple[float, ...]
Parameters = Callable[[Frequencies], Float[Array, " p"]]


@dataclasses.dataclass(frozen=True)
class FrequencyChoice:
    """Chooses the frequencies of an initial network by their scores.

    A score is the mean logarithm, to base ten, of the squared cross-validation residual for each of the bounds.

    - `fitted`, `checked`: rows to fit and rows to check, at most.
    - `bounds`: on the norm of the change of the parameters, whose own norm is between ten and some hundreds.
    - `floor`: logarithms of squared residuals below this one, in units of the solution's size, count as equally good.
    - `patience`: doublings without improvement after which the search ends. `improvement`: by how much a score must
      fall to count as one. Scores fall slowly at first where a solution oscillates, and steeply once features follow
      it.
    - `largest`: the largest frequency that is tried.
    - `poor`: a score above this is poor: a squared residual of more than a hundredth is left.
    - `faster`: from one candidate to the next among those that are equally good.
    - `clearly`: by which part of itself a score must be lower for parameters that were given to be replaced. Scores of
      other keys at the same frequencies scatter by about as much: by 0.02 near -0.2, by 0.4 to 0.8 near -5 and near -10
      (six keys each on the transport equation, the heat equation, Poisson's and the boundary value problem, November
      2026).
    """

    fitted: int = 672
    checked: int = 672
    bounds: tuple[float, ...] = (3.0, 10.0, 30.0, 100.0)
    floor: float = -12.0
    patience: int = 2
    improvement: float = 0.01
    largest: float = 64.0
    poor: float = -2.0
    faster: float = 1.3
    clearly: float = 0.1

    def __post_init__(self):
        for name in ("fitted", "checked", "patience"):
            require_integer(name, getattr(self, name), least=1)
        for name, least in (("faster", 1.0), ("largest", 1.0), ("improvement", 0.0), ("clearly", 0.0)):
            require_number(name, getattr(self, name))
            if not getattr(self, name) > least:
                raise ValueError(f"{name} is {getattr(self, name)}; it must be greater than {least:g}")
        if not self.bounds or not all(bound > 0 for bound in self.bounds):
            raise ValueError(f"bounds is {self.bounds!r}; give one or more positive numbers")

    @property
    def rows(self) -> int:
        """Rows of the residual that are looked at, at most."""
        return self.fitted + self.checked

    def choose(
        self,
        linearize: Linearize,
        parameters: Parameters,
        axes: int,
        *,
        together: bool,
        fastest: bool,
        key: PRNGKeyArray,
        unit: float = 1.0,
        given: Float[Array, " p"] | None = None,
    ) -> tuple[Frequencies | None, float]:
        """The frequencies with the best score, and that score in the units of the residual. The score is minus infinity
        if it is at `floor`.

        The search begins with frequency one on every axis, and doubles the frequency of one or several axes at a time.
        It keeps the best candidate. With `fastest`, it then multiplies all frequencies by `faster` as long as the score
        stays at `floor`.

        If the best score is poor and the axes may differ, the search also tries frequencies above one on a single axis.
        From the best candidate it doubles or halves one frequency at a time. This helps for solutions along a
        characteristic, where frequencies that suit are rare and the scores around them are flat.

        - `linearize`: maps a parameter vector, shape `(p,)`, to the residual, `(n,)`, and its factor, the Jacobian.
        - `parameters`: maps frequencies to a parameter vector.
        - `together`: whether to double all axes at a time only, which takes fewer linearizations.
        - `fastest`: whether to go on to faster ones, all axes at a time, as long as they are equally good.
        - `unit`: the power of ten of the solution's size, in which residuals are scored.
        - `given`: a parameter vector to keep where no frequencies are clearly better; then the result is `None` and its
          score.
        """
        scores = _Scores(self, linearize, parameters, unit, key)
        kept = math.inf if given is None else scores.of_parameters(given)
        best = None
        if kept > self.floor:
            best = self._best(scores, axes, together=together, fastest=fastest)
        score = kept if best is None else scores(best)
        if given is not None and score >= kept - self.clearly * abs(kept):
            best, score = None, kept
        return best, score + 2 * math.log10(unit) if score > self.floor else -math.inf

    def fastest_of(self, score: Callable[[Frequencies], float], best: Frequencies) -> Frequencies:
        """The fastest multiple of `best` by powers of `faster` up to which all scores stay at `floor`."""
        while self.faster * max(best) <= self.largest:
            faster = tuple(self.faster * frequency for frequency in best)
            if score(faster) > self.floor:
                break
            best = faster
        return best

    def _best(self, scores: "_Scores", axes: int, *, together: bool, fastest: bool) -> Frequencies:
        best = self._on_doublings(scores, axes, together)
        if fastest:
            best = self.fastest_of(scores, best)
        if scores(best) <= self.poor or together or axes == 1:
            return best
        doublings = [2.0**k for k in range(1, int(math.log2(self.largest)) + 1)]
        alone = [tuple(f if axis == at else 1.0 for axis in range(axes)) for at in range(axes) for f in doublings]
        return self._descend(scores, min([best, *alone], key=scores))

    def _on_doublings(self, scores: "_Scores", axes: int, together: bool) -> Frequencies:
        """The best candidate on a path that begins at one. Each candidate is the best of all doublings of the one
        before.
        """
        best = here = (1.0,) * axes
        stale = 0
        choices = [(2.0,) * axes] if together else itertools.product((1.0, 2.0), repeat=axes)
        doublings = [factors for factors in choices if max(factors) > 1]
        while stale < self.patience and scores(best) > self.floor:
            moves = [tuple(f * g for f, g in zip(here, factors, strict=True)) for factors in doublings]
            moves = [move for move in moves if max(move) <= self.largest]
            if not moves:
                break
            here = min(moves, key=scores)
            improved = scores(here) < scores(best) - self.improvement
            best, stale = (here, 0) if improved else (best, stale + 1)
        return best

    def _descend(self, scores: "_Scores", best: Frequencies) -> Frequencies:
        """From `best`, double or halve one frequency at a time while that improves the score."""
        while True:
            moves = [(*best[:at], best[at] * by, *best[at + 1 :]) for at in range(len(best)) for by in (0.5, 2.0)]
            moves = [move for move in moves if min(move) >= 1 and max(move) <= self.largest]
            move = min(moves, key=scores)
            if scores(move) >= scores(best) - self.improvement:
                return best
            best = move


class _Scores:
    """Scores of frequency vectors, each computed once."""

    def __init__(
        self, choice: FrequencyChoice, linearize: Linearize, parameters: Parameters, unit: float, key: PRNGKeyArray
    ):
        self._choice, self._linearize, self._parameters, self._unit = choice, linearize, parameters, unit
        self._seed = np.asarray(jax.random.key_data(key))
        self._found: dict[Frequencies, float] = {}

    def __call__(self, frequencies: Frequencies) -> float:
        if frequencies not in self._found:
            self._found[frequencies] = self.of_parameters(self._parameters(frequencies))
        return self._found[frequencies]

    def of_parameters(self, theta: Float[Array, " p"]) -> float:
        """The score of a parameter vector, whatever its frequencies."""
        choice, (residual, factor) = self._choice, self._linearize(theta)
        # Drawn by NumPy: JAX would compile the draw, for half a second.
        order = np.random.default_rng(self._seed).permutation(len(residual))[: choice.rows]
        residuals = _cross_validation_residuals(residual, factor, order, choice.fitted, choice.bounds)
        logarithms = np.log10(np.nan_to_num(np.asarray(residuals), nan=np.inf, posinf=1e300) + 1e-300)
        logarithms -= 2 * np.log10(self._unit)
        return float(np.mean(np.maximum(logarithms, choice.floor)))


@compiled
def _cross_validation_residuals(
    residual: Float[Array, " n"],
    factor: AbstractFactor,
    order: Int[Array | np.ndarray, " m"],
    at_most: int,
    bounds: tuple[float, ...],
) -> Float[Array, " bounds"]:
    """The squared residual left on the checked rows by changes within each of the bounds.

    - `order`: rows in a random order, of which the first are fitted and the others checked.
    - `at_most`: how many rows are fitted at most.

    A change that fits some rows `F_1` with the damping `lambda` is `-F_1^T a` with `a = (F_1 F_1^T + lambda)^-1 r_1`.
    """
    fitted = max(1, min(at_most, 2 * len(residual) // 3))
    kernel, residual = factor.kernel_of(jnp.asarray(order)), residual[order]
    values, vectors = jnp.linalg.eigh(kernel[:fitted, :fitted])
    values = jnp.maximum(values, 0.0)[:, None]
    damping = values[-1] * 10.0 ** -jnp.arange(0, 16.5, 0.5)
    coordinates = (vectors.T @ residual[:fitted])[:, None] / (values + damping)
    sizes = jnp.sqrt(jnp.sum(values * coordinates**2, axis=0))
    left = jnp.sum((residual[fitted:, None] - kernel[fitted:, :fitted] @ (vectors @ coordinates)) ** 2, axis=0)
    return jnp.stack([jnp.min(jnp.where(sizes <= bound, left, jnp.inf)) for bound in bounds])
