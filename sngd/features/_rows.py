"""The rows of a least-squares problem for the output layer: residuals of all conditions, and what each feature adds.

The compiled functions see one block of features at one block of points, always of the same shape. So candidates for a
linear equation, and windows of any length, share what is compiled: one function for each condition and activation. The
residual of a network, and its derivative at one, are compiled for each number of features.
"""

import dataclasses
import math
from collections.abc import Callable

import equinox as eqx
import jax
import numpy as np
from jaxtyping import Array, Float

from sngd._arrays import Unflatten, on_device
from sngd._compiled import compiled
from sngd.features._families import Layer
from sngd.features._network import FEATURES, FeatureSum, Network, Place
from sngd.linearize import Term, TrialFunction, residual_terms
from sngd.problem import Problem

# Points at which rows are evaluated at once.
_POINTS = 256

# A response must be so many times larger than its change where the weights of the features change in the last digit.
_RESPONDS = 1e2


@dataclasses.dataclass(frozen=True)
class Window:
    """A part of the time axis, from `start` to `end`.

    - `before`: the solution on the window before, from which this one starts; `None` for the first window.
    """

    start: float
    end: float
    before: Network | None = None

    def place(self, problem: Problem) -> Place:
        """The part of the domain in this window."""
        lower, upper = np.array(problem.domain.lower), np.array(problem.domain.upper)
        lower[_time(problem)], upper[_time(problem)] = self.start, self.end
        return Place(lower, upper)

    def moved(self, points: Float[np.ndarray, "n d"], problem: Problem) -> Float[np.ndarray, "n d"]:
        """Points of the domain, moved to the same relative times of the window."""
        axis = _time(problem)
        first, last = problem.domain.bounds[axis]
        points = points.copy()
        points[:, axis] = self.start + (points[:, axis] - first) * ((self.end - self.start) / (last - first))
        return points


@dataclasses.dataclass(frozen=True)
class Rows:
    """The conditions of a problem at points, for networks of one hidden layer.

    - `problem`: with points. `terms`: one for each condition. `place`: the box of the networks.
    - `offsets`: what is subtracted from the residual of each condition: where a window starts from the one before, the
      residual of the initial conditions for the solution there.
    """

    problem: Problem
    terms: tuple[Term, ...]
    place: Place
    offsets: tuple[Float[np.ndarray, " n"] | float, ...]

    @classmethod
    def of(cls, problem: Problem, activation: str) -> "Rows":
        """The rows of a problem with points, on the whole domain.

        Raises `TypeError` or `ValueError` for a residual that cannot be used.
        """
        place = Place(np.array(problem.domain.lower), np.array(problem.domain.upper))
        zeros = Layer(np.zeros((FEATURES, problem.domain.dimension)), np.zeros(FEATURES), activation)
        trial = _trial(problem, zeros, place)
        terms = residual_terms(problem, trial, on_device(np.zeros(problem.outputs * FEATURES)))
        return cls(problem, terms, place, (0.0,) * len(terms)).on(problem)

    def on(self, problem: Problem, window: Window | None = None) -> "Rows":
        """The same conditions on the points of `problem`, on the whole domain or in a window of time.

        - `problem`: one that differs in its points alone.
        """
        place, move = Place(np.array(problem.domain.lower), np.array(problem.domain.upper)), None
        if window is not None:
            place, move = window.place(problem), lambda points: window.moved(points, problem)
        pairs = zip(self.terms, problem.conditions, strict=True)
        terms = tuple(term.on(problem.collocation(condition, move)) for term, condition in pairs)
        found = Rows(problem, terms, place, (0.0,) * len(terms))
        if window is None or window.before is None:
            return found
        before = dataclasses.replace(found, place=window.before.place).residual(window.before)
        offsets = tuple(part if found.is_initial(at) else 0.0 for at, part in enumerate(before))
        return dataclasses.replace(found, offsets=offsets)

    def is_initial(self, number: int) -> bool:
        """Whether the condition with this number holds at the first instant alone."""
        domain = self.problem.domain
        return self.problem.conditions[number].faces(domain) == (domain.initial,)

    @property
    def count(self) -> int:
        return sum(term.rows for term in self.terms)

    @property
    def weights(self) -> tuple[float, ...]:
        """The weight that the user has given to each condition."""
        return tuple(condition.weight for condition in self.problem.conditions)

    def zero(self, layer: Layer) -> Network:
        """The function that is zero everywhere."""
        return Network(layer, np.zeros((self.problem.outputs, len(layer))), self.place)

    def jacobian(self, layer: Layer, at: Network | None = None) -> list[Float[np.ndarray, "n m q"]]:
        """What a unit change of each output weight changes in the residual, one array for each condition.

        - `at`: the network at which the residual is linearized; left out, the function that is zero everywhere.
        """
        # Each block evaluates the whole network again, so that there is one block where there is a network.
        blocks = [self._jacobian_of(part, at) for part in _blocks(layer, FEATURES if at is None else len(layer))]
        return [np.concatenate(parts, axis=2)[:, :, : len(layer)] for parts in zip(*blocks, strict=True)]

    def responds(self, layer: Layer) -> list[bool]:
        """Whether each condition responds to the features by more than rounding errors. Features that are periodic, for
        instance, meet a periodic condition whatever their coefficients are.
        """
        block = _blocks(layer, FEATURES)[0]
        signs = np.random.default_rng(0).choice((-1.0, 1.0), block.weights.shape)
        moved = dataclasses.replace(block, weights=block.weights * (1 + np.finfo(float).eps * signs))
        pairs = zip(self._jacobian_of(block, None), self._jacobian_of(moved, None), strict=True)
        # A response that is not finite counts as none; a fit of it says so.
        with np.errstate(invalid="ignore"):
            return [bool(np.linalg.norm(part) > _RESPONDS * np.linalg.norm(other - part)) for part, other in pairs]

    def responses_to_a_network(self, layer: Layer) -> list[float]:
        """The norm of what a random network of unit coefficients changes in each condition, for one feature; zero where
        these are rounding errors.
        """
        generator = np.random.default_rng(0)
        network = dataclasses.replace(
            self.zero(layer), output=generator.normal(size=(self.problem.outputs, len(layer)))
        )
        signs = generator.choice((-1.0, 1.0), layer.weights.shape)
        other = dataclasses.replace(layer, weights=layer.weights * (1 + np.finfo(float).eps * signs))
        start, there = self.residual(self.zero(layer)), self.residual(network)
        moved = self.residual(dataclasses.replace(network, layer=other))
        with np.errstate(invalid="ignore"):
            norms = [float(np.linalg.norm(end - begin)) for end, begin in zip(there, start, strict=True)]
            noise = [float(np.linalg.norm(end - near)) for end, near in zip(there, moved, strict=True)]
        size = math.sqrt(network.output.size)
        return [norm / size if norm > _RESPONDS * least else 0.0 for norm, least in zip(norms, noise, strict=True)]

    def residual(self, network: Network) -> list[Float[np.ndarray, " n"]]:
        """The residual of each condition for a network."""
        trial = _trial(self.problem, _blocks(network.layer, FEATURES)[0], self.place, network)
        theta = on_device(np.zeros(self.problem.outputs * FEATURES))
        values = [_in_blocks(term, lambda part: np.asarray(_values(part, trial, theta))) for term in self.terms]
        return [part - offset for part, offset in zip(values, self.offsets, strict=True)]

    def _jacobian_of(self, block: Layer, at: Network | None) -> list[np.ndarray]:
        trial, outputs = _trial(self.problem, block, self.place, at), self.problem.outputs
        theta = on_device(np.zeros(outputs * len(block)))
        rows = [_in_blocks(term, lambda part: np.asarray(_jacobian(part, trial, theta))) for term in self.terms]
        return [part.reshape(len(part), outputs, len(block)) for part in rows]


def _time(problem: Problem) -> int:
    return problem.domain.initial.index


def _trial(problem: Problem, block: Layer, place: Place, base: Network | None = None) -> TrialFunction:
    """The map from the output weights of a block of features to the sum of these features and a network."""
    whole = FeatureSum(
        output=on_device(np.zeros((problem.outputs, len(block)))),
        weights=on_device(block.weights),
        biases=on_device(block.biases),
        center=on_device(place.center),
        half=on_device(place.half),
        base=None if base is None else base.padded(),
        activation=block.activation,
    )
    trained, fixed = eqx.partition(whole, jax.tree.map(lambda leaf: leaf is whole.output, whole))
    parameters = {name: on_device(value) for name, value in problem.parameters.items()}
    return TrialFunction(Unflatten.of(trained), fixed, problem.domain, _itself, parameters)


def _itself(network: FeatureSum) -> FeatureSum:
    return network


def _blocks(layer: Layer, most: int) -> list[Layer]:
    """The layer in blocks of equal size, a whole number of `FEATURES`; the last one is filled up with constants.

    - `most`: features of a block, before that number is made a whole one.
    """
    size = FEATURES * -(-most // FEATURES)
    missing = -len(layer) % size
    weights, biases = np.pad(layer.weights, [(0, missing), (0, 0)]), np.pad(layer.biases, (0, missing))
    starts = range(0, len(biases), size)
    return [Layer(weights[at : at + size], biases[at : at + size], layer.activation) for at in starts]


def _in_blocks(term: Term, function: Callable[[Term], np.ndarray]) -> np.ndarray:
    """`function` of the rows of a term, block by block of points. The last point fills up the last block."""
    count = len(term.scales)
    parts = []
    for start in range(0, count, _POINTS):
        part = function(term.at(np.minimum(np.arange(start, start + _POINTS), count - 1)))
        parts.append(part[: min(_POINTS, count - start) * term.components])
    return np.concatenate(parts)


@compiled
def _jacobian(term: Term, trial: TrialFunction, theta: Float[Array, " p"]) -> Float[Array, "n p"]:
    return term.jacobian(trial, theta)


@compiled
def _values(term: Term, trial: TrialFunction, theta: Float[Array, " p"]) -> Float[Array, " n"]:
    return term.values(trial, theta)
