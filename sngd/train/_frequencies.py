"""How finely a network should oscillate at the start, from the linearized problem.

Near its initial parameters a network is a linear model whose features are the columns of the Jacobian. If a small
change of the parameters solves the linearized problem, and solves it between the points too, the features suit the
solution: training is then nearly linear, and converges in tens of steps. Features that oscillate too slowly need
enormous changes; features that oscillate too fast fit the points only. So candidates are compared by the residual
that a least-squares fit to some rows leaves on the others, for several bounds on the change.
"""

import itertools
from collections.abc import Callable

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray

from sngd.sketch import dense_svd

# Rows to fit and rows to check, at most.
_FITTED, _CHECKED = 672, 672

# Bounds on the root mean square of the change of a parameter; the parameters themselves are of the order of one.
_BOUNDS = (0.1, 0.3, 1.0, 3.0)

# Residuals below this, relative to the smallest one seen at the start, count as equally good.
_FLOOR = -12.0

# Doublings without improvement after which the search ends, and the largest frequency tried.
_PATIENCE, _LARGEST = 2, 64.0


Linearize = Callable[[Float[Array, " p"]], tuple[Float[Array, " n"], Float[Array, "n p"]]]
Frequencies = tuple[float, ...]
Parameters = Callable[[Frequencies], Float[Array, " p"]]


class _Candidates:
    """Scores of frequency vectors, each computed once."""

    def __init__(self, linearize: Linearize, parameters: Parameters, key: PRNGKeyArray):
        self._linearize, self._parameters, self._key = linearize, parameters, key
        self._scores: dict[Frequencies, float] = {}

    def score(self, frequencies: Frequencies) -> float:
        if frequencies not in self._scores:
            residuals = _left_over(*self._linearize(self._parameters(frequencies)), self._key)
            logarithms = np.log10(np.nan_to_num(np.asarray(residuals), nan=np.inf, posinf=1e300) + 1e-300)
            self._scores[frequencies] = float(np.mean(np.maximum(logarithms, _FLOOR)))
        return self._scores[frequencies]


def choose_frequencies(linearize: Linearize, parameters: Parameters, axes: int, *, key: PRNGKeyArray) -> Frequencies:
    """The frequencies with the best score on a path of doublings from one, for one axis or several at a time.

    - `linearize`: maps a parameter vector, shape `(p,)`, to the residual, `(n,)`, and its Jacobian, `(n, p)`.
    - `parameters`: maps frequencies to a parameter vector.
    """
    candidates = _Candidates(linearize, parameters, key)
    best = here = (1.0,) * axes
    stale = 0
    while stale < _PATIENCE:
        doublings = [factors for factors in itertools.product((1.0, 2.0), repeat=axes) if max(factors) > 1]
        moves = [tuple(f * g for f, g in zip(here, factors, strict=True)) for factors in doublings]
        moves = [move for move in moves if max(move) <= _LARGEST]
        if not moves:
            break
        here = min(moves, key=candidates.score)
        improved = candidates.score(here) < candidates.score(best) - 0.05
        best, stale = (here, 0) if improved else (best, stale + 1)
    return best


@eqx.filter_jit
def _left_over(
    residual: Float[Array, " n"], jacobian: Float[Array, "n p"], key: PRNGKeyArray
) -> Float[Array, " bounds"]:
    """The squared residual left on the checked rows by changes within each of the bounds."""
    rows = len(residual)
    fitted = min(_FITTED, 2 * rows // 3)
    order = jax.random.permutation(key, rows)
    fit, check = order[:fitted], order[fitted : fitted + _CHECKED]
    svd = dense_svd(jacobian[fit])
    values = svd.singular_values[:, None]
    damping = (values[0] * 10.0 ** -jnp.arange(0, 16.5, 0.5)) ** 2
    coefficients = values / (values**2 + damping) * (svd.left.T @ residual[fit])[:, None]
    changes = -jax.vmap(svd.right_matmul, in_axes=1, out_axes=1)(coefficients)
    sizes = jnp.sqrt(jnp.mean(changes**2, axis=0))
    left = jnp.sum((residual[check][:, None] + jacobian[check] @ changes) ** 2, axis=0)
    return jnp.stack([jnp.min(jnp.where(sizes <= bound, left, jnp.inf)) for bound in _BOUNDS])
