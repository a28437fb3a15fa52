"""Objectives: a loss over a flat parameter vector, and its linearization."""

import abc
import math
from collections.abc import Callable
from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jax.sharding import Mesh
from jaxtyping import Array, Float, PRNGKeyArray, PyTree

from sngd.linearize._factor import AbstractFactor, ChunkedFactor, DenseFactor
from sngd.linearize._layered import LayeredFactor, layered_rows
from sngd.linearize._product_columns import leaf_layout
from sngd.linearize._sharded import LocalFactor, all_rows, sharded_factor
from sngd.linearize._storage import Limits
from sngd.linearize._terms import Term
from sngd.linearize._trial import TrialFunction
from sngd.problem import Field, in_place_of

# Points whose values are computed at once. Activations of the widest network in use (five layers of 520, three Taylor
# components) take about 0.1 MB a point, so this bounds them to about 0.2 GB.
_VALUE_CHUNK = 2048

# Losses evaluated in one batch: half the time of one after the other for a small network, and no more beyond.
_VALUES_AT_ONCE = 11


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


class LossDifference(NamedTuple):
    """The loss after an update, less a number.

    - `after`: maps an update, shape `(p,)`, to the loss there less `subtracted`.
    - `start`: the loss without an update, less `subtracted`.
    """

    after: Callable[[Float[Array, " p"]], Float[Array, ""]]
    start: Float[Array, ""]
    subtracted: Float[Array, ""]


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

    @property
    @abc.abstractmethod
    def factors_residual(self) -> bool:
        """Whether the factor is the derivative of `residual`."""

    @property
    def has_residual_factor(self) -> bool:
        """Whether the derivative of `residual` is at hand: as the factor, or by storing it."""
        return self.factors_residual or self.chunk is None

    @property
    def has_known_minimum(self) -> bool:
        """Whether the loss itself says how far above its minimum it may be."""
        return math.isfinite(self.lower_bound)

    @abc.abstractmethod
    def value(self, theta: Float[Array, " p"]) -> Float[Array, ""]:
        """The loss."""

    @abc.abstractmethod
    def loss_along(self, theta: Float[Array, " p"], value: Float[Array, ""]) -> LossDifference:
        """What a search compares: the loss after an update of `theta`, or that less a number, so that its differences
        are accurate. `value`: the loss at `theta`.
        """

    @abc.abstractmethod
    def optimality_gap(self, value: Float[Array, ""], predicted: Float[Array, ""]) -> Float[Array, ""]:
        """How far above its minimum the loss may be.

        - `value`: the loss. `predicted`: the largest reduction that a quadratic model predicts.
        """

    @abc.abstractmethod
    def first_order(self, theta: Float[Array, " p"]) -> tuple[Float[Array, " n"] | None, Float[Array, " p"] | None]:
        """What a curve needs beside a factor: the residual of least squares, or the gradient of an energy."""

    @abc.abstractmethod
    def on_some_points(self, rows: int, key: PRNGKeyArray) -> "AbstractObjective | None":
        """The same conditions on some of the points, drawn from each alike, with at most `rows` rows, or one point a
        condition; `None` where the factor is not that of the residual. The weights are kept, so they are no quadrature.
        """

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


def _by_blocks(term: Term, function: Callable[[Term], Array]) -> Array:
    if len(term.scales) <= _VALUE_CHUNK:
        return function(term)
    return jax.lax.map(function, term.blocks(_VALUE_CHUNK)).ravel()[: term.rows]
