"""The four constants of Lotka and Volterra's equations from forty points of a trajectory."""

import numpy as np

import sngd

TRUE = {"birth": 2.0, "predation": 0.04, "conversion": 0.02, "death": 1.06}

forward = sngd.library.lotka_volterra()
times = np.linspace(0.25, 10, 40)[:, None]
readings = np.stack([forward.exact(time) for time in times])


def equations(r, p, x, birth, predation, conversion, death):
    meeting = r(x) * p(x)
    return (
        sngd.partial(r, "t")(x) - birth * r(x) + predation * meeting,
        sngd.partial(p, "t")(x) - conversion * meeting + death * p(x),
    )


rates = [sngd.Constant(name, start=1.0) for name in ("birth", "death")]
rates += [sngd.Constant(name, start=0.1) for name in ("predation", "conversion")]
problem = sngd.Problem(
    forward.domain,
    [sngd.Interior(equations), sngd.Initial((100.0, 15.0)), sngd.Data(times, readings, noise=0.0)],
    unknowns=["r", "p", *rates],
    exact=forward.exact,
    name="lotka-volterra-constants",
)
