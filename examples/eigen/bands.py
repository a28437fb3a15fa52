"""The lowest energies of an electron in a periodic potential at one wave number: Bloch waves of Mathieu's equation.

The energies are those of the matrix of the equation for plane waves.
"""

import jax.numpy as jnp
import numpy as np

import sngd

COUNT = 5
WAVE_NUMBER, DEPTH = 1.0, 5.0


def energies():
    """The eigenvalues of the matrix for plane waves `exp(i (k + 2 pi n) x)`, whose potential couples neighbors."""
    numbers = WAVE_NUMBER + 2 * np.pi * np.arange(-8, 9)
    neighbors = np.eye(17, k=1) + np.eye(17, k=-1)
    return np.linalg.eigvalsh(np.diag(numbers**2) + DEPTH / 2 * neighbors)


VALUES = energies()[:8]


def equation(psi, x, E):
    return -sngd.laplacian(psi)(x) + DEPTH * jnp.cos(2 * jnp.pi * x[0]) * psi(x) - E * psi(x)


cell = sngd.interval(x=(0, 1))
ends = sngd.Periodic("x", (0, 1), factor=np.exp(1j * WAVE_NUMBER))
unknowns = [sngd.Unknown("psi", complex=True), sngd.Constant("E")]
problem = sngd.Problem(cell, [sngd.Interior(equation), ends], unknowns=unknowns, name="bands")
