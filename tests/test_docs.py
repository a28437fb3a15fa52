"""What the documents show is what happens."""

import dataclasses
import doctest
import functools
import importlib.util
import re
import runpy
from collections.abc import Callable
from pathlib import Path

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import sngd
from sngd.linearize import make_objective
from sngd.networks import WithConstants
from sngd.problem import real_parts

ROOT = Path(__file__).parent.parent


class Exact(eqx.Module):
    """An exact solution as a network."""

    function: Callable = eqx.field(static=True)
    nothing: jax.Array

    def __call__(self, x):
        return self.function(x) + self.nothing[0]


def test_the_readme_solves_poissons_equation_in_fifteen_lines(capsys):
    code = re.search(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)[1]
    assert len(code.splitlines()) <= 15
    exec(compile(code, "README.md", "exec"), {})
    assert 0 < float(capsys.readouterr().out) < 1e-10


@pytest.mark.parametrize("page", ["regions", "interfaces"])
def test_the_code_of_a_page_runs(page):
    """The blocks of a page are one program, whose assertions hold."""
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / f"{page}.md").read_text(), re.DOTALL)
    assert blocks
    exec(compile("\n".join(blocks), f"{page}.md", "exec"), {})


def test_the_sums_of_the_coverage_are_those_of_its_rows():
    sections = re.split(r"^## ", (ROOT / "docs" / "coverage.md").read_text(), flags=re.MULTILINE)[1:]
    verdicts = ("plainly", "with a trick", "not")
    found = {}
    for section in sections[:-1]:
        given = [row.split(" | ")[1] for row in section.splitlines() if row.startswith("| ") and "verdict" not in row]
        assert set(given) <= set(verdicts)
        found[section.splitlines()[0]] = [len(given), *map(given.count, verdicts)]
    found["all"] = [sum(column) for column in zip(*found.values(), strict=True)]
    rows = [row.strip("| ").split(" | ") for row in sections[-1].splitlines() if re.search(r"\d \|$", row)]
    assert {name: list(map(int, numbers)) for name, *numbers in rows} == found


def test_examples_run():
    for path in sorted((ROOT / "examples").glob("*.py")):
        spec = importlib.util.spec_from_file_location(path.stem, path)
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        assert module.main(iterations=40) < 1e-5


def test_problem_files_hold_with_their_exact_solutions():
    """The residuals of every problem in `examples/problems` vanish for the exact solution that the file states."""
    paths = sorted((ROOT / "examples" / "problems").glob("*.py"))
    assert paths
    for path in paths:
        problem = runpy.run_path(str(path))["problem"]
        exact = sngd.Field(problem.exact, problem.domain, components=problem.components)
        for condition in problem.conditions:
            found = problem.collocation(condition)
            residual = jax.vmap(functools.partial(condition.residual, exact))(found.points, found.normals)
            np.testing.assert_allclose(residual, 0, atol=1e-10, err_msg=path.name)


@pytest.mark.parametrize("folder", ["inverse", "complex", "noisy"])
def test_examples_hold_with_their_exact_solutions_and_true_constants(folder):
    """The residuals of every problem in the folder vanish for what the file states."""
    paths = sorted((ROOT / "examples" / folder).glob("*.py"))
    assert paths
    for path in paths:
        found = runpy.run_path(str(path))
        problem = found["problem"]
        # Noise is in the readings, and not in the equations.
        exactly = [each for each in problem.conditions if each.noise_unit is None]
        problem = dataclasses.replace(problem, conditions=exactly)
        true = dict(found["TRUE"])
        for law in problem.laws:
            series = np.polynomial.Chebyshev.interpolate(found["law"], law.terms - 1, domain=law.between)
            true |= dict(zip([each.name for each in law.coefficients], series.coef, strict=True))
        variables = [each.variable(true[each.name]) for each in problem.constants]
        network = Exact(lambda x, exact=problem.exact: real_parts(exact(x)), jnp.zeros(1))
        network = WithConstants(network, jnp.array(variables)) if variables else network
        objective, theta = make_objective(problem, network)
        # The zero function is none that Stefan's problem can be evaluated for.
        data = np.asarray(objective.data(theta))
        sizes = 1 + np.linalg.norm(data[np.isfinite(data)])
        np.testing.assert_allclose(objective.residual(theta), 0, atol=1e-9 * sizes, err_msg=path.name)


def test_examples_on_regions_hold_with_their_exact_solutions():
    """The residuals of every problem in `examples/regions` vanish for what the file states, region by region."""
    paths = sorted((ROOT / "examples" / "regions").glob("*.py"))
    assert paths
    for path in paths:
        found = runpy.run_path(str(path))
        problem = found["problem"]
        if not isinstance(problem, sngd.Problem) or problem.exact is None:
            continue
        # The exact solution is that of the unknowns, and not of what a trial function makes them of.
        unknowns = [
            dataclasses.replace(each, trial=None, parts=1) if isinstance(each, sngd.Unknown) else each
            for each in problem.unknowns
        ]
        problem = dataclasses.replace(problem, unknowns=unknowns)
        pieces = found.get("PIECES", {"": found["exact"]})
        parts = lambda x, pieces=pieces: jnp.concatenate([real_parts(jnp.ravel(each(x))) for each in pieces.values()])
        network = Exact(lambda x, parts=parts: jnp.squeeze(parts(x)), jnp.zeros(1))
        true = found.get("TRUE", {})
        variables = [each.variable(true[each.name]) for each in problem.constants]
        network = WithConstants(network, jnp.array(variables)) if variables else network
        objective, theta = make_objective(problem, network)
        sizes = 1 + np.linalg.norm(objective.data(theta))
        np.testing.assert_allclose(objective.residual(theta), 0, atol=1e-9 * sizes, err_msg=path.name)


def test_eigenvalue_problems_hold_with_their_exact_pairs():
    """The residuals of every problem in `examples/eigen` vanish for the values and functions that the file states."""
    paths = sorted((ROOT / "examples" / "eigen").glob("*.py"))
    assert paths
    for path in paths:
        found = runpy.run_path(str(path))
        problem, function, values = found["problem"], found.get("function"), found["VALUES"]
        distances = np.abs(values - found.get("NEAR", np.min(values)))
        assert np.all(np.diff(distances) >= 0), path.name
        for number in range(found["COUNT"] if function else 0):
            network = Exact(functools.partial(function, number), jnp.zeros(1))
            objective, theta = make_objective(problem, WithConstants(network, jnp.array(values[[number]])))
            np.testing.assert_allclose(
                objective.residual(theta), 0, atol=1e-9 * (1 + values[number]), err_msg=path.name
            )


def test_the_lines_at_the_top_of_the_package():
    assert doctest.testmod(sngd).attempted > 0
    assert doctest.testmod(sngd).failed == 0


def test_links_between_documents_lead_somewhere():
    for page in [*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")]:
        # Brackets and parentheses in code are no links.
        prose = re.sub(r"```.*?```|`[^`]*`", "", page.read_text(), flags=re.DOTALL)
        for target in re.findall(r"\]\(([^)#]+)\)", prose):
            if "://" not in target:
                assert (page.parent / target).exists(), f"{page.name} links to {target}"
