"""Tables, figures, the checks of the theory, the claims and the report as files in the folder of the cells."""

from collections.abc import Sequence
from pathlib import Path

from reproduction.cells import read_cells
from reproduction.claims import make_claims, overview
from reproduction.figures import make_figure
from reproduction.measured import Results
from reproduction.published import TABLES
from reproduction.report import make_report
from reproduction.seconds import seconds_to_errors
from reproduction.table import Table
from reproduction.tables import make_table, ordering
from reproduction.theory import Check, check_theory, tabulate_checks
from reproduction.verdicts import RULES, Claim
from sngd.files import write_atomically

_FIGURES = range(1, 6)


def write_tables(folder: Path, numbers: Sequence[int] = ()) -> list[Table]:
    """Write `table<N>.md` for each of these tables, and return the tables.

    Without numbers, all tables are written, `ordering.md` with the order of the optimizers, and `seconds.md` with the
    seconds until errors are reached.
    """
    results = read_cells(folder)
    made = {f"table{number}": make_table(number, results) for number in numbers or TABLES}
    if not numbers:
        made |= {"ordering": ordering(results), "seconds": seconds_to_errors(results)}
    for name, table in made.items():
        _write_markdown(folder / f"{name}.md", table)
    return list(made.values())


def write_figures(folder: Path, numbers: Sequence[int] = ()) -> list[str]:
    """Draw `figure<N>.png` for each of these figures, and return one line for each: its path, or what is missing.

    Without numbers, all figures that have finished runs are drawn.
    """
    results = read_cells(folder)
    lines = []
    for number in numbers or _FIGURES:
        try:
            figure = make_figure(number, results)
        except LookupError as error:
            lines.append(str(error))
            continue
        path = folder / f"figure{number}.png"
        write_atomically(path, lambda partial, figure=figure: figure.savefig(partial, dpi=200, format="png"))
        lines.append(f"Written to {path}")
    return lines


def write_theory(folder: Path) -> Table:
    """Compute the checks of the theory, write them into `theory.md`, and return them as a table."""
    return _write_checks(folder, check_theory(read_cells(folder)))


def write_report(folder: Path) -> list[Path]:
    """Write `report.html` and `claims.md`, with the tables and the theory as Markdown, and return the first two paths.

    All are made from the same cells and the same checks, so that they agree.
    """
    results = read_cells(folder)
    checks = check_theory(results)
    write_tables(folder)
    _write_checks(folder, checks)
    page, claims = folder / "report.html", folder / "claims.md"
    write_atomically(page, lambda partial: partial.write_text(make_report(results, checks)))
    write_atomically(claims, lambda partial: partial.write_text(_claims(results, checks)))
    return [page, claims]


def _claims(results: Results, checks: Sequence[Check]) -> str:
    """The claims with their verdicts, their numbers, and why ours differ, as Markdown."""
    claims = make_claims(results, checks)
    blocks = [overview(claims).markdown(), "\n\n".join(RULES) + "\n"]
    for number, claim in enumerate(claims, start=1):
        blocks += [f"## {number}. {claim.name}\n", f"The paper: {claim.text}\n", claim.table(_found(claim)).markdown()]
    return "\n".join(blocks)


def _found(claim: Claim) -> str:
    return f"What we find: {claim.verdict} ({claim.tally})"


def _write_checks(folder: Path, checks: Sequence[Check]) -> Table:
    table = tabulate_checks(checks)
    _write_markdown(folder / "theory.md", table)
    return table


def _write_markdown(path: Path, table: Table) -> None:
    write_atomically(path, lambda partial: partial.write_text(table.markdown()))
