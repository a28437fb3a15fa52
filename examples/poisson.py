"""Poisson's equation on the unit square, from import to printed error."""

import jax
import jax.numpy as jnp

import sngd

jax.config.update("jax_enable_x64", True)


def main(iterations: int = 200) -> float:
    exact = lambda x: jnp.sin(jnp.pi * x[0]) * jnp.sin(jnp.pi * x[1])
    square = sngd.box(x=(0, 1), y=(0, 1))
    equation = sngd.Interior(lambda u, x: sngd.laplacian(u)(x) + 2 * jnp.pi**2 * exact(x))
    problem = sngd.Problem(square, [equation, sngd.Dirichlet(0.0)])
    solution = sngd.solve(problem, key=jax.random.key(0), stopping=sngd.Stopping(iterations=iterations))
    return solution.relative_l2(exact)


if __name__ == "__main__":
    print(main())
