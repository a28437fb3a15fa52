"""Natural gradients for physics-informed neural networks, to near machine precision.

>>> import jax, jax.numpy as jnp, sngd
>>> jax.config.update("jax_enable_x64", True)
>>> line = sngd.interval(x=(0, 1))
>>> equation = sngd.Interior(lambda u, x: sngd.partial(u, "x", "x")(x) + u(x))
>>> ends = sngd.Dirichlet(lambda x: jnp.sin(x[0]))
>>> problem = sngd.Problem(line, [equation, ends], exact=lambda x: jnp.sin(x[0]))
>>> solution = sngd.solve(problem, "1x10", key=jax.random.key(0), stopping=sngd.Stopping(iterations=50))
>>> solution.relative_l2() < 1e-8
True
"""

import importlib.metadata

from sngd import descent, display, files, geometry, library, linearize, networks, problem, search, sketch, solver
from sngd.display import ProgressDisplay
from sngd.features import Features
from sngd.files import read_data
from sngd.geometry import GaussLegendre, Midpoint, Sobol, UniformGrid, UniformRandom, box, interval, space_time
from sngd.problem import (
    Boundary,
    Constant,
    Data,
    Dirichlet,
    Energy,
    Field,
    Initial,
    Interior,
    Law,
    Neumann,
    Periodic,
    Problem,
    Robin,
    Smooth,
    Unknown,
    directional,
    divergence,
    gradient,
    laplacian,
    partial,
)
from sngd.solver import (
    OPTIMIZERS,
    Callback,
    Checkpoints,
    Eigenpairs,
    Optimizer,
    Profile,
    Record,
    Result,
    Solution,
    Stopping,
    eigenpairs,
    load,
    plot,
    plot_constants,
    profile,
    save,
    solve,
)

__version__ = importlib.metadata.version("sngd")

__all__ = [
    "OPTIMIZERS",
    "Boundary",
    "Callback",
    "Checkpoints",
    "Constant",
    "Data",
    "Dirichlet",
    "Eigenpairs",
    "Energy",
    "Features",
    "Field",
    "GaussLegendre",
    "Initial",
    "Interior",
    "Law",
    "Midpoint",
    "Neumann",
    "Optimizer",
    "Periodic",
    "Problem",
    "Profile",
    "ProgressDisplay",
    "Record",
    "Result",
    "Robin",
    "Smooth",
    "Sobol",
    "Solution",
    "Stopping",
    "UniformGrid",
    "UniformRandom",
    "Unknown",
    "__version__",
    "box",
    "descent",
    "directional",
    "display",
    "divergence",
    "eigenpairs",
    "files",
    "geometry",
    "gradient",
    "interval",
    "laplacian",
    "library",
    "linearize",
    "load",
    "networks",
    "partial",
    "plot",
    "plot_constants",
    "problem",
    "profile",
    "read_data",
    "save",
    "search",
    "sketch",
    "solve",
    "solver",
    "space_time",
]
