"""The three constants of Lorenz' equations from twenty points of a trajectory."""

import numpy as np

import sngd

TRUE = {"sigma": 10.0, "rho": 15.0, "beta": 8 / 3}

forward = sngd.library.lorenz()
times = np.linspace(0.15, 3, 20)[:, None]
readings = np.stack([forward.exact(time) for time in times])


def equations(a, b, c, x, sigma, rho, beta):
    return (
        sngd.partial(a, "t")(x) - sigma * (b(x) - a(x)),
        sngd.partial(b, "t")(x) - a(x) * (rho - c(x)) + b(x),
        sngd.partial(c, "t")(x) - a(x) * b(x) + beta * c(x),
    )


problem = sngd.Problem(
    forward.domain,
    [sngd.Interior(equations), sngd.Initial((-8.0, 7.0, 27.0)), sngd.Data(times, readings, noise=0.0)],
    unknowns=["a", "b", "c", *(sngd.Constant(name, start=1.0) for name in TRUE)],
    exact=forward.exact,
    name="lorenz-constants",
)
