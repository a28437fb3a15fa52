"""Objectives: a loss over a flat parameter vector, and its linearization."""

import abc
import dataclasses
import math
from collections.abc import Callable

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from sngd.linearize._factor import AbstractFactor, ChunkedFactor, DenseFactor
from sngd.linearize._terms import Term, make_term
from sngd.linearize._trial import TrialFunction, split_network
from sngd.problem import AbstractCondition, AbstractProblem, Energy, Field, Problem

# Points whose values are computed at once. Activations of the widest network in use (five layers of 520, four Taylor
# components) take about 0.1 MB a point, so this bounds them to about 0.2 GB.
_VALUE_CHUNK = 2048


class Linearization(eqx.Module):
    """What a descent sees of the loss at one parameter vector.

    - `value`: the loss.
    - `gradient`: shape `(p,)`.
    - `factor`: `F`, of shape `(n, p)`, with the Gramian `G = F.T @ F`. For least squares it is the Jacobian.
    - `residual`: shape `(n,)` with `gradient = F.T @ residual`; `None` for an energy, which has no such form.
    """

    value: Float[Array, ""]
    gradient: Float[Array, " p"]
    factor: AbstractFactor
    residual: Float[Array, " n"] | None


class AbstractObjective(eqx.Module):
    """A loss over parameter vectors `theta` of shape `(p,)`."""

    trial: eqx.AbstractVar[TrialFunction]
    factor_terms: eqx.AbstractVar[tuple[Term, ...]]
    chunk: eqx.AbstractVar[int | None]

    @property
    @abc.abstractmethod
    def lower_bound(self) -> float:
        """What the loss cannot fall below."""

    @property
    @abc.abstractmethod
    def value_terms(self) -> tuple[Term, ...]:
        """The terms whose values make the loss."""

    @abc.abstractmethod
    def value(self, theta: Float[Array, " p"]) -> Float[Array, ""]:
        """The loss."""

    @abc.abstractmethod
    def linearize(self, theta: Float[Array, " p"]) -> Linearization:
        """The loss, its gradient and the factor of its Gramian."""

    @property
    def rows(self) -> int:
        """The number of rows of the factor."""
        return sum(term.rows for term in self.factor_terms)

    def factor(self, theta: Float[Array, " p"]) -> AbstractFactor:
        """The factor of the Gramian, stored where `chunk` is `None`."""
        if self.chunk is None:
            return DenseFactor(jnp.concatenate([term.jacobian(self.trial, theta) for term in self.factor_terms]))
        return ChunkedFactor(self.trial, theta, self.factor_terms, self.chunk)


class LeastSquares(AbstractObjective):
    """`||r(theta)||^2 / 2`, with the square roots of the weights already in `r`."""

    trial: TrialFunction
    factor_terms: tuple[Term, ...]
    chunk: int | None = eqx.field(static=True)

    @property
    def lower_bound(self) -> float:
        return 0.0

    @property
    def value_terms(self) -> tuple[Term, ...]:
        return self.factor_terms

    def residual(self, theta: Float[Array, " p"]) -> Float[Array, " n"]:
        """The weighted residuals of all conditions, one after the other."""
        parts = [_by_blocks(term, lambda block: block.values(self.trial, theta)) for term in self.factor_terms]
        return jnp.concatenate(parts)

    def value(self, theta: Float[Array, " p"]) -> Float[Array, ""]:
        return jnp.sum(self.residual(theta) ** 2) / 2

    def linearize(self, theta: Float[Array, " p"]) -> Linearization:
        residual, factor = self.residual(theta), self.factor(theta)
        gradient = factor.rmatmul(residual[:, None])[:, 0]
        return Linearization(jnp.sum(residual**2) / 2, gradient, factor, residual)


class EnergyObjective(AbstractObjective):
    """A quadrature of an energy density; its Gramian is the quadrature of the metric."""

    trial: TrialFunction
    density_term: Term
    factor_terms: tuple[Term, ...]
    chunk: int | None = eqx.field(static=True)

    @property
    def lower_bound(self) -> float:
        return -math.inf

    @property
    def value_terms(self) -> tuple[Term, ...]:
        return (self.density_term,)

    def value(self, theta: Float[Array, " p"]) -> Float[Array, ""]:
        return jnp.sum(_by_blocks(self.density_term, lambda block: block.values(self.trial, theta)))

    def linearize(self, theta: Float[Array, " p"]) -> Linearization:
        value, gradient = jax.value_and_grad(self.value)(theta)
        return Linearization(value, gradient, self.factor(theta), None)


def make_objective(
    problem: AbstractProblem, network: Callable, *, dense_bytes: int = 2**30, chunk_bytes: int = 2**28
) -> tuple[AbstractObjective, Float[Array, " p"]]:
    """The objective of `problem` for `network`, and the network's present parameter vector.

    The factor is stored where it takes at most `dense_bytes`; else blocks of rows of at most `chunk_bytes` (one point
    at least) are recomputed. Nothing is compiled.

    Raises `TypeError` or `ValueError` for a network or a residual that cannot be used; the message says why.
    """
    trial, theta = split_network(network, problem.domain)
    _check_outputs(problem, trial, theta)
    match problem:
        case Problem():
            terms = tuple(_condition_term(problem, condition, trial, theta) for condition in problem.conditions)
            return LeastSquares(trial, terms, _chunk(terms, len(theta), dense_bytes, chunk_bytes)), theta
        case Energy():
            density, metric = _energy_terms(problem, trial, theta)
            chunk = _chunk((metric,), len(theta), dense_bytes, chunk_bytes)
            return EnergyObjective(trial=trial, density_term=density, factor_terms=(metric,), chunk=chunk), theta
        case _:
            raise TypeError(f"problem is {problem!r}; it must be a Problem or an Energy")


def _chunk(terms: tuple[Term, ...], parameters: int, dense_bytes: int, chunk_bytes: int) -> int | None:
    """Points a block, or `None` where the whole factor may be stored."""
    row_bytes = 8 * parameters
    if sum(term.rows for term in terms) * row_bytes <= dense_bytes:
        return None
    return max(1, chunk_bytes // (row_bytes * max(term.components for term in terms)))


def _by_blocks(term: Term, function: Callable[[Term], Array]) -> Array:
    if len(term.scales) <= _VALUE_CHUNK:
        return function(term)
    return jax.lax.map(function, term.blocks(_VALUE_CHUNK)).ravel()[: term.rows]


@dataclasses.dataclass(frozen=True)
class _ConditionFunction:
    """A condition as the function of a term. Equal for equal conditions, so that compiled code is found again."""

    condition: AbstractCondition

    def __call__(self, u: Field, v: Field, x: Array, normal: Array) -> Array:
        return self.condition.residual(v, x, normal)


@dataclasses.dataclass(frozen=True)
class _DensityFunction:
    """The density of an energy as the function of a term."""

    problem: Energy

    def __call__(self, u: Field, v: Field, x: Array, normal: Array) -> Array:
        return self.problem.density(v, x)


@dataclasses.dataclass(frozen=True)
class _MetricFunction:
    """The metric of an energy as the function of a term."""

    problem: Energy

    def __call__(self, u: Field, v: Field, x: Array, normal: Array) -> Array:
        return self.problem.metric(u, v, x)


def _condition_term(problem: Problem, condition: AbstractCondition, trial: TrialFunction, theta: Array) -> Term:
    collocation = problem.collocation(condition)
    function = _ConditionFunction(condition)
    return make_term(function, condition.label, collocation, np.sqrt(collocation.weights), trial, theta)


def _energy_terms(problem: Energy, trial: TrialFunction, theta: Array) -> tuple[Term, Term]:
    collocation = problem.interior()
    density = make_term(_DensityFunction(problem), "density", collocation, collocation.weights, trial, theta)
    metric = make_term(_MetricFunction(problem), "metric", collocation, np.sqrt(collocation.weights), trial, theta)
    if density.components != 1:
        raise ValueError(f"density returns {density.components} numbers at one point; it must return one")
    return density, metric


def _check_outputs(problem: AbstractProblem, trial: TrialFunction, theta: Array) -> None:
    point = jax.ShapeDtypeStruct((problem.domain.dimension,), theta.dtype)
    shape = jax.eval_shape(lambda t, x: trial.field(t)(x), theta, point).shape
    expected = () if problem.outputs == 1 else (problem.outputs,)
    if shape != expected:
        raise ValueError(
            f"network returns shape {shape} at one point; this problem has outputs={problem.outputs}, so it must "
            f"return shape {expected}"
        )
