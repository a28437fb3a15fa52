"""Deliberate faults, each caught by a test: puts one into a copy of the source tree and runs the test that catches it.

    python -m benchmarks faults

First the tests run on an unchanged copy, where they must pass. Then each fault has a copy of its own, in which one text
of one file is replaced, and a process of its own, in which its test must fail. Results are kept in
`results/faults.json` and `results/faults.md`. The exit status is 1 where a test does not pass without its fault or does
not fail with it, and 2 where a text that is to be replaced does not occur exactly once.
"""

import dataclasses
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.machine import RESULTS, machine, write

ROOT = Path(__file__).parent.parent
COPIED = ("sngd", "reproduction", "benchmarks", "tests", "docs", "examples", "pyproject.toml", "README.md")

# Seconds that one test may take.
PATIENCE = 600

# Lines of a test's error that are kept, and characters.
LINES, CHARACTERS = 3, 200

# Exit statuses of pytest: all tests passed, or some failed. With any other one no test ran.
PASSED, FAILED = 0, 1


@dataclasses.dataclass(frozen=True)
class Fault:
    """One text of one file, that is replaced by another.

    - `name`: what is wrong; `change`: the replacement in words.
    - `test`: the node of pytest, in the folder `tests`, that catches the fault.
    """

    name: str
    file: str
    old: str
    new: str
    change: str
    test: str


FAULTS = (
    Fault(
        "The normals of faces point inward.",
        "sngd/problem/_domain.py",
        '(-1.0 if self.side == "lower" else 1.0)',
        '(1.0 if self.side == "lower" else -1.0)',
        "the sign of the normal on the lower and on the upper side",
        "test_quadrature.py::test_divergence_theorem_on_a_box",
    ),
    Fault(
        "The points of a face have their coordinates in another order.",
        "sngd/problem/_domain.py",
        "np.insert(points, self.index, self.position, axis=1)",
        "np.insert(points, self.box.dimension - 1 - self.index, self.position, axis=1)",
        "the place of the face's own coordinate, counted from the last axis",
        "test_quadrature.py::test_faces_of_space_time",
    ),
    Fault(
        "Every face has the measure one.",
        "sngd/problem/_problem.py",
        "weights=np.concatenate([weights for _, _, weights in parts])",
        "weights=np.concatenate([weights / weights.sum() for _, _, weights in parts])",
        "the quadrature weights of a face, divided by their sum",
        "test_quadrature.py::test_divergence_theorem_on_a_box",
    ),
    Fault(
        "The weight of a condition is dropped.",
        "sngd/problem/_problem.py",
        "condition.weight * found.weights",
        "found.weights",
        "the quadrature weights without that of the condition",
        "test_conditions.py::test_weights_multiply_a_condition_in_the_loss",
    ),
    Fault(
        "A periodic condition matches values in the place of derivatives.",
        "sngd/problem/_conditions.py",
        "_derivative(u, self.axis, order,",
        "_derivative(u, self.axis, 0,",
        "the order of the derivative, by zero",
        "test_conditions.py::test_initial_velocity_and_periodic_slopes",
    ),
    Fault(
        "The natural boundary condition has the wrong sign.",
        "sngd/problem/_variation.py",
        "jnp.dot(z - x, normal)",
        "jnp.dot(x - z, normal)",
        "the sign of the natural flux of an energy",
        "test_linearize.py::test_the_gradient_by_parts_is_that_of_the_energy",
    ),
    Fault(
        "The second variation has the factor 9 in the place of 3.",
        "sngd/library/_paper.py",
        "math.sqrt(3) * u(x) * v(x)",
        "3 * u(x) * v(x)",
        "the square root of a coefficient of the metric, by the coefficient",
        "test_conditions.py::test_the_energy_is_stationary_at_the_exact_solution_and_its_metric_is_the_second_variation",
    ),
    Fault(
        "A network scales each input by the bounds of another one.",
        "sngd/networks/_mlp.py",
        "lower, upper = np.array(self.bounds).T",
        "lower, upper = np.array(self.bounds[::-1]).T",
        "the order of the bounds of the axes",
        "test_library.py::test_scales_bound_the_initial_parameters_and_inputs_are_scaled_to_the_box",
    ),
    Fault(
        "The sine reduces its argument by a pi of half the digits.",
        "sngd/networks/_sine.py",
        "((x - turns * _PI[0]) - turns * _PI[1]) - turns * _PI[2]",
        "(x - turns * _PI[0]) - turns * _PI[1]",
        "the last of three parts of pi, left out",
        "test_networks.py::test_sine_of_multiples_of_pi_and_of_small_numbers",
    ),
    Fault(
        "Functions with equal values and different derivatives are merged.",
        "sngd/linearize/_jaxpr.py",
        "    key = (equation.primitive, parameters_of(equation), equation.ctx)",
        '    called = equation.params.get("call_jaxpr")\n'
        "    own = parameters_of(equation) if called is None else str(called)\n"
        "    key = (equation.primitive, own, equation.ctx)",
        "the comparison of custom derivatives, by that of the values",
        "test_custom_derivatives.py::test_rows_and_gradient_are_those_of_the_function_as_written"
        "[custom_jvp by a factory]",
    ),
    Fault(
        "A rewritten residual is not compared with the residual as written.",
        "sngd/linearize/_rewriting.py",
        "if not difference <= max(_DIFFERENCE * scale, tolerance):",
        "if difference < 0:",
        "the tolerance of the comparison, by none",
        "test_custom_derivatives.py::test_what_cannot_be_rewritten_is_left_as_it_is_with_a_warning"
        "[a function that changes from call to call]",
    ),
    Fault(
        "Outer products are added where their vectors are parallel in one row only.",
        "sngd/linearize/_outer.py",
        "multiple = jnp.all(apart <=",
        "multiple = jnp.any(apart <=",
        "all rows, by any row",
        "test_outer.py::test_vectors_that_are_multiples_in_some_rows_only_stay_apart",
    ),
    Fault(
        "The change of an energy is the difference of two energies.",
        "sngd/linearize/_energy.py",
        "return jnp.where(is_small | agrees, integral, difference)",
        "return difference",
        "the integral of the gradient, by the plain difference",
        "test_linearize.py::test_a_small_change_of_an_energy_keeps_its_digits",
    ),
    Fault(
        "A sketch forgets the last block of rows.",
        "sngd/linearize/_factor.py",
        "return jax.lax.scan(add, total, blocks)[0]",
        "return jax.lax.scan(add, total, jax.tree.map(lambda array: array[:-1], blocks))[0]",
        "the blocks of rows of a sum, without the last one",
        "test_linearize.py::test_products_equal_dense_algebra_stored_in_chunks_of_any_size_and_in_layers[bvp]",
    ),
    Fault(
        "A single pass finds the inverse of its core.",
        "sngd/sketch/_eigh.py",
        "transpose_matmul(test_matrix, basis), transpose_matmul(sketch, basis)",
        "transpose_matmul(sketch, basis), transpose_matmul(test_matrix, basis)",
        "the two sides of a least-squares problem, exchanged",
        "test_sketch.py::test_exact_to_rounding_where_the_sketch_exceeds_the_rank[single-pass]",
    ),
    Fault(
        "The Levenberg-Marquardt damping is too large by a factor of a hundred.",
        "sngd/sketch/_svd.py",
        "(t * self.singular_values / (self.resolution * self.singular_values[0])) ** 2",
        "(t * self.singular_values / (10 * self.resolution * self.singular_values[0])) ** 2",
        "the root of the damping, multiplied by ten",
        "test_descent.py::test_damped_updates_are_those_of_levenberg_and_marquardt[1e-12]",
    ),
    Fault(
        "The predicted reduction of the loss counts the curvature twice.",
        "sngd/descent/_damped.py",
        "jnp.sum((kept - kept**2 / 2) * self.coordinates**2)",
        "jnp.sum((kept - kept**2) * self.coordinates**2)",
        "a half, by one",
        "test_descent.py::test_damped_updates_are_those_of_levenberg_and_marquardt[0.01]",
    ),
    Fault(
        "The gain ratio is compared the wrong way round.",
        "sngd/search/_gain.py",
        "(value - values >= fraction * predicted) & (values < value)",
        "(value - values <= fraction * predicted) & (values < value)",
        "at least the fraction of what was predicted, by at most",
        "test_search.py::test_gain_ratio_takes_the_boldest_step_that_has_the_gain_ratio[False]",
    ),
    Fault(
        "Every step draws with the same key.",
        "sngd/solver/_step.py",
        "next_key, step_key = jax.random.split(key)",
        "next_key, step_key = key, jax.random.split(key)[1]",
        "the key of the next state, by that of this one",
        "test_own_optimizers.py::test_every_step_has_a_key_of_its_own",
    ),
    Fault(
        "The key of a run is not restored from its checkpoint.",
        "sngd/files/_pytree.py",
        'found.append(restored(f"{name}_{next(numbers)}", leaf, arrays))',
        'found.append((restored(f"{name}_{next(numbers)}", leaf, arrays), leaf)[_is_key(leaf)])',
        "one array of the state, by that of the start",
        "test_checkpoints.py::test_a_killed_run_goes_on_bit_for_bit[single-pass]",
    ),
    Fault(
        "A file is written in its place, so that a failure destroys the earlier one.",
        "sngd/files/_archive.py",
        'partial = path.with_name(f".partial-{path.name}")',
        "partial = path",
        "the name of the file that is written first, by that of the file itself",
        "test_solutions.py::test_a_solution_that_cannot_be_written_leaves_the_earlier_one",
    ),
    Fault(
        "A solution is loaded for a problem with other bounds.",
        "sngd/solver/_save.py",
        "return _Identity(problem.name, tuple(domain.axes), bounds, domain",
        "return _Identity(problem.name, tuple(domain.axes), (), domain",
        "the bounds in the identity of a problem, left out",
        "test_solutions.py::test_the_solution_of_another_problem_is_refused",
    ),
    Fault(
        "A solution is checked and its error estimated at the points that it was fitted at.",
        "sngd/problem/_quadrature.py",
        "return Midpoint(self.points_per_axis) if max(_listed(self.points_per_axis), default=0) > 1 else _off_center()",
        "return self",
        "the points between those of a rule, by the rule itself",
        "test_policies.py::test_a_run_that_fits_its_points_only_says_so_or_takes_more",
    ),
    Fault(
        "LAPACK is loaded after its threads are limited.",
        "sngd/solver/_threads.py",
        "import scipy.linalg.cython_blas\nimport scipy.linalg.cython_lapack  # noqa: F401\n",
        "",
        "two imports, left out",
        "test_threads.py::test_lapack_has_half_of_the_cores_during_a_run",
    ),
    Fault(
        "LAPACK's threads are not limited.",
        "sngd/solver/_threads.py",
        "threadpoolctl.threadpool_limits(lapack_threads(),",
        "threadpoolctl.threadpool_limits(None,",
        "the limit, by none",
        "test_threads.py::test_lapack_has_half_of_the_cores_during_a_run",
    ),
    Fault(
        "The command line succeeds whatever the result.",
        "sngd/cli/_main.py",
        "return solution.result.exit_status",
        "return 0",
        "the exit status of the result, by zero",
        "test_cli.py::test_a_result_without_a_solution_has_its_own_exit_status",
    ),
    Fault(
        "The reproduction gives the best error for the median.",
        "reproduction/tables.py",
        '"median": (statistics.median(errors), line.median)',
        '"median": (min(errors), line.median)',
        "the median, by the minimum",
        "test_paper.py::test_a_table_has_our_numbers_beside_the_papers",
    ),
    Fault(
        "A table gives the smallest error for the largest.",
        "benchmarks/globalization.py",
        "({max(errors):.0e})",
        "({min(errors):.0e})",
        "the maximum, by the minimum",
        "test_bench.py::test_ways_are_tabulated_by_their_median_and_largest_error",
    ),
    Fault(
        "The bound of a nonmonotone step holds for the steps after it.",
        "sngd/search/_gain.py",
        "bound=jnp.full_like(state.bound, -jnp.inf))",
        "bound=state.bound)",
        "the bound of the next step, by that of this one",
        "test_search.py::test_one_step_alone_may_raise_the_loss_and_the_next_ones_are_bolder",
    ),
    Fault(
        "A run goes on although a callback ends it.",
        "sngd/solver/_driver.py",
        "stopped |= isinstance(answer, bool | np.bool_) and bool(answer)",
        "stopped |= False",
        "the answer of a callback, left out",
        "test_own_parts.py::test_a_callback_ends_a_run_by_its_return_value",
    ),
    Fault(
        "Coefficients are constants of the compiled code.",
        "sngd/linearize/_trial.py",
        "parameters: dict[str, Array] = eqx.field(default_factory=dict)",
        "parameters: dict[str, Array] = eqx.field(default_factory=dict, static=True)",
        "data, by metadata",
        "test_parameters.py::test_another_value_compiles_nothing_again",
    ),
)


@dataclasses.dataclass(frozen=True)
class Outcome:
    """What became of tests: pytest's exit status, the seconds they took, and how the first error begins."""

    status: int
    seconds: float
    error: str


def copied(folder: Path) -> Path:
    """A copy of what the tests need, in a new folder within `folder`."""
    tree = Path(tempfile.mkdtemp(dir=folder))
    for name in COPIED:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, tree / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(ROOT / name, tree / name)
    return tree


def changed(fault: Fault) -> str:
    """The text of the file with the fault. Raises `ValueError` where the text to replace does not occur once."""
    text = (ROOT / fault.file).read_text()
    count = text.count(fault.old)
    if count != 1:
        raise ValueError(f"{fault.name!r} replaces {fault.old!r}, which {fault.file} has {count} times, not once")
    return text.replace(fault.old, fault.new)


def run(tree: Path, *tests: str) -> Outcome:
    """Run tests of a copy in a new process."""
    start = time.perf_counter()
    done = python(tree, "-m", "pytest", "-p", "no:cacheprovider", "-n", "0", *(f"tests/{test}" for test in tests))
    told = re.findall(r"^E +(\S.*)$", done.stdout, re.MULTILINE)[:LINES] or [done.stderr.strip().rpartition("\n")[2]]
    # Without the folders of this machine.
    error = re.sub(r"(/[^\s/'\"]+)+/", "", " ".join(told)[:CHARACTERS])
    return Outcome(done.returncode, time.perf_counter() - start, error if done.returncode else "")


def python(tree: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a new process that imports the package from a copy."""
    environment = os.environ | {"PYTHONPATH": str(tree), "PYTHONDONTWRITEBYTECODE": "1"}
    command = [sys.executable, *arguments]
    return subprocess.run(command, cwd=tree, env=environment, capture_output=True, text=True, timeout=PATIENCE)


def measure(fault: Fault, folder: Path) -> dict[str, object]:
    """Whether the test fails with the fault, and with which error."""
    tree = copied(folder)
    (tree / fault.file).write_text(changed(fault))
    outcome = run(tree, fault.test)
    shutil.rmtree(tree)
    caught = outcome.status == FAILED
    print(f"{'caught' if caught else 'NOT CAUGHT'}: {fault.name} ({outcome.seconds:.0f} s) {outcome.error}", flush=True)
    return dataclasses.asdict(fault) | {
        "caught": caught,
        "status": outcome.status,
        "seconds": round(outcome.seconds, 1),
        "error": outcome.error,
    }


def table(rows: list[dict[str, Any]]) -> str:
    """The results as Markdown, with where and when they were measured."""
    lines = ["| fault | file | replaced | test that catches it | caught | seconds |", "|---|---|---|---|---|---|"]
    for row in rows:
        cells = (row["name"], f"`{row['file']}`", row["change"], f"`{row['test']}`")
        lines.append(f"| {' | '.join(cells)} | {'yes' if row['caught'] else '**no**'} | {row['seconds']:.0f} |")
    where = machine()
    place = f"{where['processor']}, {where['cores']} cores, {where['versions']}, {where['date']}"
    note = f"`python -m benchmarks faults`, {place}. Without its fault every test passes."
    return "\n".join([*lines, "", note]) + "\n"


def main() -> int:
    try:
        for fault in FAULTS:
            changed(fault)
    except ValueError as error:
        print(error, file=sys.stderr)
        return 2
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        tree = copied(folder)
        imported = python(tree, "-c", "import sngd; print(sngd.__file__)").stdout.strip()
        if not Path(imported).is_relative_to(tree):
            print(f"the copy in {tree} is not what Python imports, but {imported!r}", file=sys.stderr)
            return 2
        unchanged = run(tree, *dict.fromkeys(fault.test for fault in FAULTS))
        if unchanged.status != PASSED:
            print(f"without a fault the tests do not pass: {unchanged.error}", file=sys.stderr)
            return 1
        print(f"without a fault all tests pass ({unchanged.seconds:.0f} s)", flush=True)
        rows = [measure(fault, folder) for fault in FAULTS]
    write("faults", {"seconds without a fault": round(unchanged.seconds, 1), "faults": rows})
    (RESULTS / "faults.md").write_text(table(rows))
    return 0 if all(row["caught"] for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
