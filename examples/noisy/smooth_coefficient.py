"""The coefficient `q(x)` of `-u'' + q u = f` from fifty readings of `u` with noise: as smooth as these allow."""

import jax
import jax.numpy as jnp
import numpy as np

import sngd

TRUE = {}
NOISE = 1e-3


def solution(x):
    return 1 + 0.4 * jnp.sin(2 * jnp.pi * x[0])


def coefficient(x):
    return 1 + jnp.sin(3 * x[0]) * jnp.exp(x[0]) / 2


def exact(x):
    return jnp.stack([solution(x), coefficient(x)])


def force(x):
    return 0.4 * 4 * jnp.pi**2 * jnp.sin(2 * jnp.pi * x[0]) + coefficient(x) * solution(x)


line = sngd.interval(x=(0, 1))
equation = sngd.Interior(lambda u, q, x: -sngd.partial(u, "x", "x")(x) + q(x) * u(x) - force(x))
where = np.linspace(0, 1, 50)[:, None]
errors = NOISE * np.random.default_rng(0).normal(size=50)
data = sngd.Data(where, np.asarray(jax.vmap(solution)(jnp.asarray(where))) + errors, noise=NOISE, of="u")
problem = sngd.Problem(
    line, [equation, data, sngd.Smooth("q")], unknowns=["u", "q"], exact=exact, name="smooth-coefficient"
)
