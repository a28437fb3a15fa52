"""The reproduction: the published numbers, cells, tables, figures, and the theory against independent integrals."""

import dataclasses
import io
import json

import equinox as eqx
import numpy as np
import pytest
import rich.console
import rich.measure
import scipy.integrate
from paper_cells import cells_of, result

import reproduction as paper
from reproduction import appendix, theory
from reproduction.__main__ import main
from reproduction.cells import is_finished
from reproduction.figures import decay_fit, descend, describe_figure
from reproduction.losses import mean_loss, running_minimum
from reproduction.published import LINES, RUNS
from sngd.geometry import GaussLegendre
from sngd.library import poisson
from sngd.linearize import make_objective
from sngd.networks import make_network
from sngd.solver import Record


def test_published_numbers_are_consistent_but_for_the_known_misprint():
    for line in LINES:
        if line.median is not None:
            misprint = (line.network, line.optimizer) == ("A3", "two-pass")
            assert (line.least <= line.median <= line.largest) != misprint
    assert len(RUNS) == 25
    assert {run.run for run in RUNS} == {1, 2, 3, 4, 5}


def test_cells_are_those_that_tables_and_figures_need():
    every = paper.select_cells()
    assert len({cell.name for cell in every}) == len(every) >= 120
    assert {cell.line.problem for cell in paper.select_cells(tables=[3])} == {"poisson"}
    assert {cell.line.problem for cell in paper.select_cells(figures=[1], tables=[5])} == {"transport", "bvp-energy"}
    assert [cell.name for cell in paper.select_cells(only="heat-A1-engd-seed2")] == ["heat-A1-engd-seed2"]
    with pytest.raises(ValueError, match="table is 7; runs are made for 1, 2"):
        paper.select_cells(tables=[7])
    with pytest.raises(ValueError, match="cell is 'nonsense', which is part of no cell's name"):
        paper.select_cells(only="nonsense")


def test_a_cell_is_run_again_only_for_a_larger_budget():
    (cell,) = paper.select_cells(only="heat-A1-adam-seed0")
    cut = result(cell, 1e-3, seconds=301.0, iterations=1000, ended="fits its points only")
    assert not is_finished(cell, None, "quick")
    assert is_finished(cell, cut, "quick")
    assert is_finished(cell, cut, "cpu")
    assert not is_finished(cell, cut, "paper")
    assert is_finished(cell, result(cell, 1e-3), "paper")
    stagnated = result(cell, 1e-3, iterations=1000, ended="stagnated")
    assert is_finished(cell, stagnated, "paper")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "out holds half.json, which is not JSON"),
        ("[]", "out holds half.json, which is not a cell: it lacks relative_l2, loss, .*delete it"),
        ('{"loss": 1.0}', "which is not a cell: it lacks relative_l2, gramian_rank"),
    ],
)
def test_a_file_that_is_no_cell_is_named(tmp_path, text, message):
    (tmp_path / "half.json").write_text(text)
    with pytest.raises(ValueError, match=message):
        paper.read_cells(tmp_path)


def test_a_cell_holds_what_its_run_did(tmp_path, monkeypatch):
    (cell,) = paper.select_cells(only="heat-A1-two-pass-seed0")
    monkeypatch.setattr("reproduction.cells._SPECTRUM_CELL", cell.name)
    short = dataclasses.replace(cell, line=dataclasses.replace(cell.line, iterations=5))
    paper.run_cell(short, "quick", tmp_path)
    found = paper.read_cells(tmp_path)[cell.name]
    assert found["iterations"] == 5
    assert found["history"]["iteration"] == [0, 1, 2, 3, 4, 5]
    assert found["history"]["loss"][-1] == pytest.approx(found["loss"], rel=1e-4)
    assert found["history"]["error"][-1] == pytest.approx(found["relative_l2"], rel=1e-3)
    assert found["parameters"] == 261
    assert 0 < found["gramian_rank"] <= 261
    # Every fifteenth eigenvalue, at the start and at the end of the run.
    spectra = {iteration: np.array(values) for iteration, values in found["eigenvalues"].items()}
    assert list(spectra) == ["0", "5"]
    for values in spectra.values():
        assert len(values) == 18
        assert np.all(np.diff(values) < 0)
    assert np.sum(spectra["5"] > 1e-13) == -(-found["gramian_rank"] // 15)


def test_a_cell_whose_process_is_killed_goes_on(tmp_path, monkeypatch):
    (cell,) = paper.select_cells(only="heat-A1-two-pass-seed0")
    short = dataclasses.replace(cell, line=dataclasses.replace(cell.line, iterations=5))
    trained = []

    def killed(solution, **_):
        trained.append(solution.history)
        raise RuntimeError

    with monkeypatch.context() as patched:
        patched.setattr("reproduction.cells.summarize", killed)
        with pytest.raises(RuntimeError):
            paper.run_cell(short, "quick", tmp_path)
    assert not paper.read_cells(tmp_path)
    found = paper.run_cell(short, "quick", tmp_path)
    # To the clock of the first run: no step was taken again.
    np.testing.assert_allclose(found["history"]["seconds"], trained[0].seconds, rtol=1e-3, atol=1e-3)
    assert list(tmp_path.rglob("*.npz")) == []


def test_the_rank_counts_eigenvalues_of_the_dense_gramian(key):
    problem = dataclasses.replace(poisson(), quadrature=GaussLegendre(12))
    objective, theta = make_objective(problem, make_network("1x10", problem.domain.bounds, 1, key=key))
    matrix = np.asarray(eqx.filter_jit(objective.residual_jacobian)(theta))
    dense = np.linalg.eigvalsh(matrix.T @ matrix)[::-1]
    values = paper.gramian_eigenvalues(objective, theta)
    np.testing.assert_allclose(values, dense, atol=1e-13 * dense[0])


def test_a_table_has_our_numbers_beside_the_papers():
    found = {}
    for cell, error in zip(cells_of("poisson", "two-pass"), (1e-9, 2e-9, 3e-9, 4e-9, 5e-9), strict=True):
        found[cell.name] = result(cell, error)
    for cell, error in zip(cells_of("poisson", "engd"), (1e-6, 2e-6, 3e-6, 4e-6, 5e-6), strict=True):
        found[cell.name] = result(cell, error, seconds=300.0, iterations=1000, ended="seconds exhausted")
    table = paper.make_table(3, found)
    rows = {row[0]: row for row in table.rows}
    assert rows["two-pass"] == (
        *("two-pass", "5 of 5", "3.00e-09", "1.21e-08", "1.00e-09", "7.58e-09", "5.00e-09", "1.98e-08"),
        "",
    )
    assert rows["engd"][-1] == "median, min, max"
    assert (
        "engd: 5 of 5 runs ended after 1,000 of 2,000 iterations: cut short by the budget of 300 seconds. "
        "In the last half of them the error fell by a factor of 200,000.0 to 1,000,000.0."
    ) in table.notes
    assert any(note.startswith("Not run yet: adam, bfgs, single-pass, l-bfgs;") for note in table.notes)
    # Runs cut at half of their iterations would have taken 2 x 300 seconds, against 100.
    ranks = {row[0]: row for row in paper.make_table(4, found).rows}
    assert ranks["engd"][-4:] == ("300", "600", "6", "4.6")
    assert ranks["two-pass"][4:6] == ("100.0", "134.6")


def test_why_a_run_ended_is_told():
    cells = cells_of("transport", "two-pass")
    found = {cells[0].name: result(cells[0], 1e-4, seconds=601.0, iterations=350, ended="fits its points only")}
    diverged = result(cells[1], 1.0, iterations=5, ended="non-finite") | {"relative_l2": None, "loss": None}
    found[cells[1].name] = diverged
    table = paper.make_table(6, found)
    assert (
        "two-pass: 1 of 2 runs ended after 350 of 3,000 iterations: cut short by the budget of 600 seconds; the "
        "equation holds at the points only. In the last half of them the error fell by a factor of 10,000.0."
    ) in table.notes
    assert "two-pass: 1 of 2 runs ended after 5 of 3,000 iterations: the loss is not finite." in table.notes
    assert [row[-1] for row in table.rows] == ["loss", "error, loss"]


def test_the_order_that_the_paper_claims_is_told_link_by_link():
    found = {}
    for optimizer, error in (("two-pass", 5e-8), ("engd", 1e-6), ("bfgs", 1e-7)):
        found |= {cell.name: result(cell, error) for cell in cells_of("poisson", optimizer)}
    table = paper.ordering(found)
    rows = {row[:2]: dict(zip(table.header, row, strict=True)) for row in table.rows}
    ours = rows["poisson 4x20", "ours"]
    assert (ours["two-pass < engd"], ours["engd < bfgs"], ours["bfgs < adam"]) == ("yes", "no", "not run")
    assert rows["poisson 4x20", "ratio"]["two-pass"] == "4.1"
    # On the transport equation the paper's own medians have ENGD above BFGS; on A3 it has neither.
    assert rows["transport 4x20", "paper"]["engd < bfgs"] == "no"
    assert rows["heat A3", "paper"]["two-pass < engd"] == "not there"
    assert "Medians of SNGD above 3 times the paper's: poisson 4x20 two-pass (4.1)." in table.notes


def test_the_seconds_until_an_error_are_those_of_the_slower_half():
    first, second, third, *_ = cells_of("poisson", "two-pass")
    found = {first.name: result(first, 5e-7, seconds=8.0), second.name: result(second, 2e-8, seconds=30.0)}
    row = lambda: dict(zip(table.header, table.rows[0], strict=True))
    table = paper.seconds_to_errors(found)
    # One of two runs is not below 1e-7, so that the mean of both is infinite.
    assert (row()["to 1e-02"], row()["to 1e-06"], row()["to 1e-07"]) == ("19", "19", "-")
    found[third.name] = result(third, 1e-8, seconds=200.0)
    table = paper.seconds_to_errors(found)
    assert (row()["to 1e-06"], row()["to 1e-07"], row()["to the paper's median"]) == ("30", "200", "-")
    assert (row()["paper's median"], row()["paper's minutes"], row()["runs"]) == ("1.21e-08", "1.92", "3 of 5")


def test_no_number_is_cut_off_on_a_narrow_terminal():
    found = {cell.name: result(cell, 1.234e-5) for cell in paper.select_cells()}
    for table in [paper.make_table(5, found), paper.ordering(found)]:
        shown = table.terminal()
        buffer = io.StringIO()
        wide = rich.console.Console(width=500)
        least = rich.measure.Measurement.get(wide, wide.options, shown).minimum
        rich.console.Console(file=buffer, width=least).print(shown)
        cells = {cell for row in table.rows for cell in row}
        assert cells <= {word.strip() for line in buffer.getvalue().splitlines() for word in line.split("  ")} | {""}


def test_every_table_is_made_of_whatever_is_finished():
    found = {cell.name: result(cell, 1e-5) for cell in paper.select_cells(seeds=1)}
    for number in range(1, 7):
        for results in ({}, found):
            table = paper.make_table(number, results)
            assert all(len(row) == len(table.header) for row in table.rows)
            assert table.markdown().count("\n| ") == len(table.rows) + 2
    memory = next(note for note in paper.make_table(1, found).notes if "9.4 TB" in note)
    assert memory.endswith("Processes took at most adam 2.0 GB, single-pass 2.0 GB, two-pass 2.0 GB.")
    with pytest.raises(ValueError, match="table is 0; the paper has tables 1 to 6"):
        paper.make_table(0, found)


def test_figures_are_drawn_of_what_is_finished():
    found = {cell.name: result(cell, 1e-5) for cell in paper.select_cells(seeds=2)}
    for number in (2, 3, 4, 5):
        wide, narrow = (paper.make_figure(number, found, narrow=narrow) for narrow in (False, True))
        assert narrow.get_figwidth() < 4 < wide.get_figwidth()
        assert len(wide.axes) == len(narrow.axes) == (2 if number == 5 else 1)
    with pytest.raises(LookupError, match="figure is 1, whose run is not finished"):
        paper.make_figure(1, found)
    with pytest.raises(LookupError, match="figure is 2, whose runs are not finished"):
        paper.make_figure(2, {})
    with pytest.raises(ValueError, match="figure is 6; the paper has figures 1 to 5"):
        paper.make_figure(6, found)


def test_a_figure_averages_the_runs_and_those_that_converged():
    found = {
        cell.name: result(cell, 1.0, final=0.1 if cell.seed in (0, 2) else 1e-9)
        for cell in cells_of("transport", "engd")
    }
    (axis,) = paper.make_figure(4, found).axes
    lines = {line.get_label(): line.get_ydata() for line in axis.lines}
    assert lines["ENGD (5 of 5)"][-1] == pytest.approx(0.04)
    assert lines["ENGD, converged (3)"][-1] == pytest.approx(1e-9)
    assert "Adam (not run yet)" in lines


def test_a_run_that_ended_counts_with_its_last_loss_in_an_arithmetic_mean():
    short = {"iteration": [0, 1, 2], "loss": [8.0, 4.0, 2.0]}
    long = {"iteration": [0, 1, 2, 5], "loss": [9.0, 6.0, 4.0, 1.0]}
    # Between kept iterations a run has the last loss that was kept.
    np.testing.assert_array_equal(mean_loss([short, long], np.array([1, 2, 4, 5])), [5.0, 3.0, 3.0, 1.5])


def test_a_mean_that_climbs_is_drawn_as_its_running_minimum_before_the_faint_curve():
    cells = cells_of("transport", "adam")[:2]
    losses = ([9.0, 8.0, 2.0, 6.0, 3.0], [9.0, 4.0, 4.0, 2.0, 1.0])
    found = {}
    for cell, loss in zip(cells, losses, strict=True):
        history = {"iteration": [0, 1, 2, 3, 4], "loss": loss, "error": [None] * 5, "seconds": list(range(5))}
        found[cell.name] = result(cell, 1.0, iterations=4) | {"history": history}
    (axis,) = paper.make_figure(4, found).axes
    lines = {line.get_gid() or line.get_label(): line for line in axis.lines}
    front, raw = lines["Adam (2 of 5)"], lines["adam raw mean"]
    np.testing.assert_array_equal(raw.get_xdata(), [1, 2, 3, 4])
    np.testing.assert_array_equal(raw.get_ydata(), [6.0, 3.0, 4.0, 2.0])
    np.testing.assert_array_equal(front.get_ydata(), [6.0, 3.0, 3.0, 2.0])
    for cell, loss in zip(cells, losses, strict=True):
        behind = lines[f"adam seed {cell.seed}"]
        np.testing.assert_array_equal(behind.get_ydata(), loss[1:])
        assert behind.get_zorder() < raw.get_zorder() < front.get_zorder()
        assert behind.get_linewidth() < front.get_linewidth()
        assert behind.get_color() == front.get_color()
    # The mean of a loss that only falls is drawn once.
    falling = {cell.name: result(cell, 1.0) for cell in cells_of("transport", "engd")}
    (axis,) = paper.make_figure(4, falling).axes
    assert not [line for line in axis.lines if line.get_gid() == "engd raw mean"]


def test_a_running_minimum_keeps_the_gaps_of_its_losses():
    np.testing.assert_array_equal(running_minimum(np.array([3.0, 1.0, 2.0, np.nan, 0.5])), [3, 1, 1, np.nan, 0.5])


def test_a_figure_is_described_by_its_numbers():
    found = {cell.name: result(cell, 1e-5, final=10.0 ** -(6 + cell.seed)) for cell in cells_of("poisson", "engd")[:2]}
    told = describe_figure(3, found)
    assert "ENGD 5.5e-07" in told
    assert "Adam not run yet" in told
    # The condition numbers are those of the 2 x 2 mass matrices, [2/3, 1/6; 1/6, 1/3] and [8/3, 5/6; 5/6, 1/3].
    hats, units = (np.linalg.cond(np.array(m) / 6) for m in ([[4, 1], [1, 2]], [[16, 5], [5, 2]]))
    assert f"{hats:.1f} and {units:.1f}" in describe_figure(5, {})


def test_the_spectra_have_the_fitted_decay():
    (cell,) = paper.select_cells(only="transport-4x20-two-pass-seed1")
    values = list(3.0 * np.exp(-np.arange(0, 1341, 15) / 25))
    found = {cell.name: result(cell, 1e-5) | {"eigenvalues": {"0": values, "400": values}}}
    (axis,) = paper.make_figure(1, found).axes
    labels = [line.get_label() for line in axis.lines]
    assert labels[:3] == ["iteration 0", "iteration 400", "fit to the last: $e^{-k/25}$"]


def test_the_decay_of_an_exponential_is_found():
    rate, first = decay_fit(3.0 * np.exp(-np.arange(0, 900, 15) / 18), stride=15)
    assert rate == pytest.approx(1 / 18)
    assert first == pytest.approx(3.0)


def test_gradient_descent_on_a_landscape_contracts_every_mode():
    path = descend(np.diag([1.0, 4.0]), np.array([1.0, 1.0]), steps=3)
    np.testing.assert_allclose(path, [[1, 1], [0.75, 0], [0.75**2, 0], [0.75**3, 0]], atol=1e-15)


@pytest.mark.parametrize(
    ("matrix", "functions", "power"),
    [
        (appendix.finite_element_mass, "hats", 0),
        (appendix.finite_element_stiffness, "hats", 1),
        (appendix.relu_mass, "relu", 0),
        (appendix.relu_stiffness, "relu", 1),
    ],
)
def test_matrices_of_the_appendix_are_the_integrals_they_stand_for(matrix, functions, power):
    intervals, h = 5, 2 / 5
    nodes = -1 + h * np.arange(intervals + 1)

    def value(i, x):
        if functions == "relu":
            return (x > nodes[i]) * ((x - nodes[i]) if power == 0 else 1.0)
        inside = abs(x - nodes[i + 1]) < h
        return inside * (1 - abs(x - nodes[i + 1]) / h if power == 0 else -np.sign(x - nodes[i + 1]) / h)

    expected = [
        [scipy.integrate.quad(lambda x: value(i, x) * value(j, x), -1, 1, points=nodes)[0] for j in range(intervals)]  # noqa: B023
        for i in range(intervals)
    ]
    np.testing.assert_allclose(matrix(intervals), expected, atol=1e-12)


@pytest.mark.parametrize(
    "check",
    [
        theory.analytic_decay,
        theory.relu_decay,
        theory.gradient_descent_by_modes,
        theory.natural_gradient_in_one_step,
        theory.condition_of_finite_elements,
        theory.condition_of_relu,
        theory.change_of_basis,
        theory.stiffness_of_relu,
        theory.bound_on_gramian,
        theory.collapse_of_bound,
    ],
)
def test_claims_of_the_theory_hold(check):
    found = check()
    assert found.holds, found


def test_the_misprints_of_appendix_b_are_told():
    assert not theory.stiffness_as_printed().holds


def test_ranks_after_training_are_compared_where_both_were_run():
    found = {cell.name: result(cell, 1e-8, rank=300) for cell in cells_of("poisson", "two-pass")}
    assert theory.ranks_after_training(found) == []
    found |= {cell.name: result(cell, 1e-6, rank=200) for cell in cells_of("poisson", "engd")}
    (check,) = theory.ranks_after_training(found)
    assert check.holds
    assert "300 against 200" in check.computed


def test_the_gramian_of_the_heat_equation_is_of_low_rank():
    (check,) = theory.low_rank(["heat"])
    assert check.holds, check


def test_the_truncation_decides_the_order_of_sngd_and_engd_for_an_energy():
    check = theory.tolerance_of_energy(seeds=1)
    assert check.holds, check


def test_the_floor_of_a_sketch_is_that_of_the_largest_eigenvalue():
    check = theory.floor_of_sketch()
    assert not check.holds, check


def test_commands_write_what_they_print(tmp_path, capsys):
    for cell in paper.select_cells(tables=[3]):
        (tmp_path / f"{cell.name}.json").write_text(json.dumps(result(cell, 1e-8)))
    assert main(["table", "3", "--out", str(tmp_path)]) == 0
    assert (tmp_path / "table3.md").read_text() in capsys.readouterr().out
    assert main(["figure", "3", "--out", str(tmp_path)]) == 0
    assert (tmp_path / "figure3.png").read_bytes().startswith(b"\x89PNG")
    assert main(["run", "--cell", "poisson", "--out", str(tmp_path)]) == 0
    assert "30 of 30 cells are finished" in capsys.readouterr().err
    (tmp_path / "half.json").write_text("{")
    assert main(["table", "--out", str(tmp_path)]) == 2
    assert "out holds half.json, which is not JSON" in capsys.readouterr().err
    assert main(["run", "--workers", "999", "--out", str(tmp_path / "new")]) == 2
    assert "workers is 999; this machine has cores for" in capsys.readouterr().err


def test_a_run_of_hours_ends_when_its_error_no_longer_halves():
    (cell,) = paper.select_cells(only="heat-A2-two-pass-seed0")
    limit = cell.limit("hours")

    def ends(errors, every=50):
        return limit.ends([Record(every * index, 1.0, error) for index, error in enumerate(errors)])

    assert ends([]) is None
    # At iteration 200 the error is half of that at iteration 100. Then it halves no more.
    falling = [1.0, 0.5, 0.25, 0.2, 0.12]
    assert ends([*falling, *[0.1] * 5]) is None
    assert ends([*falling, *[0.1] * 6]) == "the error has not halved in 300 iterations"
    # Errors that were not measured do not count, and one that rises does not either.
    assert ends([1.0, np.nan, 2.0, np.nan, 0.4, 3.0]) is None
    (largest,) = paper.select_cells(only="heat-A3-two-pass-seed0")
    assert largest.limit("hours").ends([Record(0, 1.0, 1.0), Record(1, 1.0, 1.5e-8)]) == "the error is at most 1.5e-08"
    assert largest.limit("hours").ends([Record(0, 1.0, 1.0), Record(500, 1.0, 1.0)]) is None
    assert largest.limit("hours").iterations == 100
    assert largest.limit("paper").ends([Record(0, 1.0, 1.0), Record(9000, 1.0, 1.0)]) is None


def test_runs_that_do_not_begin_alike_are_named():
    found = {cell.name: result(cell, 1e-9) for name in ("two-pass", "engd") for cell in cells_of("poisson", name)}
    assert not any("different parameters" in note for note in paper.make_table(3, found).notes)
    (cell,) = paper.select_cells(only="poisson-4x20-engd-seed3")
    found[cell.name]["history"]["loss"][0] = 1.5
    (note,) = [note for note in paper.make_table(3, found).notes if "different parameters" in note]
    assert note.startswith("4x20, seed 3: the runs begin with different parameters")
    assert note.endswith("engd with the loss 1.5; two-pass with the loss 1.")
