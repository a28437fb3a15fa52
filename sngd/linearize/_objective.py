"""Objectives: a loss over a flat parameter vector, and its linearization."""

import abc
import dataclasses
import math
from collections.abc import Callable

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh
from jaxtyping import Array, Float, PRNGKeyArray, PyTree

from sngd.linearize._checks import reads_parameters
from sngd.linearize._factor import AbstractFactor, ChunkedFactor, DenseFactor
from sngd.linearize._layered import LayeredFactor, layered_rows, leaf_layout
from sngd.linearize._rewriting import outer_leaves
from sngd.linearize._sharded import LocalFactor, all_rows, sharded_factor
from sngd.linearize._terms import Term, Values, make_term
from sngd.linearize._trial import TrialFunction, split_network
from sngd.problem import (
    AbstractCondition,
    AbstractProblem,
    Collocation,
    Energy,
    Field,
    Problem,
    euler_lagrange,
    in_place_of,
    natural_flux,
    second_order_part,
)

# Points whose values are computed at once. Activations of the widest network in use (five layers of 520, three Taylor
# components) take about 0.1 MB a point, so this bounds them to about 0.2 GB.
_VALUE_CHUNK = 2048

# Parameters, for every side of a weight matrix, from which rows are kept as outer products even where they could be
# stored: hidden layers of more than 64. Kernels are formed sooner so.
_WIDE = 32

# A change of an energy is integrated where it is below this part of the changes of the density, taken without signs:
# the move is then so small that changes of first order cancel, and its square is below a millionth.
_SMALL_CHANGE = 1e-3

# Rounding errors of a sum, in units of the machine precision times the sum of the magnitudes of its terms.
_SUM_ROUNDING = 32.0

# Losses evaluated in one batch: half the time of one after the other for a small network, and no more beyond.
_VALUES_AT_ONCE = 11


@dataclasses.dataclass(frozen=True)
class Limits:
    """How much memory a factor may take, and so how it is kept.

    - `dense_bytes`: it is stored where it takes at most so many.
    - `layered`: whether it is kept as outer products for a network made of linear layers, where it is not stored, or
      where they are wide and there are fewer rows than parameters.
    - `chunk_bytes`: of blocks that are formed at a time: of columns of outer products, and for any other network of
      rows, one point at least, which are recomputed.
    """

    dense_bytes: int = 2**30
    layered: bool = True
    chunk_bytes: int = 2**28


class Linearization(eqx.Module):
    """What a descent sees of the loss at one parameter vector.

    - `value`: the loss.
    - `factor`: `F`, of shape `(n, p)`, with the Gramian `G = F.T @ F`. For least squares it is the Jacobian.
    - `residual`: shape `(n,)`, of least squares; `energy_gradient`: shape `(p,)`, of an energy. The other is `None`.
    """

    value: Float[Array, ""]
    factor: AbstractFactor
    residual: Float[Array, " n"] | None
    energy_gradient: Float[Array, " p"] | None = None

    @property
    def gradient(self) -> Float[Array, " p"]:
        """The derivative of the loss. That of least squares, `F.T @ r`, is computed where it is asked for: a factor
        that is not stored takes some time for it, and residual space does without.
        """
        if self.energy_gradient is not None:
            return self.energy_gradient
        assert self.residual is not None
        return self.factor.rmatmul(self.residual[:, None])[:, 0]


class AbstractObjective(eqx.Module):
    """A loss over parameter vectors `theta` of shape `(p,)`.

    - `mesh`: the devices between which its rows are divided; `None` for one.
    """

    trial: eqx.AbstractVar[TrialFunction]
    factor_terms: eqx.AbstractVar[tuple[Term, ...]]
    chunk: eqx.AbstractVar[int | None]
    linear: eqx.AbstractVar[frozenset[int]]
    limits: eqx.AbstractVar[Limits]
    mesh: eqx.AbstractVar[Mesh | None]

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

    def residual(self, theta: Float[Array, " p"]) -> Float[Array, " n"]:
        """The weighted residuals of all conditions, one after the other; for an energy, of its Euler-Lagrange equation
        and its natural boundary conditions.
        """
        return self._values_of(self.residual_terms, self.trial.field, theta)

    def factor_values(self, theta: Float[Array, " p"]) -> Float[Array, " n"]:
        """The values of the functions whose derivatives are the rows of the factor: the residual; for an energy, of its
        metric for the solution itself.
        """
        return self._values_of(self.factor_terms, self.trial.field, theta)

    def data(self, theta: Float[Array, " p"]) -> Float[Array, " n"]:
        """The residual of the function that is zero everywhere, in the rows of `residual`: of a linear problem, its
        data. Reads the shape of `theta` only.
        """

        def zero(theta: Array) -> Field:
            field = self.trial.field(theta)
            return in_place_of(field, lambda x: jnp.zeros_like(field(x)))

        return self._values_of(self.residual_terms, zero, theta)

    @property
    @abc.abstractmethod
    def residual_terms(self) -> tuple[Term, ...]:
        """The terms of `residual`."""

    def residual_jacobian(self, theta: Float[Array, " p"]) -> Float[Array, "n p"]:
        """The derivative of `residual`, stored: for small networks."""
        if self.mesh is None:
            return self._jacobian_of(self.residual_terms, theta)
        return all_rows(self._jacobian_of, self.residual_terms, self.mesh, theta)

    @abc.abstractmethod
    def linearize(self, theta: Float[Array, " p"]) -> Linearization:
        """The loss, the factor of its Gramian, and what its gradient is made of."""

    @property
    def rows(self) -> int:
        """The number of rows of the factor."""
        return sum(term.rows for term in self.factor_terms)

    @property
    def storage(self) -> str:
        """How the factor is kept."""
        if self.chunk is None:
            return "stored"
        return "kept as outer products" if self.linear else "recomputed in blocks"

    @property
    def values_at_once(self) -> int:
        """How many parameter vectors to evaluate in one batch: where the factor is too large to store, one."""
        return _VALUES_AT_ONCE if self.chunk is None else 1

    def factor(self, theta: Float[Array, " p"]) -> AbstractFactor:
        """The factor of the Gramian: stored where `chunk` is `None`, as outer products where the network has `linear`
        leaves, or recomputed in blocks of rows.
        """
        kind = self._kind(theta)
        if self.mesh is None:
            return kind(self._keep(self.factor_terms, theta))
        return sharded_factor(kind, self._keep, self.factor_terms, theta, self.mesh)

    def _kind(self, theta: Float[Array, " p"]) -> Callable[[PyTree], LocalFactor]:
        """Makes the factor from what `_keep` returns."""
        if self.chunk is None:
            return DenseFactor
        if self.linear:
            return eqx.Partial(LayeredFactor, layout=leaf_layout(self.trial, theta, self.linear), chunk=self.chunk)
        return eqx.Partial(ChunkedFactor, self.trial, theta, chunk=self.chunk)

    def _keep(self, terms: tuple[Term, ...], theta: Float[Array, " p"]) -> PyTree:
        """What the rows of these terms are kept as: a matrix, outer products, or the terms themselves."""
        if self.chunk is None:
            return self._jacobian_of(terms, theta)
        return layered_rows(terms, self.trial, theta, self.linear) if self.linear else terms

    def _jacobian_of(self, terms: tuple[Term, ...], theta: Float[Array, " p"]) -> Float[Array, "n p"]:
        return jnp.concatenate([term.jacobian(self.trial, theta) for term in terms])

    def _values_of(
        self, terms: tuple[Term, ...], make_field: Callable[..., Field], *parameters: Array
    ) -> Float[Array, " n"]:
        """The values of these terms for the field that `make_field` makes of `parameters`."""

        def values(terms: tuple[Term, ...], *parameters: Array) -> Array:
            field = make_field(*parameters)
            # Of a network kept as outer products, where a product with a weight matrix takes time.
            fewest = bool(self.linear)
            return jnp.concatenate([_by_blocks(term, lambda block: block.values_of(field, fewest)) for term in terms])

        return values(terms, *parameters) if self.mesh is None else all_rows(values, terms, self.mesh, *parameters)


class LeastSquares(AbstractObjective):
    """`||r(theta)||^2 / 2`, with the square roots of the weights already in `r`."""

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
    def value_terms(self) -> tuple[Term, ...]:
        return self.factor_terms

    @property
    def residual_terms(self) -> tuple[Term, ...]:
        return self.factor_terms

    def value(self, theta: Float[Array, " p"]) -> Float[Array, ""]:
        return jnp.sum(self.residual(theta) ** 2) / 2

    def linearize(self, theta: Float[Array, " p"]) -> Linearization:
        factor = self.factor(theta)
        residual = factor.values if isinstance(factor, LayeredFactor) else self.residual(theta)
        return Linearization(jnp.sum(residual**2) / 2, factor, residual)

    def on_some_points(self, rows: int, key: PRNGKeyArray) -> "LeastSquares":
        """The same conditions on some of the points, drawn from each alike, with at most `rows` rows, or one point a
        condition. The weights are those of before, so they are no quadrature.
        """
        terms = tuple(
            term.sample(max(1, rows * len(term.scales) // self.rows), jax.random.fold_in(key, at))
            for at, term in enumerate(self.factor_terms)
        )
        return dataclasses.replace(self, factor_terms=terms)


class EnergyObjective(AbstractObjective):
    """A quadrature of an energy density; its Gramian is the quadrature of the metric.

    The gradient is that of the first variation integrated by parts, `sum_i w_i R(x_i) u_theta(x_i)` with the residual
    `R` of the Euler-Lagrange equation and the natural boundary conditions: its rounding errors shrink with `R`, where
    those of the derivative of the sum do not. The two differ by the error of the quadrature.

    - `equation_terms`: the rows `sqrt(w_i) R(x_i)`; `trace_terms`: the rows `sqrt(w_i) u(x_i)`.
    """

    trial: TrialFunction
    density_term: Term
    factor_terms: tuple[Term, ...]
    equation_terms: tuple[Term, ...]
    trace_terms: tuple[Term, ...]
    chunk: int | None = eqx.field(static=True)
    linear: frozenset[int] = eqx.field(static=True)
    limits: Limits = eqx.field(static=True)
    mesh: Mesh | None = eqx.field(static=True)

    @property
    def lower_bound(self) -> float:
        return -math.inf

    @property
    def value_terms(self) -> tuple[Term, ...]:
        return (self.density_term,)

    def value(self, theta: Float[Array, " p"]) -> Float[Array, ""]:
        return jnp.sum(self._values_of(self.value_terms, self.trial.field, theta))

    @property
    def residual_terms(self) -> tuple[Term, ...]:
        return self.equation_terms

    def gradient(self, theta: Float[Array, " p"]) -> Float[Array, " p"]:
        """The derivative of the energy by the parameters, shape `(p,)`."""
        residual = self.residual(theta)
        return jax.grad(lambda t: residual @ self._values_of(self.trace_terms, self.trial.field, t))(theta)

    def change(self, theta: Float[Array, " p"], other: Float[Array, " p"]) -> Float[Array, ""]:
        """The energy at `other` less that at `theta`.

        The change is known in two ways. The difference of the two energies has the rounding errors of both sums. The
        integral of the gradient along the straight line between the two functions has none: each gradient is taken by
        parts, as a product of a residual and a difference, and both are small near a minimum. Gauss-Legendre's rule of
        three points integrates it, exactly for densities up to degree six in that direction.

        The integral is taken for small moves, and where the difference agrees with it but for rounding. Both are told
        without the value of the energy, to which a constant may be added.
        """
        field = self.trial.field
        moved = self._values_of(self.trace_terms, field, other) - self._values_of(self.trace_terms, field, theta)

        def between(theta: Array, other: Array, fraction: Array) -> Field:
            here, there = field(theta), field(other)
            return in_place_of(here, lambda x: (1 - fraction) * here(x) + fraction * there(x))

        def slope(fraction: Array) -> Array:
            return self._values_of(self.residual_terms, between, theta, other, fraction) @ moved

        nodes, weights = np.polynomial.legendre.leggauss(3)
        integral = jax.lax.map(slope, jnp.asarray((nodes + 1) / 2)) @ jnp.asarray(weights / 2)
        before, after = (self._values_of(self.value_terms, field, parameters) for parameters in (theta, other))
        rounding = _SUM_ROUNDING * jnp.finfo(theta.dtype).eps * jnp.sum(jnp.abs(before) + jnp.abs(after))
        difference = jnp.sum(after) - jnp.sum(before)
        largest = jnp.maximum(jnp.abs(integral), jnp.abs(difference))
        is_small = largest < _SMALL_CHANGE * jnp.sum(jnp.abs(after - before))
        agrees = jnp.abs(integral - difference) <= rounding
        return jnp.where(is_small | agrees, integral, difference)

    def linearize(self, theta: Float[Array, " p"]) -> Linearization:
        return Linearization(self.value(theta), self.factor(theta), None, self.gradient(theta))


def make_objective(
    problem: AbstractProblem, network: Callable, limits: Limits | None = None, mesh: Mesh | None = None
) -> tuple[AbstractObjective, Float[Array, " p"]]:
    """The objective of `problem` for `network`, and the network's present parameter vector. Nothing is compiled.

    - `mesh`: of one axis, `"rows"`; its devices divide the points of every term between them.

    Raises `TypeError` or `ValueError` for a network or a residual that cannot be used; the message says why.
    """
    limits = limits or Limits()
    trial, theta = split_network(network, problem.domain, problem.outputs)
    problem = problem.with_points(len(theta))
    match problem:
        case Problem():
            terms = tuple(_condition_term(problem, condition, trial, theta) for condition in problem.conditions)
            chunk, linear = _storage(terms, trial, theta, limits)
            return LeastSquares(
                trial=trial, factor_terms=terms, chunk=chunk, linear=linear, limits=limits, mesh=mesh
            ), theta
        case Energy():
            return _energy_objective(problem, trial, theta, limits, mesh), theta
        case _:
            raise TypeError(f"problem is {problem!r}; it must be a Problem or an Energy")


def _storage(
    terms: tuple[Term, ...], trial: TrialFunction, theta: Array, limits: Limits
) -> tuple[int | None, frozenset[int]]:
    """Points a block, or `None` where the whole factor is stored; and the leaves to keep as outer products, none where
    they are not most of all.
    """
    rows, row_bytes = sum(term.rows for term in terms), 8 * len(theta)
    leaves = jax.tree.leaves(jax.eval_shape(trial.unravel, theta))
    sides = sum(sum(leaf.shape) for leaf in leaves if leaf.ndim == 2)
    if rows * row_bytes <= limits.dense_bytes and (rows >= len(theta) or len(theta) <= _WIDE * sides):
        return None, frozenset()
    linear = outer_leaves(terms, trial, theta) if limits.layered else frozenset()
    if rows * row_bytes <= limits.dense_bytes and not linear:
        return None, linear
    return max(1, limits.chunk_bytes // (row_bytes * max(term.components for term in terms))), linear


def _by_blocks(term: Term, function: Callable[[Term], Array]) -> Array:
    if len(term.scales) <= _VALUE_CHUNK:
        return function(term)
    return jax.lax.map(function, term.blocks(_VALUE_CHUNK)).ravel()[: term.rows]


@dataclasses.dataclass(frozen=True)
class _ConditionFunction:
    """A condition as the function of a term. Equal for equal conditions, so that compiled code is found again."""

    condition: AbstractCondition

    def __call__(self, u: Field, v: Field, x: Array, normal: Array, tabulated: Values) -> Array:
        # Data that are known at the points only are numbers there.
        condition = dataclasses.replace(self.condition, **tabulated) if tabulated else self.condition
        return condition.residual(v, x, normal)


@dataclasses.dataclass(frozen=True)
class _DensityFunction:
    """The density of an energy as the function of a term."""

    density: Callable

    def __call__(self, u: Field, v: Field, x: Array, normal: Array, tabulated: Values) -> Array:
        return self.density(v, x)


@dataclasses.dataclass(frozen=True)
class _MetricFunction:
    """The metric of an energy as the function of a term."""

    metric: Callable

    def __call__(self, u: Field, v: Field, x: Array, normal: Array, tabulated: Values) -> Array:
        return self.metric(u, v, x)


@dataclasses.dataclass(frozen=True)
class _VariationFunction:
    """The residual of an energy's Euler-Lagrange equation or natural boundary condition as the function of a term."""

    density: Callable
    on_boundary: bool

    def __call__(self, u: Field, v: Field, x: Array, normal: Array, tabulated: Values) -> Array:
        if self.on_boundary:
            return natural_flux(self.density, v, x, normal)
        return euler_lagrange(self.density, v, x)


def _trace(u: Field, v: Field, x: Array, normal: Array, tabulated: Values) -> Array:
    return v(x)


def _condition_term(problem: Problem, condition: AbstractCondition, trial: TrialFunction, theta: Array) -> Term:
    collocation = problem.collocation(condition)
    function = _ConditionFunction(condition)
    return make_term(function, condition.label, collocation, np.sqrt(collocation.weights), trial, theta)


def _energy_objective(
    problem: Energy, trial: TrialFunction, theta: Array, limits: Limits, mesh: Mesh | None
) -> EnergyObjective:
    interior, boundary = problem.interior(), problem.natural_boundary()

    def term(function: Callable, label: str, collocation: Collocation, scales: np.ndarray, **options: bool) -> Term:
        return make_term(function, label, collocation, scales, trial, theta, **options)

    def pair(make: Callable, label: str) -> tuple[Term, ...]:
        places = ((interior, "in the interior"), (boundary, "on the boundary"))
        # The natural boundary condition of a density without derivatives is empty.
        return tuple(
            term(make(at is boundary), f"{label} {where}", at, np.sqrt(at.weights), may_ignore_u=True)
            for at, where in places
        )

    density = term(_DensityFunction(problem.density), "density", interior, interior.weights)
    metric = term(_MetricFunction(problem.metric), "metric", interior, np.sqrt(interior.weights))
    if density.components != 1:
        raise ValueError(f"density returns {density.components} numbers at one point; it must return one")
    point = jnp.asarray(interior.points[0])
    _check_first_order(problem, trial.field(theta), point)
    if reads_parameters(problem.density, trial, theta, point):
        raise ValueError(
            "density reads a trained attribute of the network, and an energy is minimized over the values of u alone; "
            "make the attribute static, or write the problem by its residual, as a Problem"
        )
    chunk, linear = _storage((metric,), trial, theta, limits)
    return EnergyObjective(
        trial=trial,
        density_term=density,
        factor_terms=(metric,),
        equation_terms=pair(
            lambda on_boundary: _VariationFunction(problem.density, on_boundary), "the Euler-Lagrange equation"
        ),
        trace_terms=pair(lambda on_boundary: _trace, "the solution"),
        chunk=chunk,
        linear=linear,
        limits=limits,
        mesh=mesh,
    )


def _check_first_order(problem: Energy, u: Field, x: Array) -> None:
    # Which derivatives a density reads does not depend on the function that it reads them of: take a cheap one.
    shape = () if problem.outputs == 1 else (problem.outputs,)
    wave = in_place_of(u, lambda z: jnp.sin(jnp.sum(z)) * jnp.ones(shape))
    if np.any(np.asarray(second_order_part(problem.density, wave, x))):
        raise ValueError(
            "density depends on second derivatives of u; it may use u and its first derivatives, so write the problem "
            "by its residual, as a Problem"
        )
