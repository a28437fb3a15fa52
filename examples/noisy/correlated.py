"""The conductivity of a rod from one thermometer, whose errors are correlated in time."""

import jax
import jax.numpy as jnp
import numpy as np

import sngd

TRUE = {"k": 0.25}
DEVIATION, LENGTH = 0.01, 0.1


def exact(x):
    return jnp.exp(-TRUE["k"] * jnp.pi**2 * x[0]) * jnp.sin(jnp.pi * x[1])


times = np.linspace(0.02, 1, 50)
where = np.stack([times, np.full(50, 0.5)], axis=1)
covariance = DEVIATION**2 * (np.exp(-np.abs(times[:, None] - times) / LENGTH) + 0.1 * np.eye(50))
errors = np.linalg.cholesky(covariance) @ np.random.default_rng(0).normal(size=50)

rod = sngd.space_time(t=(0, 1), x=(0, 1))
heat = sngd.Interior(lambda u, x, k: sngd.partial(u, "t")(x) - k * sngd.laplacian(u)(x))
start, ends = sngd.Initial(lambda x: jnp.sin(jnp.pi * x[1])), sngd.Dirichlet(0.0)
data = sngd.Data(where, np.asarray(jax.vmap(exact)(jnp.asarray(where))) + errors, noise=covariance)
unknowns = ["u", sngd.Constant("k", start=1.0, lower=0.0)]
problem = sngd.Problem(rod, [heat, start, ends, data], unknowns=unknowns, exact=exact, name="correlated")
