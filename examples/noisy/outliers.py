"""The conductivity of a rod from a hundred readings, of which five are wrong, and from a prior."""

import jax
import jax.numpy as jnp
import numpy as np

import sngd

TRUE = {"k": 0.25}
NOISE = 0.01


def exact(x):
    return jnp.exp(-TRUE["k"] * jnp.pi**2 * x[0]) * jnp.sin(jnp.pi * x[1])


generator = np.random.default_rng(0)
where = generator.uniform(size=(100, 2))
readings = np.asarray(jax.vmap(exact)(jnp.asarray(where))) + NOISE * generator.normal(size=100)
readings[generator.choice(100, 5, replace=False)] += 0.5

rod = sngd.space_time(t=(0, 1), x=(0, 1))
heat = sngd.Interior(lambda u, x, k: sngd.partial(u, "t")(x) - k * sngd.laplacian(u)(x))
start, ends = sngd.Initial(lambda x: jnp.sin(jnp.pi * x[1])), sngd.Dirichlet(0.0)
data = sngd.Data(where, readings, noise=NOISE, huber=1.345)
unknowns = ["u", sngd.Constant("k", start=1.0, lower=0.0, prior=(0.24, 0.01))]
problem = sngd.Problem(rod, [heat, start, ends, data], unknowns=unknowns, exact=exact, name="outliers")
