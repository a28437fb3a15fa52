"""The first frequency of an L-shaped membrane (Fox, Henrici and Moler, SIAM J. Numer. Anal. 4, 1967)."""

import numpy as np

import sngd

COUNT = 1
VALUES = np.array([9.6397238440])

shape = sngd.polygon([(0, 0), (0, -1), (1, -1), (1, 1), (-1, 1), (-1, 0)])
equation = sngd.Interior(lambda u, x, E: -sngd.laplacian(u)(x) - E * u(x))
unknowns = [sngd.Unknown("u", trial=sngd.corners(shape)), sngd.Constant("E")]
problem = sngd.Problem(shape, [equation, sngd.Dirichlet(0.0)], unknowns=unknowns, name="l-shape-eigenvalue")
