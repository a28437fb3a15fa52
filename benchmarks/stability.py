"""The stability constant and the error estimate beside the error: well-posed problems, and problems that are not.

    python -m benchmarks stability [names]

The default network, seed 0, one process. Writes results/stability.json and results/stability.md.
"""

import argparse
import logging
import math
from collections.abc import Callable

import jax
import jax.numpy as jnp
from scipy.integrate import solve_ivp

import sngd
from benchmarks.machine import RESULTS, write
from sngd import library

D = sngd.partial
SQUARE = sngd.box(x=(0, 1), y=(0, 1))
STRIP = sngd.space_time(t=(0, 1), x=(0, 1))
BUMP = sngd.Initial(lambda x: jnp.sin(jnp.pi * x[1]))
HEAT = sngd.Interior(lambda u, x: D(u, "t")(x) - D(u, "x", "x")(x) / 4)
WAVE = sngd.Interior(lambda u, x: D(u, "t", "t")(x) - D(u, "x", "x")(x))


def helmholtz() -> sngd.Problem:
    equation = sngd.Interior(lambda u, x: sngd.laplacian(u)(x) + 400 * u(x))
    exact = lambda x: jnp.cos(20 * x[0])
    return sngd.Problem(SQUARE, [equation, sngd.Dirichlet(exact)], exact=exact)


def wave() -> sngd.Problem:
    conditions = [WAVE, BUMP, sngd.Initial(0.0, derivative=1), sngd.Dirichlet(0.0)]
    return sngd.Problem(STRIP, conditions, exact=lambda x: jnp.cos(jnp.pi * x[0]) * jnp.sin(jnp.pi * x[1]))


def _system(rates: Callable, start: list[float], end: float) -> sngd.Problem:
    """An ordinary differential equation, with the solution of SciPy's solver at a tolerance of 1e-12."""
    found = solve_ivp(lambda t, u: rates(u), (0, end), start, rtol=1e-12, atol=1e-12, dense_output=True)
    names = [f"u{number}" for number in range(len(start))]

    def equations(x: jnp.ndarray, **unknowns: sngd.Field) -> jnp.ndarray:
        parts = rates([unknowns[name](x) for name in names])
        return jnp.stack([D(unknowns[name], "t")(x) - part for name, part in zip(names, parts, strict=True)])

    conditions = [sngd.Interior(equations), sngd.Initial(lambda x: jnp.array(start))]
    exact = lambda x: found.sol(float(x[0]))
    return sngd.Problem(sngd.interval(t=(0, end)), conditions, unknowns=names, exact=exact)


def lorenz() -> sngd.Problem:
    rates = lambda u: [10 * (u[1] - u[0]), u[0] * (28 - u[2]) - u[1], u[0] * u[1] - 8 / 3 * u[2]]
    return _system(rates, [-8.0, 7.0, 27.0], 3.0)


def lotka_volterra() -> sngd.Problem:
    rates = lambda u: [2 * u[0] - 0.04 * u[0] * u[1], 0.02 * u[0] * u[1] - 1.06 * u[1]]
    return _system(rates, [100.0, 15.0], 10.0)


def backward(diffusivity: float) -> sngd.Problem:
    equation = sngd.Interior(lambda u, x: D(u, "t")(x) + diffusivity * D(u, "x", "x")(x))
    return sngd.Problem(STRIP, [equation, BUMP, sngd.Dirichlet(0.0)])


def neumann() -> sngd.Problem:
    source = lambda x: jnp.cos(jnp.pi * x[0]) * jnp.cos(jnp.pi * x[1])
    return sngd.Problem(SQUARE, [sngd.Interior(lambda u, x: sngd.laplacian(u)(x) + source(x)), sngd.Neumann(0.0)])


def one_face_free() -> sngd.Problem:
    equation = sngd.Interior(lambda u, x: sngd.laplacian(u)(x) + 1)
    return sngd.Problem(SQUARE, [equation, sngd.Dirichlet(0.0, on=SQUARE.boundary[:3])])


PROBLEMS: dict[str, Callable[[], sngd.Problem]] = {
    "heat": library.heat,
    "Poisson": library.poisson,
    "boundary value problem": library.bvp,
    "wave": wave,
    "Helmholtz, k = 20": helmholtz,
    "transport, c = 30": library.transport,
    "Lorenz, t <= 3": lorenz,
    "Lotka-Volterra, t <= 10": lotka_volterra,
    "heat without initial values": lambda: sngd.Problem(STRIP, [HEAT, sngd.Dirichlet(lambda x: 1.0 + x[1])]),
    "heat with one boundary value": lambda: sngd.Problem(
        STRIP, [HEAT, BUMP, sngd.Dirichlet(0.0, on=STRIP.face("x", "lower"))]
    ),
    "wave without initial velocity": lambda: sngd.Problem(STRIP, [WAVE, BUMP, sngd.Dirichlet(0.0)]),
    "Poisson with a free face": one_face_free,
    "Poisson with Neumann values alone": neumann,
    "backward heat, diffusivity 1/4": lambda: backward(0.25),
    "backward heat, diffusivity 1": lambda: backward(1.0),
}


def measure(name: str) -> dict[str, float | str | None]:
    """One run, at most 70 iterations."""
    stopping = sngd.Stopping(iterations=70, restarts=0)
    problem = PROBLEMS[name]()
    solution = sngd.solve(problem, key=jax.random.key(0), stopping=stopping, error_every=1000)
    error = None if problem.exact is None else solution.relative_l2()
    finite = lambda number: number if math.isfinite(number) else None
    return {
        "problem": name,
        "result": solution.result.value,
        "detail": solution.detail,
        "iterations": len(solution.history) - 1,
        "stability": finite(solution.stability),
        "error_estimate": finite(solution.error_estimate),
        "error": error,
    }


def table(rows: list[dict]) -> str:
    """A Markdown table of the measurements."""
    text = lambda number, missing: missing if number is None else f"{number:.1e}"
    lines = ["| problem | result | constant | estimate | error |", "|---|---|---|---|---|"]
    for row in rows:
        constant, estimate = (text(row[key], "no bound") for key in ("stability", "error_estimate"))
        lines.append(f"| {row['problem']} | {row['result']} | {constant} | {estimate} | {text(row['error'], '')} |")
    return "\n".join(lines)


def main() -> None:
    jax.config.update("jax_enable_x64", True)
    logging.getLogger("sngd").setLevel(logging.ERROR)
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", default=list(PROBLEMS))
    rows = []
    for name in parser.parse_args().names:
        rows.append(measure(name))
        print(rows[-1], flush=True)
    write("stability", {"runs": rows})
    (RESULTS / "stability.md").write_text(table(rows) + "\n")


if __name__ == "__main__":
    main()
