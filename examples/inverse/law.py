"""The law `b(u)` of nonlinear diffusion `u_t = (b(u) u_x)_x` from fifty readings of `u`, with data on the boundary.

The solution `log((1 + x^2) / (2 - 2 t))` belongs to the law `b(u) = exp(u)`. A solution that only travels would leave
the law open by a multiple of `1 / u_x`, which then is a function of `u`.
"""

import jax
import jax.numpy as jnp
import numpy as np

import sngd

TRUE = {}


def exact(x):
    return jnp.log((1 + x[1] ** 2) / (2 - 2 * x[0]))


def law(number):
    return jnp.exp(number)


def diffusion(u, b, x):
    flux = u.like(lambda y: b(u(y)) * sngd.partial(u, "x")(y))
    return sngd.partial(u, "t")(x) - sngd.partial(flux, "x")(x)


domain = sngd.space_time(t=(0, 0.5), x=(0, 1))
where = np.random.default_rng(0).uniform(size=(50, 2)) * [0.5, 1.0]
data = sngd.Data(where, np.asarray(jax.vmap(exact)(jnp.asarray(where))), noise=0.0)
unknowns = ["u", sngd.Law("b", between=(-0.7, 0.7), start=1.0)]
conditions = [sngd.Interior(diffusion), sngd.Initial(exact), sngd.Dirichlet(exact), data]
problem = sngd.Problem(domain, conditions, unknowns=unknowns, exact=exact, name="law")
