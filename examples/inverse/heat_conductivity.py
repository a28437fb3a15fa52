"""The conductivity of a rod from fifty readings of its temperature."""

import jax.numpy as jnp
import numpy as np

import sngd

TRUE = {"k": 0.25}


def exact(x):
    return jnp.exp(-TRUE["k"] * jnp.pi**2 * x[0]) * jnp.sin(jnp.pi * x[1])


rod = sngd.space_time(t=(0, 1), x=(0, 1))
k = sngd.Constant("k", start=1.0, lower=0.0)
equation = sngd.Interior(lambda u, x, k: sngd.partial(u, "t")(x) - k * sngd.laplacian(u)(x))
start = sngd.Initial(lambda x: jnp.sin(jnp.pi * x[1]))
where = np.random.default_rng(0).uniform(size=(50, 2))
readings = np.exp(-TRUE["k"] * np.pi**2 * where[:, 0]) * np.sin(np.pi * where[:, 1])
data = sngd.Data(where, readings, noise=0.0)
problem = sngd.Problem(
    rod, [equation, start, sngd.Dirichlet(0.0), data], unknowns=["u", k], exact=exact, name="heat-conductivity"
)
