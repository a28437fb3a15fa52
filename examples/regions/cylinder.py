"""Flow past a cylinder by its stream function, whose value on the cylinder is not known but for the circulation.

The outer boundary, on which the exact values are given, is a square.
"""

import jax.numpy as jnp

import sngd

HALF_SIDE = 2.0
CIRCULATION = 2.0
TRUE = {"c": 0.7}


def exact(x):
    square = x[0] ** 2 + x[1] ** 2
    return x[1] * (1 - 1 / square) - CIRCULATION / (4 * jnp.pi) * jnp.log(square) + TRUE["c"]


def make(half_side):
    """The problem in a square with this half side."""
    side = (-half_side, half_side)
    flow = sngd.box(x=side, y=side) - sngd.disk(radius=1, name="cylinder")
    cylinder = flow.piece("cylinder")
    conditions = [
        sngd.Interior(lambda psi, x: sngd.laplacian(psi)(x)),
        sngd.Dirichlet(exact, on=flow.faces("x", "y")),
        sngd.Boundary(lambda psi, c, x: psi(x) - c, on=cylinder),
        sngd.Integral(lambda psi, x, normal: sngd.directional(psi, normal)(x), CIRCULATION, over=cylinder),
    ]
    unknowns = ["psi", sngd.Constant("c", start=0.0)]
    return sngd.Problem(flow, conditions, unknowns=unknowns, exact=exact, name="cylinder")


problem = make(HALF_SIDE)
