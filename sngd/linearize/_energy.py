"""The objective of an energy: a density that is integrated, and its first variation, which gives the gradient."""

import dataclasses
import math
from collections.abc import Callable

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh
from jaxtyping import Array, Float, PRNGKeyArray

from sngd.geometry import Collocation
from sngd.linearize._checks import reads_parameters
from sngd.linearize._objective import AbstractObjective, Linearization, LossDifference
from sngd.linearize._storage import Limits, storage_of
from sngd.linearize._terms import Term, Values, make_term
from sngd.linearize._trial import TrialFunction
from sngd.problem import Energy, Field, bind, euler_lagrange, in_place_of, natural_flux, second_order_part

# A change of an energy is computed by integration if it is below this part of the sum of the magnitudes of the changes
# of the density. The update is then so small that changes of first order cancel, and its square is below 1e-6.
_SMALL_CHANGE = 1e-3

# Rounding errors of a sum, in units of the machine precision times the sum of the magnitudes of its terms.
_SUM_ROUNDING = 32.0


class EnergyObjective(AbstractObjective):
    """The quadrature of an energy density. The Gramian is the quadrature of the metric.

    The gradient comes from the first variation, integrated by parts: `sum_i w_i R(x_i) u_theta(x_i)`. Here `R` is the
    residual of the Euler-Lagrange equation and of the natural boundary conditions. The rounding errors of this gradient
    shrink with `R`, while those of the derivative of the sum do not. The two gradients differ by the error of the
    quadrature.

    - `equation_terms`: the terms with the rows `sqrt(w_i) R(x_i)`.
    - `trace_terms`: the terms with the rows `sqrt(w_i) u(x_i)`.
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
    def factors_residual(self) -> bool:
        return False

    @property
    def value_terms(self) -> tuple[Term, ...]:
        return (self.density_term,)

    def value(self, theta: Float[Array, " p"]) -> Float[Array, ""]:
        return jnp.sum(self._values_of(self.value_terms, self.trial.field, theta))

    @property
    def residual_terms(self) -> tuple[Term, ...]:
        return self.equation_terms

    def gradient(self, theta: Float[Array, " p"]) -> Float[Array, " p"]:
        """The derivative of the energy with respect to the parameters, shape `(p,)`."""
        residual = self.residual(theta)
        return jax.grad(lambda t: residual @ self._values_of(self.trace_terms, self.trial.field, t))(theta)

    def change(self, theta: Float[Array, " p"], other: Float[Array, " p"]) -> Float[Array, ""]:
        """The energy at `other` minus the energy at `theta`.

        The change can be computed in two ways. The difference of the two energies has the rounding errors of both sums.
        The integral of the gradient along the straight line between the two functions does not have these errors. Each
        gradient is taken by parts, as a product of a residual and a difference, and both are small near a minimum. The
        Gauss-Legendre rule of three points computes the integral. It is exact for densities up to degree six in that
        direction.

        The integral is the result if the update is small, or if the difference agrees with the integral up to rounding
        errors. Both decisions use no value of the energy, because a constant may be added to an energy.
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

    def loss_along(self, theta: Float[Array, " p"], value: Float[Array, ""]) -> LossDifference:
        """The energy minus the energy at `theta`, which `change` computes.

        If the error of the solution is near the root of the machine precision, the difference of two energies is
        smaller than their rounding errors.
        """
        return LossDifference(lambda update: self.change(theta, theta + update), jnp.zeros_like(value), value)

    def optimality_gap(self, value: Float[Array, ""], predicted: Float[Array, ""]) -> Float[Array, ""]:
        """The predicted reduction, because the minimum of an energy is not known."""
        return predicted

    def first_order(self, theta: Float[Array, " p"]) -> tuple[None, Float[Array, " p"]]:
        return None, self.gradient(theta)

    def on_some_points(self, rows: int, key: PRNGKeyArray) -> None:
        return None

    def linearize(self, theta: Float[Array, " p"]) -> Linearization:
        return Linearization(self.value(theta), self.factor(theta), None, self.gradient(theta))


def energy_objective(
    problem: Energy, trial: TrialFunction, theta: Array, limits: Limits, mesh: Mesh | None
) -> EnergyObjective:
    """The objective of an energy problem that has points.

    Raises `ValueError` for a density that depends on second derivatives of the unknown, or on trained parameters of the
    network other than through `u`. Raises `TypeError` and `ValueError` as `make_term` does.
    """
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
    if reads_parameters(bind(problem.density, 2, trial.parameters, "density"), trial, theta, point):
        raise ValueError(
            "density reads a trained attribute of the network, and an energy is minimized over the values of u alone; "
            "make the attribute static, or write the problem by its residual, as a Problem"
        )
    chunk, linear = storage_of((metric,), trial, theta, limits)
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
    # The derivatives that a density reads do not depend on the function, so a cheap function serves here.
    shape = () if problem.outputs == 1 else (problem.outputs,)
    wave = in_place_of(u, lambda z: jnp.sin(jnp.sum(z)) * jnp.ones(shape))
    if np.any(np.asarray(second_order_part(bind(problem.density, 2, u.parameters, "density"), wave, x))):
        raise ValueError(
            "density depends on second derivatives of u; it may use u and its first derivatives, so write the problem "
            "by its residual, as a Problem"
        )


@dataclasses.dataclass(frozen=True)
class _DensityFunction:
    """The density of an energy as the function of a term."""

    density: Callable

    def __call__(self, u: Field, v: Field, x: Array, normal: Array, tabulated: Values) -> Array:
        return bind(self.density, 2, v.parameters, "density")(v, x)


@dataclasses.dataclass(frozen=True)
class _MetricFunction:
    """The metric of an energy as the function of a term."""

    metric: Callable

    def __call__(self, u: Field, v: Field, x: Array, normal: Array, tabulated: Values) -> Array:
        return bind(self.metric, 3, v.parameters, "metric")(u, v, x)


@dataclasses.dataclass(frozen=True)
class _VariationFunction:
    """The residual of an energy's Euler-Lagrange equation or natural boundary condition as the function of a term."""

    density: Callable
    on_boundary: bool

    def __call__(self, u: Field, v: Field, x: Array, normal: Array, tabulated: Values) -> Array:
        density = bind(self.density, 2, v.parameters, "density")
        if self.on_boundary:
            return natural_flux(density, v, x, normal)
        return euler_lagrange(density, v, x)


def _trace(u: Field, v: Field, x: Array, normal: Array, tabulated: Values) -> Array:
    return v(x)
