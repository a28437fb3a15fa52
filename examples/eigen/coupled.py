"""Two coupled strings with zero ends: their sum and their difference have frequencies of their own."""

import jax.numpy as jnp
import numpy as np

import sngd

COUNT = 5
VALUES = np.array([np.pi**2 * k**2 + sign for k in (1, 2, 3) for sign in (-1, 1)])


def function(number, x):
    wave = jnp.sin((number // 2 + 1) * jnp.pi * x[0])
    return jnp.stack([wave, wave if number % 2 else -wave])


line = sngd.interval(x=(0, 1))
equations = sngd.Interior(
    lambda u, v, x, E: (-sngd.laplacian(u)(x) + v(x) - E * u(x), -sngd.laplacian(v)(x) + u(x) - E * v(x))
)
unknowns = ["u", "v", sngd.Constant("E")]
problem = sngd.Problem(line, [equations, sngd.Dirichlet(0.0)], unknowns=unknowns, name="coupled")
