"""The objective of least squares: the residuals of the conditions of a problem."""

import dataclasses
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh
from jaxtyping import Array, Float, PRNGKeyArray

from sngd.linearize._layered import LayeredFactor
from sngd.linearize._objective import AbstractObjective, Linearization, LossDifference
from sngd.linearize._storage import Limits, storage_of
from sngd.linearize._terms import Term, Values, make_term
from sngd.linearize._trial import TrialFunction
from sngd.problem import AbstractCondition, Field, Problem, real_parts


class LeastSquares(AbstractObjective):
    """The loss `||r(theta)||^2 / 2`. The residual `r` includes the square roots of the weights."""

    trial: TrialFunction
    factor_terms: tuple[Term, ...]
    chunk: int | None = eqx.field(static=True)
    linear: frozenset[int] = eqx.field(static=True)
    limits: Limits = eqx.field(static=True)
    mesh: Mesh | None = eqx.field(static=True)

    @property
    def lower_bound(self) -> float:
        return 0.0

    @property
    def factors_residual(self) -> bool:
        return True

    @property
    def value_terms(self) -> tuple[Term, ...]:
        return self.factor_terms

    @property
    def residual_terms(self) -> tuple[Term, ...]:
        return self.factor_terms

    def value(self, theta: Float[Array, " p"]) -> Float[Array, ""]:
        return jnp.sum(self.residual(theta) ** 2) / 2

    def loss_along(self, theta: Float[Array, " p"], value: Float[Array, ""]) -> LossDifference:
        return LossDifference(lambda update: self.value(theta + update), value, jnp.zeros_like(value))

    def optimality_gap(self, value: Float[Array, ""], predicted: Float[Array, ""]) -> Float[Array, ""]:
        """The loss itself, because the minimum is zero if the network can fit the equation."""
        return value

    def first_order(self, theta: Float[Array, " p"]) -> tuple[Float[Array, " n"], None]:
        return self.residual(theta), None

    def linearize(self, theta: Float[Array, " p"]) -> Linearization:
        factor = self.factor(theta)
        residual = factor.values if isinstance(factor, LayeredFactor) else self.residual(theta)
        return Linearization(jnp.sum(residual**2) / 2, factor, residual)

    def on_some_points(self, rows: int, key: PRNGKeyArray) -> "LeastSquares":
        terms = tuple(
            term.sample(max(1, rows * len(term.scales) // self.rows), jax.random.fold_in(key, at))
            for at, term in enumerate(self.factor_terms)
        )
        return dataclasses.replace(self, factor_terms=terms)


def least_squares(
    problem: Problem, trial: TrialFunction, theta: Array, limits: Limits, mesh: Mesh | None
) -> LeastSquares:
    """The objective of a least-squares problem that has points."""
    terms = residual_terms(problem, trial, theta)
    chunk, linear = storage_of(terms, trial, theta, limits)
    return LeastSquares(trial=trial, factor_terms=terms, chunk=chunk, linear=linear, limits=limits, mesh=mesh)


def residual_terms(problem: Problem, trial: TrialFunction, theta: Float[Array, " p"]) -> tuple[Term, ...]:
    """The rows of each condition of a problem with points.

    Raises `TypeError` or `ValueError` for a residual that cannot be used.
    """
    return tuple(condition_term(problem, condition, trial, theta) for condition in problem.conditions)


@dataclasses.dataclass(frozen=True)
class _ConditionFunction:
    """A condition as the function of a term. Equal conditions give equal objects, so that compiled code is reused.

    - `condition`: what a condition has as `traced`. `within`: the region whose unknown functions it takes.
    """

    condition: Any
    within: str = ""

    def __call__(self, u: Field, v: Field, x: Array, normal: Array, tabulated: Values) -> Array:
        # Data that JAX cannot trace are replaced by their values at the point.
        condition = dataclasses.replace(self.condition, **tabulated) if tabulated else self.condition
        v = v.within(self.within)
        rows = condition.residual(v, x, normal)
        if isinstance(rows, Field):
            return rows  # pyright: ignore[reportReturnType] - refused when it is traced
        if jnp.iscomplexobj(rows) and not v.components.any_is_complex:
            raise ValueError(
                f"the residual of {condition.label} is complex, and the unknown {', '.join(v.unknowns)} is real; write "
                f"real equations, or make it complex by sngd.Unknown({v.unknowns[0]!r}, complex=True)"
            )
        return real_parts(rows)


def condition_term(problem: Problem, condition: AbstractCondition, trial: TrialFunction, theta: Array) -> Term:
    """The rows of one condition of a problem with points. Raises as `residual_terms` does."""
    collocation = problem.collocation(condition)
    function = _ConditionFunction(condition.traced, condition.within)
    return make_term(function, condition.label, collocation, np.sqrt(collocation.weights), trial, theta)
