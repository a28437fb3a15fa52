"""Poisson's equation in a solid from an STL file, from arrays, and from points with normals.

The solid is a ring with a bumpy surface of 5,184 triangles. Each line ends with the error, as the solution is known:
`python examples/regions/solid.py`.
"""

import tempfile
import time
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

import sngd

jax.config.update("jax_enable_x64", True)


def exact(x):
    return jnp.sin(2 * x[0] + 1) * jnp.exp(x[1] / 2) * jnp.cos(x[2])


def problem(region):
    equation = sngd.Interior(lambda u, x: sngd.laplacian(u)(x) + 4.75 * exact(x))
    return sngd.Problem(region, [equation, sngd.Dirichlet(exact)])


def ring(around=72, across=36):
    """The vertices of a bumpy ring, and its triangles, whose corners are counterclockwise seen from outside."""
    one, two = (each.ravel() for each in np.meshgrid(np.arange(around), np.arange(across), indexing="ij"))
    angle, turn = 2 * np.pi * one / around, 2 * np.pi * two / across
    radius = 0.4 + 0.05 * np.cos(5 * angle) * np.cos(3 * turn)
    distance = 1 + radius * np.cos(turn)
    vertices = np.stack([distance * np.cos(angle), distance * np.sin(angle), radius * np.sin(turn)], axis=1)
    corners = [(one + i) % around * across + (two + j) % across for i, j in ((0, 0), (1, 0), (1, 1), (0, 1))]
    halves = [np.stack([corners[at] for at in each], axis=1) for each in ((0, 1, 2), (0, 2, 3))]
    return vertices, np.concatenate(halves)


def write_stl(path, vertices, triangles):
    """A binary STL file: a header of 80 bytes, the number of triangles, and 50 bytes for each of them."""
    facets = np.zeros(len(triangles), [("normal", "<f4", 3), ("corners", "<f4", (3, 3)), ("attribute", "<u2")])
    facets["corners"] = vertices[triangles]
    path.write_bytes(bytes(80) + np.uint32(len(triangles)).tobytes() + facets.tobytes())


def regions(folder):
    """The same solid, three times."""
    vertices, triangles = ring()
    write_stl(folder / "ring.stl", vertices, triangles)
    solid = sngd.mesh(vertices, triangles)
    surface = solid.piece("boundary").spread(6000)
    return {
        "STL file": sngd.read_mesh(folder / "ring.stl"),
        "arrays": solid,
        "points": sngd.cloud(solid.spread(6000).points, surface.points, surface.normals),
    }


def main(seed=0):
    with tempfile.TemporaryDirectory() as folder:
        for name, region in regions(Path(folder)).items():
            start = time.perf_counter()
            solution = sngd.solve(problem(region), tolerance=1e-8, key=jax.random.key(seed))
            seconds, error = time.perf_counter() - start, solution.relative_l2(exact)
            print(f"{name}: {solution.result.value}, relative error {error:.1e} in {seconds:.1f} s")


if __name__ == "__main__":
    main()
