"""A plane wave through a slab of two layers: Helmholtz' equation with complex values, and its transfer matrix."""

import jax.numpy as jnp
import numpy as np

import sngd

WAVE_NUMBER = 6.0
BOUNDS = {"before": (0.0, 1.0), "glass": (1.0, 1.7), "film": (1.7, 2.0), "behind": (2.0, 3.0)}
INDEX = {"before": 1.0, "glass": 1.5 + 0.02j, "film": 2.3, "behind": 1.0}


def amplitudes():
    """Of the waves to the right and to the left in each layer, from the last layer to the first one."""
    waves = lambda k, x: np.array([[np.exp(1j * k * x), np.exp(-1j * k * x)]])
    matrix = lambda k, x: np.concatenate([waves(k, x), 1j * k * waves(k, x) * [1, -1]])
    names, found = list(BOUNDS), {"behind": np.array([1.0, 0.0])}
    for left, right in zip(names[-2::-1], names[:0:-1], strict=True):
        at, (one, other) = BOUNDS[left][1], (WAVE_NUMBER * INDEX[each] for each in (left, right))
        found[left] = np.linalg.solve(matrix(one, at), matrix(other, at) @ found[right])
    # The incident wave has the amplitude one.
    return {name: each / found["before"][0] for name, each in found.items()}


def wave(name):
    """The exact wave in a layer."""
    (right, left), k = amplitudes()[name], WAVE_NUMBER * INDEX[name]
    return lambda x: right * jnp.exp(1j * k * x[0]) + left * jnp.exp(-1j * k * x[0])


def helmholtz(index):
    return lambda u, x: sngd.laplacian(u)(x) + (WAVE_NUMBER * index) ** 2 * u(x)


PIECES = {name: wave(name) for name in BOUNDS}


def exact(x):
    ends = jnp.array([end for _, end in BOUNDS.values()])[:-1]
    return jnp.stack([piece(x) for piece in PIECES.values()])[jnp.searchsorted(ends, x[0])]


def incident(u, x):
    """What comes in is `exp(i k x)`, and the rest goes away."""
    return sngd.partial(u, "x")(x) + 1j * WAVE_NUMBER * u(x) - 2j * WAVE_NUMBER


def outgoing(u, x):
    return sngd.partial(u, "x")(x) - 1j * WAVE_NUMBER * u(x)


slab = sngd.layers("x", **BOUNDS)
same_slope = lambda u, v, x, n: sngd.partial(u, "x")(x) - sngd.partial(v, "x")(x)
conditions = [
    *[sngd.Interior(helmholtz(index), on=name) for name, index in INDEX.items()],
    *[sngd.Interface(*pair, same_slope) for pair in zip(list(BOUNDS)[:-1], list(BOUNDS)[1:], strict=True)],
    sngd.Boundary(incident, on=slab.face("x", "lower")),
    sngd.Boundary(outgoing, on=slab.face("x", "upper")),
]
unknowns = [sngd.Unknown("u", complex=True)]
problem = sngd.Problem(slab, conditions, unknowns=unknowns, exact=exact, name="layered-slab")
