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

# The number of points whose values are computed at once. The activations of the widest network in use (five layers of
# 520 units, three Taylor components) take about 0.1 MB for each point, and so about 0.2 GB at once.
_VALUE_CHUNK = 2048

# The number of losses that are evaluated in one batch. For a small network a batch takes half the time of single
# evaluations, and a larger batch gains nothing.
_VALUES_AT_ONCE = 11


class Linearization(eqx.Module):
    """The linearization of the loss at one parameter vector, from which a descent makes its curve.

    - `value`: the loss, a scalar.
    - `factor`: the factor `F`, shape `(n, p)`, of the Gramian `G = F.T @ F`. For least squares it is the Jacobian.
    - `residual`: the residual of least squares, shape `(n,)`. It is `None` for an energy.
    - `energy_gradient`: the gradient of an energy, shape `(p,)`. It is `None` for least squares.
    """

    value: Float[Array, ""]
    factor: AbstractFactor
    residual: Float[Array, " n"] | None
    energy_gradient: Float[Array, " p"] | None = None

    @property
    def gradient(self) -> Float[Array, " p"]:
        """The derivative of the loss, shape `(p,)`.

        For least squares the product `F.T @ r` is computed each time the property is read. It takes some time for a
        factor that is not stored, and the descent `ResidualSpace` does not need it.
        """
        if self.energy_gradient is not None:
            return self.energy_gradient
        assert self.residual is not None
        return self.factor.rmatmul(self.residual[:, None])[:, 0]


class LossDifference(NamedTuple):
    """The loss after an update, minus a number that does not depend on the update.

    - `after`: a function from an update, shape `(p,)`, to the loss after the update minus `subtracted`.
    - `start`: the loss without an update, minus `subtracted`.
    """

    after: Callable[[Float[Array, " p"]], Float[Array, ""]]
    start: Float[Array, ""]
    subtracted: Float[Array, ""]


class AbstractObjective(eqx.Module):
    """A loss over parameter vectors `theta` of shape `(p,)`.

    - `mesh`: the devices between which the rows are divided. It is `None` for one device.
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
        """A lower bound of the loss, which may be minus infinity."""

    @property
    @abc.abstractmethod
    def value_terms(self) -> tuple[Term, ...]:
        """The terms from whose values the loss is computed."""

    @property
    @abc.abstractmethod
    def factors_residual(self) -> bool:
        """Whether the factor is the derivative of `residual`."""

    @property
    def has_residual_factor(self) -> bool:
        """Whether the derivative of `residual` can be computed: as the factor, or as a stored matrix."""
        return self.factors_residual or self.chunk is None

    @property
    def has_known_minimum(self) -> bool:
        """Whether the minimum of the loss is known, so that the optimality gap follows from the loss."""
        return math.isfinite(self.lower_bound)

    @abc.abstractmethod
    def value(self, theta: Float[Array, " p"]) -> Float[Array, ""]:
        """The loss."""

    @abc.abstractmethod
    def loss_along(self, theta: Float[Array, " p"], value: Float[Array, ""]) -> LossDifference:
        """The loss after an update of `theta`, possibly minus a number that makes its differences accurate.

        A search compares these losses.

        - `value`: the loss at `theta`.
        """

    @abc.abstractmethod
    def optimality_gap(self, value: Float[Array, ""], predicted: Float[Array, ""]) -> Float[Array, ""]:
        """An upper bound or an estimate of how far the loss is above its minimum.

        - `value`: the loss.
        - `predicted`: the largest reduction that a quadratic model predicts.
        """

    @abc.abstractmethod
    def first_order(self, theta: Float[Array, " p"]) -> tuple[Float[Array, " n"] | None, Float[Array, " p"] | None]:
        """The residual of least squares and the gradient of an energy. One of the two is `None`.

        A curve needs these beside a factor.
        """

    @abc.abstractmethod
    def on_some_points(self, rows: int, key: PRNGKeyArray) -> "AbstractObjective | None":
        """The objective of the same conditions on some of the points.

        It has at most `rows` rows, or one point for each condition if that is more. The points of each condition are
        drawn at random in equal proportion. The weights are not changed, so the sums no longer approximate integrals.
        The result is `None` if the factor is not the derivative of the residual.
        """

    def residual(self, theta: Float[Array, " p"]) -> Float[Array, " n"]:
        """The weighted residuals of all conditions, one after the other, shape `(n,)`.

        For an energy these are the residuals of the Euler-Lagrange equation and of the natural boundary conditions.
        """
        return self._values_of(self.residual_terms, self.trial.field, theta)

    def factor_values(self, theta: Float[Array, " p"]) -> Float[Array, " n"]:
        """The values of the functions whose derivatives are the rows of the factor.

        For least squares these are the residual. For an energy they are the values of the metric with the solution as
        the direction.
        """
        return self._values_of(self.factor_terms, self.trial.field, theta)

    def data(self, theta: Float[Array, " p"]) -> Float[Array, " n"]:
        """The residual of the function that is zero everywhere, in the rows of `residual`.

        For a linear problem these are its data. Only the shape of `theta` is used.
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
        """The derivative of `residual`, shape `(n, p)`, stored as a matrix. It is meant for small networks."""
        if self.mesh is None:
            return self._jacobian_of(self.residual_terms, theta)
        return all_rows(self._jacobian_of, self.residual_terms, self.mesh, theta)

    @abc.abstractmethod
    def linearize(self, theta: Float[Array, " p"]) -> Linearization:
        """The linearization at `theta`."""

    @property
    def rows(self) -> int:
        """The number of rows of the factor."""
        return sum(term.rows for term in self.factor_terms)

    @property
    def storage(self) -> str:
        """How the factor is kept, in words."""
        if self.chunk is None:
            return "stored"
        return "kept as outer products" if self.linear else "recomputed in blocks"

    @property
    def values_at_once(self) -> int:
        """The number of parameter vectors to evaluate in one batch. It is 1 if the factor is too large to store."""
        return _VALUES_AT_ONCE if self.chunk is None else 1

    def factor(self, theta: Float[Array, " p"]) -> AbstractFactor:
        """The factor of the Gramian at `theta`.

        It is stored if `chunk` is `None`. Otherwise it is kept as outer products if the network has `linear` leaves,
        and recomputed in blocks of rows if not.
        """
        kind = self._kind(theta)
        if self.mesh is None:
            return kind(self._keep(self.factor_terms, theta))
        return sharded_factor(kind, self._keep, self.factor_terms, theta, self.mesh)

    def _kind(self, theta: Float[Array, " p"]) -> Callable[[PyTree], LocalFactor]:
        """The function that makes the factor from the result of `_keep`."""
        if self.chunk is None:
            return DenseFactor
        if self.linear:
            return eqx.Partial(LayeredFactor, layout=leaf_layout(self.trial, theta, self.linear))
        return eqx.Partial(ChunkedFactor, self.trial, theta, chunk=self.chunk)

    def _keep(self, terms: tuple[Term, ...], theta: Float[Array, " p"]) -> PyTree:
        """The rows of these terms as a matrix, as outer products, or as the terms themselves."""
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
            # Fewer matrix products pay for a network that is kept as outer products, whose weight matrices are large.
            fewest = bool(self.linear)
            return jnp.concatenate([_by_blocks(term, lambda block: block.values_of(field, fewest)) for term in terms])

        return values(terms, *parameters) if self.mesh is None else all_rows(values, terms, self.mesh, *parameters)


def _by_blocks(term: Term, function: Callable[[Term], Array]) -> Array:
    if len(term.scales) <= _VALUE_CHUNK:
        return function(term)
    return jax.lax.map(function, term.blocks(_VALUE_CHUNK)).ravel()[: term.rows]
