"""Domains and solutions on regions: `python -m benchmarks pictures`.

Draws `docs/domain.png`, a plate with two holes and what is known on its boundary, where the condition on one half of
the upper side was forgotten; `docs/region.png`, the solution and
its error on that plate; and `docs/solid.png`, those on an ellipsoid, in a slice and on its surface. All are made with
the seed 0.
"""

import dataclasses
from collections.abc import Callable
from pathlib import Path

import jax
import jax.numpy as jnp

import sngd

_DOCS = Path(__file__).parent.parent / "docs"


def plate(exact: Callable) -> sngd.Problem:
    """Poisson's equation on a plate with two holes; what is known of the exact solution differs from piece to piece."""
    rectangle = sngd.box(x=(0, 4), y=(0, 2))
    domain = rectangle - sngd.disk((1.1, 1.1), 0.5, name="hole") - sngd.ellipse((2.8, 0.9), (0.7, 0.3), name="slot")
    field = sngd.Field(exact, domain)
    flux = lambda x, normal: sngd.directional(field, normal)(x)
    known = lambda u, x, normal: sngd.directional(u, normal)(x) - flux(x, normal)
    conditions = [
        _poisson(field),
        sngd.Dirichlet(exact, on=[domain.piece("x lower"), domain.piece("x upper"), domain.piece("slot")]),
        sngd.Boundary(known, on=[domain.piece("y lower"), domain.piece("hole")], name="flux"),
        sngd.Dirichlet(exact, on=domain.piece("y upper").where(lambda x: x[0] < 2)),
        sngd.Boundary(known, on=domain.piece("y upper").where(lambda x: x[0] >= 2), name="flux"),
    ]
    return sngd.Problem(domain, conditions, exact=exact, name="plate")


def solid() -> sngd.Problem:
    """Poisson's equation in an ellipsoid."""
    domain = sngd.ellipsoid((0, 0, 0), (1, 0.7, 0.5))
    exact = lambda x: jnp.sin(2 * x[0] + 1) * jnp.exp(x[1] / 2) * jnp.cos(2 * x[2])
    conditions = [_poisson(sngd.Field(exact, domain)), sngd.Dirichlet(exact)]
    return sngd.Problem(domain, conditions, exact=exact, name="solid")


def _poisson(field: sngd.Field) -> sngd.Interior:
    return sngd.Interior(lambda u, x: sngd.laplacian(u)(x), lambda x: sngd.laplacian(field)(x))


def main() -> None:
    jax.config.update("jax_enable_x64", True)
    on_plate = plate(lambda x: jnp.sin(2 * x[0] + 1) * jnp.exp(x[1] / 2) + x[0] * x[1])
    sngd.plot(dataclasses.replace(on_plate, conditions=on_plate.conditions[:-1]), _DOCS / "domain.png")
    sngd.plot(_solved(on_plate), _DOCS / "region.png")
    sngd.plot(_solved(solid()), _DOCS / "solid.png", axes=("x", "z"), surface=True)


def _solved(problem: sngd.Problem) -> sngd.Solution:
    solution = sngd.solve(problem, tolerance=1e-9, key=jax.random.key(0))
    print(f"{problem.name}: relative L2 error {solution.relative_l2():.1e}, estimated {solution.error_estimate:.1e}")
    return solution


if __name__ == "__main__":
    main()
