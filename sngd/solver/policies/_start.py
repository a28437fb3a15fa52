"""Where a run starts: initial parameters that suit the equation, and others after a run that led nowhere."""

import dataclasses
import functools
import math
from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray

from sngd._arrays import flattened, on_device
from sngd.linearize import AbstractObjective
from sngd.networks import MLP
from sngd.solver._run import AbstractStart, Beginning
from sngd.solver._scales import TYPICAL_FREQUENCY, size_of
from sngd.solver._step import residual_and_factor
from sngd.solver.policies._frequencies import Frequencies, FrequencyChoice


@dataclasses.dataclass(frozen=True)
class NamedStart(AbstractStart):
    """The start of an `MLP` that is named by its architecture: drawn at random, with frequencies that suit the
    equation.

    - `make`: makes the network from a key and frequencies. `axes`: how many frequencies there are.
    - `fast`: whether to take the fastest that suit. `unit`: the power of ten of the solution's size.
    - `choice`: chooses the frequencies.
    """

    make: Callable[[PRNGKeyArray, Frequencies], MLP]
    axes: int
    fast: bool
    unit: float
    choice: FrequencyChoice

    def first(self, objective: AbstractObjective, theta: Float[Array, " p"], key: PRNGKeyArray) -> Beginning:
        del theta
        frequencies, score = self._suitable(objective, key)
        # Where nothing suits, the frequencies that leave least say nothing of those of the solution.
        suits = score <= self.choice.poor + 2 * math.log10(self.unit)
        typical = self._made(key, frequencies if suits else (TYPICAL_FREQUENCY,) * self.axes)
        size = size_of(objective, typical, functools.partial(_times, objective))
        return Beginning(self._made(key, frequencies), score, size)

    def again(self, objective: AbstractObjective, reached: Float[Array, " p"], key: PRNGKeyArray) -> Float[Array, " p"]:
        del reached
        return self._made(key, self._suitable(objective, key)[0])

    def _made(self, key: PRNGKeyArray, frequencies: Frequencies) -> Float[Array, " p"]:
        return flattened(self.make(key, frequencies))

    def _suitable(self, objective: AbstractObjective, key: PRNGKeyArray) -> tuple[Frequencies, float]:
        make = functools.partial(self._made, key)
        found, score = suitable_frequencies(
            self.choice, objective, make, self.axes, fast=self.fast, unit=self.unit, key=key
        )
        assert found is not None
        return found, score


def _times(objective: AbstractObjective, theta: Float[Array, " p"], factor: float) -> Float[Array, " p"]:
    """The parameters of the multiple of an `MLP` by this factor."""
    last = lambda network: (network.weights[-1], network.biases[-1])
    network = objective.trial.network(theta)
    return flattened(eqx.tree_at(last, network, [factor * np.asarray(part) for part in last(network)]))


@dataclasses.dataclass(frozen=True)
class GivenStart(AbstractStart):
    """The start of a network that is given as an object, whose parameters are kept where they may be of use.

    The first attempt keeps them, unless every `MLP` within the network is untrained and other frequencies are clearly
    better; then these networks are made again with those frequencies.

    Another attempt draws anew what the attempt before has trained: every `MLP` within the network, and the entries of
    every other matrix from the entries that the matrix was given with. Vectors and scalars are kept.

    - `network`: as it was given. `axes`, `fast`, `unit`, `choice`: as of a `NamedStart`.
    """

    network: Callable
    axes: int
    fast: bool
    unit: float
    choice: FrequencyChoice

    @property
    def can_redraw(self) -> bool:
        """Whether there is anything that another attempt could begin with."""
        parts = jax.tree.leaves(self.network, is_leaf=_is_mlp)
        return any(_is_mlp(part) or _is_matrix(part) for part in parts)

    def first(self, objective: AbstractObjective, theta: Float[Array, " p"], key: PRNGKeyArray) -> Beginning:
        parts = [part for part in jax.tree.leaves(self.network, is_leaf=_is_mlp) if _is_mlp(part)]
        if not parts or not all(part.untrained for part in parts):
            return Beginning(theta)
        make = lambda frequencies: _flat(_with_mlps(self.network, key, frequencies))
        found, score = suitable_frequencies(
            self.choice, objective, make, self.axes, fast=self.fast, unit=self.unit, key=key, given=theta
        )
        return Beginning(theta if found is None else make(found), score)

    def again(self, objective: AbstractObjective, reached: Float[Array, " p"], key: PRNGKeyArray) -> Float[Array, " p"]:
        redrawn = _with_matrices(self.network, objective.trial.network(reached), key)
        if not any(map(_is_mlp, jax.tree.leaves(redrawn, is_leaf=_is_mlp))):
            return _flat(redrawn)
        make = lambda frequencies: _flat(_with_mlps(redrawn, key, frequencies))
        found, _ = suitable_frequencies(
            self.choice, objective, make, self.axes, fast=self.fast, unit=self.unit, key=key
        )
        assert found is not None
        return make(found)


def suitable_frequencies(
    choice: FrequencyChoice,
    objective: AbstractObjective,
    make: Callable[[Frequencies], Float[Array, " p"]],
    axes: int,
    *,
    fast: bool,
    unit: float,
    key: PRNGKeyArray,
    given: Float[Array, " p"] | None = None,
) -> tuple[Frequencies | None, float]:
    """Frequencies that suit the objective, and their score.

    Where the Jacobian is kept as outer products, all axes have the same frequency, which is chosen on some of the
    points. Where the Jacobian is recomputed in blocks, or the factor of an energy is not stored, all frequencies are
    one, and the score is not a number.

    - `choice`: chooses. `make`: makes parameters from frequencies.
    - `fast`: whether to take the fastest of the frequencies that suit, where the Jacobian is kept as outer products.
    - `unit`: the power of ten of the solution's size, in which residuals are compared.
    - `given`: parameters to keep where no frequencies are clearly better; then the first result is `None`.
    """
    stored = objective.chunk is None
    if not stored:
        if not (objective.linear and objective.factors_residual):
            return (1.0,) * axes if given is None else None, math.nan
        if objective.rows > choice.rows:
            fewer = objective.on_some_points(choice.rows, key)
            objective = objective if fewer is None else fewer

    fastest = fast and not stored
    linearized = lambda theta: residual_and_factor(objective, theta, key)
    return choice.choose(linearized, make, axes, together=not stored, fastest=fastest, key=key, unit=unit, given=given)


def _is_mlp(part: Any) -> bool:
    return isinstance(part, MLP)


def _is_matrix(part: Any) -> bool:
    return eqx.is_inexact_array(part) and part.ndim == 2


def _flat(network: Callable) -> Float[Array, " p"]:
    return flattened(eqx.filter(network, eqx.is_inexact_array))


def _with_mlps(network: Callable, key: PRNGKeyArray, frequencies: Frequencies) -> Callable:
    """The network with every `MLP` in it made again; one with other inputs than the axes gets the largest frequency."""
    parts, structure = jax.tree.flatten(network, is_leaf=_is_mlp)

    def remade(number: int, part: MLP) -> MLP:
        inputs = part.widths[0]
        own = frequencies if inputs == len(frequencies) else (max(frequencies),) * inputs
        return part.remade(jax.random.fold_in(key, number), own)

    return structure.unflatten([remade(at, part) if _is_mlp(part) else part for at, part in enumerate(parts)])


def _with_matrices(network: Callable, reached: Callable, key: PRNGKeyArray) -> Callable:
    """The network with other entries in the matrices outside of its `MLP`s that differ from those of `reached`.

    A matrix that training has not changed is not a parameter, but a table of something. The entries of a column, which
    belong to one input, are drawn from that column, so that inputs keep their scales; where the matrix has entries of
    both signs, their signs are drawn too.
    """
    parts, structure = jax.tree.flatten(network, is_leaf=_is_mlp)
    trained = structure.flatten_up_to(reached)
    generator = np.random.default_rng(np.asarray(jax.random.key_data(key)))

    def redrawn(given: Array) -> Array:
        entries = generator.permuted(np.asarray(given), axis=0)
        signed = entries.min(initial=0.0) < 0 < entries.max(initial=0.0)
        return on_device(entries * generator.choice((-1.0, 1.0), entries.shape) if signed else entries)

    def part_of(given: Any, there: Any) -> Any:
        return redrawn(given) if _is_matrix(given) and not np.array_equal(given, there) else given

    return structure.unflatten([part_of(given, there) for given, there in zip(parts, trained, strict=True)])
