"""Residuals as functions of the derivatives of the unknown at the point.

A residual that reads the unknown at its own point alone is a function of finitely many derivatives there. In the place
of the unknown it gets a polynomial with these derivatives, so that its value and its derivative by each of them cost a
few operations, whatever network the derivatives come from.
"""

import itertools
import math
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from sngd._arrays import on_device
from sngd._compiled import compiled
from sngd.geometry import AbstractRegion
from sngd.linearize._rewriting import evaluated
from sngd.linearize._terms import Term
from sngd.problem import Components, Constant, Field, Problem, values_of

# The highest order of derivatives that are looked for, by the dimension; in higher dimensions the last one.
_HIGHEST = (8, 6, 4, 4, 3, 2)

# The order that most equations have at most, for which there is less to trace.
_USUAL = 2

# Points at which it is found out what a residual depends on, at most.
_POINTS = 4096

# Points at which residuals are evaluated at once.
_AT_ONCE = 512

# The residual of a wave is that of its derivatives to this part.
_AGREES = 1e-9

Orders = tuple[tuple[int, ...], ...]
"""Derivatives: for each one, how often along each axis."""


class Polynomial(eqx.Module):
    """A function of one point with given derivatives at one point. Everywhere else its values are not numbers.

    - `derivatives`: at the point, shape `(m, A)`. `center`: the point, shape `(d,)`. `orders`: the `A` derivatives.
    """

    derivatives: Float[Array, "m A"]
    center: Float[Array, " d"]
    orders: Orders = eqx.field(static=True)

    def __call__(self, x: Float[Array, " d"]) -> Array:
        offset = x - self.center
        powers = [[jnp.ones(())] for _ in range(len(offset))]
        for axis, found in enumerate(powers):
            for _ in range(max(order[axis] for order in self.orders)):
                found.append(found[-1] * offset[axis])
        monomials = [
            math.prod((powers[axis][count] for axis, count in enumerate(order) if count), start=jnp.ones(()))
            / math.prod(map(math.factorial, order))
            for order in self.orders
        ]
        values = self.derivatives @ jnp.stack(monomials) + jnp.where(jnp.any(offset != 0), jnp.nan, 0.0)
        return values[0] if len(values) == 1 else values


class Pointwise(eqx.Module):
    """What a residual depends on.

    - `orders`: the derivatives of the unknown that it reads. `highest`: for each component of the unknown, how often
      it is differentiated along each axis at most.
    - `domain`, `parameters`, `components`, `constants`: of the problem; the constants have no bounds here.
    """

    orders: Orders = eqx.field(static=True)
    highest: Orders = eqx.field(static=True)
    domain: AbstractRegion = eqx.field(static=True)
    components: Components = eqx.field(static=True)
    constants: tuple[Constant, ...] = eqx.field(static=True)
    parameters: dict[str, Array]

    @classmethod
    def of(cls, term: Term, problem: Problem) -> "Pointwise | None":
        """What the residual of a term depends on; `None` if it reads the unknown at other points, attributes of the
        network, or derivatives of very high order. Nothing is compiled.

        - `term`: with many points. A derivative whose coefficient is zero at all of them counts as not read.
        """
        dimension, generator = problem.domain.dimension, np.random.default_rng(0)
        parameters = {name: on_device(value) for name, value in problem.parameters.items()}
        fixed = problem.domain, problem.components, tuple(each.free for each in problem.constants), parameters
        chosen = term.at(generator.permutation(len(term.scales))[:_POINTS])
        none, wave = cls((), (), *fixed), _Wave.random(problem, generator)
        # A constant that starts at zero may hide derivatives of which it is the coefficient.
        numbers = on_device(problem.start_numbers + generator.uniform(0.1, 0.2, len(problem.constants)))
        highest = _HIGHEST[min(dimension, len(_HIGHEST)) - 1]
        try:
            (direct,) = evaluated(lambda part: part.values_of(none.field(wave, numbers)), chosen).results
            for order in sorted({min(_USUAL, highest), highest}):
                whole = cls(_up_to(order, dimension), (), *fixed)
                derivatives = wave.derivatives(np.asarray(chosen.points), whole.orders)
                values, slopes, _ = evaluated(_linearized, whole, chosen, derivatives, numbers).results
                if _agree(direct, np.ravel(values)):
                    reads = np.any(slopes != 0, axis=(0, 1))
                    kept = tuple(each for each, read in zip(whole.orders, np.any(reads, axis=0), strict=True) if read)
                    highest = [np.max(np.array(whole.orders)[each], axis=0, initial=0).tolist() for each in reads]
                    return cls(kept, tuple(map(tuple, highest)), *fixed)
        except AttributeError:
            # The residual reads attributes of the network.
            return None
        return None

    def field(self, function: Any, numbers: Float[Array, " c"]) -> Field:
        """A function of one point as the unknowns of the problem, with its constants in their units."""
        parameters = self.parameters | values_of(self.constants, numbers)
        return Field(self.components.function(function), self.domain, parameters, self.components)

    def linearized(
        self, term: Term, derivatives: Float[np.ndarray, "n m A"], numbers: Float[np.ndarray, " c"]
    ) -> tuple[Float[np.ndarray, "n e"], Float[np.ndarray, "n e m A"], Float[np.ndarray, "n e c"]]:
        """The `e` rows of a term at each of its points, and their derivatives.

        - `derivatives`: of the unknowns at the points. `numbers`: the unknown constants, in their units.
        """
        count, given = len(term.scales), on_device(numbers)
        values, slopes, others = [], [], []
        for start in range(0, count, _AT_ONCE):
            # The last point fills up the last block.
            block = np.minimum(np.arange(start, start + _AT_ONCE), count - 1)
            parts = _compiled_linearized(self, term.at(block), on_device(derivatives[block]), given)
            for found, part in zip((values, slopes, others), parts, strict=True):
                found.append(np.asarray(part)[: count - start])
        return np.concatenate(values), np.concatenate(slopes), np.concatenate(others)


class _Wave(eqx.Module):
    """`1 + sin(weights @ x + biases) / 2` for each component: a function that no polynomial is equal to."""

    weights: Float[Array, "m d"]
    biases: Float[Array, " m"]

    @classmethod
    def random(cls, problem: Problem, generator: np.random.Generator) -> "_Wave":
        """A wave of a few radians on the domain."""
        weights = generator.uniform(1.0, 2.0, (problem.outputs, problem.domain.dimension)) / problem.domain.half_sides
        return cls(on_device(weights), on_device(generator.uniform(0.0, 2 * np.pi, problem.outputs)))

    def __call__(self, x: Float[Array, " d"]) -> Array:
        values = 1 + jnp.sin(self.weights @ x + self.biases) / 2
        return values[0] if len(values) == 1 else values

    def derivatives(self, points: Float[np.ndarray, "n d"], orders: Orders) -> Float[np.ndarray, "n m A"]:
        """These derivatives at points."""
        weights, biases = np.asarray(self.weights), np.asarray(self.biases)
        phases = points @ weights.T + biases
        found = [
            np.prod(weights ** np.array(order), axis=1) * np.sin(phases + sum(order) * np.pi / 2) / 2 + (not sum(order))
            for order in orders
        ]
        return np.stack(found, axis=2)


def _agree(direct: Float[np.ndarray, " n"], found: Float[np.ndarray, " n"]) -> bool:
    """Whether residuals are equal but for rounding, wherever the first one is a number."""
    known = np.isfinite(direct)
    return bool(np.any(known) and np.linalg.norm((direct - found)[known]) <= _AGREES * np.linalg.norm(direct[known]))


def _up_to(highest: int, dimension: int) -> Orders:
    """All derivatives up to an order."""
    choices = [itertools.combinations_with_replacement(range(dimension), total) for total in range(highest + 1)]
    return tuple(tuple(axes.count(axis) for axis in range(dimension)) for axes in itertools.chain(*choices))


def _linearized(
    pointwise: Pointwise, term: Term, derivatives: Float[Array, "n m A"], numbers: Float[Array, " c"]
) -> tuple[Float[Array, "n e"], Float[Array, "n e m A"], Float[Array, "n e c"]]:
    def at(given: Array, x: Array, *others: Any) -> tuple[Array, Array, Array]:
        def rows(derivatives: Array, numbers: Array) -> Array:
            field = pointwise.field(Polynomial(derivatives, x, pointwise.orders), numbers)
            return term.row(field, field, x, *others)

        return rows(given, numbers), *jax.jacrev(rows, (0, 1))(given, numbers)

    return jax.vmap(at)(derivatives, *term.at_points)


_compiled_linearized = compiled(_linearized)
