"""Tables, figures and the checks of the theory as files in the folder of the cells."""

from collections.abc import Sequence
from pathlib import Path

from reproduction.cells import read_cells
from reproduction.figures import make_figure
from reproduction.published import TABLES
from reproduction.table import Table
from reproduction.tables import make_table, ordering
from reproduction.theory import check_theory, tabulate_checks
from sngd.files import write_atomically

_FIGURES = range(1, 6)


def write_tables(folder: Path, numbers: Sequence[int] = ()) -> list[Table]:
    """Write `table<N>.md` for each of these tables, and return the tables.

    Without numbers, all tables are written, and `ordering.md` with the order of the optimizers.
    """
    results = read_cells(folder)
    made = {f"table{number}": make_table(number, results) for number in numbers or TABLES}
    if not numbers:
        made["ordering"] = ordering(results)
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
    table = tabulate_checks(check_theory(read_cells(folder)))
    _write_markdown(folder / "theory.md", table)
    return table


def _write_markdown(path: Path, table: Table) -> None:
    write_atomically(path, lambda partial: partial.write_text(table.markdown()))
