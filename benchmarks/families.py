"""Families of frozen features beside each other: `python -m benchmarks families`.

Sine, tanh and Gaussian units, in one, two and three hidden layers of random weights, with an output layer by least
squares. Each family takes that one of its candidates which leaves the smallest residual between the points. Writes
`results/families.md`.
"""

import dataclasses
import datetime
import itertools
import math
from collections.abc import Callable, Iterator

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import scipy.linalg
from jaxtyping import Array, Float

import sngd
from benchmarks.growth import wave_front
from benchmarks.machine import RESULTS, machine, revision
from benchmarks.table import exact_values
from sngd._arrays import Unflatten
from sngd.linearize import Term, TrialFunction, residual_terms
from sngd.problem import Problem, with_other_points

# Units of the layers before the features, points inside for each feature, and further points on each axis of a face.
_WIDTH, _OVERSAMPLING, _MORE_ON_FACES = 64, 1.7, 4

# The largest weights of the first layer, in radians per half side, and the root mean square of the arguments of the
# further layers for units of root mean square one.
_BANDWIDTHS, _GAINS, _DEPTHS = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0), (0.5, 1.0, 2.0), (1, 2, 3)

# Singular values below this part of the largest one are left out.
_CUT = 1e-15

# Points at which rows are made at once.
_AT_ONCE = 256

ACTIVATIONS: dict[str, Callable[[Array], Array]] = {
    "sin": jnp.sin,
    "tanh": jnp.tanh,
    "Gaussian": lambda z: jnp.exp(-(z**2)),
}

ROWS: tuple[tuple[str, Callable[[], Problem], int], ...] = (
    ("poisson-a", sngd.library.poisson_a, 512),
    ("helmholtz-a", sngd.library.helmholtz_a, 512),
    ("heat-a", sngd.library.heat_a, 512),
    ("wave-front-20", lambda: wave_front(20.0), 512),
    ("wave-front-20", lambda: wave_front(20.0), 2048),
    ("regression", sngd.library.regression, 512),
    ("regression", sngd.library.regression, 1500),
)
"""A problem, and the number of features."""


class RandomLayers(eqx.Module):
    """A network whose hidden layers stay as they are drawn: `output @ a(W_k ... a(W_1 s(x) + b_1) ... + b_k)`.

    - `output`: shape `(q,)`. `weights`, `biases`: of the hidden layers. `center`, `half`: of the box.
    """

    output: Array
    weights: tuple[Array, ...]
    biases: tuple[Array, ...]
    center: Array
    half: Array
    activation: str = eqx.field(static=True)

    def __call__(self, x: Float[Array, " d"]) -> Array:
        return self.output @ self.features(x)

    def features(self, x: Float[Array, " d"]) -> Float[Array, " q"]:
        found = (x - self.center) / self.half
        for weights, biases in zip(self.weights, self.biases, strict=True):
            found = ACTIVATIONS[self.activation](weights @ found + biases)
        return found


@dataclasses.dataclass(frozen=True)
class Candidate:
    """Hidden layers to be drawn. `count`: of the features. `bandwidth`, `gain`: see `_BANDWIDTHS` and `_GAINS`."""

    count: int
    activation: str
    depth: int
    bandwidth: float
    gain: float

    def drawn(self, problem: Problem) -> RandomLayers:
        """Hidden layers from seed 0, with an output layer of zeros."""
        generator, domain = np.random.default_rng(0), problem.domain
        widths = [domain.dimension, *[_WIDTH] * (self.depth - 1), self.count]
        weights, biases = [], []
        for layer, (inputs, units) in enumerate(itertools.pairwise(widths)):
            bound = self.gain * math.sqrt(3 / inputs) if layer else self.bandwidth
            each = generator.uniform(-bound, bound, (units, inputs))
            if self.activation == "sin":
                shifts = generator.uniform(0.0, 2 * np.pi, units)
            elif layer:
                shifts = generator.uniform(-self.gain, self.gain, units)
            else:
                shifts = -np.sum(each * generator.uniform(-1.0, 1.0, (units, inputs)), axis=1)
            weights.append(jnp.asarray(each))
            biases.append(jnp.asarray(shifts))
        center, half = jnp.asarray(domain.center), jnp.asarray(domain.half_sides)
        return RandomLayers(jnp.zeros(self.count), tuple(weights), tuple(biases), center, half, self.activation)


@jax.jit
def rows_of(term: Term, trial: TrialFunction, theta: Array) -> tuple[Array, Array]:
    """The derivative of the rows of a term by the weights of the output layer, and the rows."""
    return term.jacobian(trial, theta), term.values(trial, theta)


@jax.jit
def values_of(network: RandomLayers, points: Float[Array, "n d"]) -> Float[Array, "n q"]:
    """The features at points."""
    return jax.vmap(network.features)(points)


def itself(network: RandomLayers) -> RandomLayers:
    """The network, which is a function of one point already."""
    return network


def system(problem: Problem, network: RandomLayers) -> list[tuple[np.ndarray, np.ndarray]]:
    """For each condition the matrix of the features and the residual of the zero function."""
    chosen = jax.tree.map(lambda leaf: leaf is network.output, network)
    trained, fixed = eqx.partition(network, chosen)
    trial, theta = TrialFunction(Unflatten.of(trained), fixed, problem.domain, itself), network.output
    found = []
    for term in residual_terms(problem, trial, theta):
        count, parts = len(term.scales), []
        for start in range(0, count, _AT_ONCE):
            # The last point fills up the last block.
            block = term.at(np.minimum(np.arange(start, start + _AT_ONCE), count - 1))
            kept = min(_AT_ONCE, count - start) * term.components
            parts.append([np.asarray(part)[:kept] for part in rows_of(block, trial, theta)])
        matrices, rests = zip(*parts, strict=True)
        found.append((np.concatenate(matrices), np.concatenate(rests)))
    return found


def measured(problem: Problem, candidate: Candidate, points: np.ndarray) -> tuple[float, float]:
    """The residual between the points that a candidate leaves, and the relative L2 error at some points."""
    network = candidate.drawn(problem)
    between = with_other_points(problem, lambda rule: rule.staggered())
    own, other = (system(each, network) for each in (problem, between))
    units = [np.sqrt(np.mean(np.sum(matrix**2, axis=0))) for matrix, _ in own]
    left, right = ([part / unit for part, unit in zip(parts, units, strict=True)] for parts in zip(*own, strict=True))
    found = scipy.linalg.lstsq(np.concatenate(left), -np.concatenate(right), cond=_CUT, check_finite=False)
    assert found is not None
    solved = found[0]
    rest = [(matrix @ solved + part) / unit for (matrix, part), unit in zip(other, units, strict=True)]
    exact = exact_values(problem.exact_solution, points)
    error = np.asarray(values_of(network, jnp.asarray(points))) @ solved - exact
    return float(np.linalg.norm(np.concatenate(rest))), float(np.linalg.norm(error) / np.linalg.norm(exact))


def candidates(count: int, activation: str, depth: int) -> Iterator[Candidate]:
    """The candidates of a family."""
    for bandwidth, gain in itertools.product(_BANDWIDTHS, _GAINS if depth > 1 else (1.0,)):
        yield Candidate(count, activation, depth, bandwidth, gain)


def main() -> None:
    jax.config.update("jax_enable_x64", True)
    families = list(itertools.product(ACTIVATIONS, _DEPTHS))
    lines = [
        "| problem | features | " + " | ".join(f"{activation}, {depth}" for activation, depth in families) + " |",
        "|---" * (2 + len(families)) + "|",
    ]
    for name, make, count in ROWS:
        problem, cells = make(), []
        if problem.quadrature is None:
            points = math.ceil(math.sqrt(_OVERSAMPLING * count))
            inside, faces = sngd.GaussLegendre(points), sngd.GaussLegendre(points + _MORE_ON_FACES)
            problem = dataclasses.replace(problem, quadrature=inside, boundary_quadrature=faces)
        for family in families:
            found = [(*measured(problem, each, problem.domain.grid(101)), each) for each in candidates(count, *family)]
            _, error, best = min(found, key=lambda each: each[0])
            cells.append(f"{error:.1e} ({best.bandwidth:g}{f', {best.gain:g}' if best.depth > 1 else ''})")
            print(f"{name}, {count} features, {family[0]}, {family[1]}: {cells[-1]}", flush=True)
        lines.append(f"| {name} | {count} | " + " | ".join(cells) + " |")
    place = machine()
    lines += [
        "",
        f"Relative L2 errors by activation and number of hidden layers; those before the last one have {_WIDTH} units. "
        "In parentheses: the bandwidth of the first layer, and the gain of the further ones.",
        "",
        f"`python -m benchmarks families`, {place['processor']}, {place['versions']}; commit "
        f"{revision()['commit'][:7]}; seed 0; {datetime.date.today().isoformat()}.",
    ]
    (RESULTS / "families.md").write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
