"""Tables, figures and the theory's checks as files in the folder of the cells."""

from collections.abc import Sequence
from pathlib import Path

from sngd.paper._cells import read_cells
from sngd.paper._figures import make_figure
from sngd.paper._published import TABLES
from sngd.paper._tables import make_table, ordering
from sngd.paper._theory import check_theory, tabulate_checks
from sngd.train import write_atomically

_FIGURES = range(1, 6)


def write_tables(folder: Path, numbers: Sequence[int] = ()) -> list[str]:
    """Write `table<N>.md` for these tables, or for all and `ordering.md`; returns their texts."""
    results = read_cells(folder)
    made = {f"table{number}": make_table(number, results) for number in numbers or TABLES}
    if not numbers:
        made["ordering"] = ordering(results)
    texts = []
    for name, table in made.items():
        text = table.markdown()
        write_atomically(folder / f"{name}.md", lambda partial, text=text: partial.write_text(text))
        texts.append(text)
    return texts


def write_figures(folder: Path, numbers: Sequence[int] = ()) -> list[str]:
    """Draw `figure<N>.png` for these figures, or for all that have runs; returns where they are, or what is missing."""
    results = read_cells(folder)
    lines = []
    for number in numbers or _FIGURES:
        try:
            figure = make_figure(number, results)
        except LookupError as error:
            lines.append(str(error))
            continue
        path = folder / f"figure{number}.png"
        write_atomically(path, lambda partial, figure=figure: figure.savefig(partial, dpi=150, format="png"))
        lines.append(f"Written to {path}")
    return lines


def write_theory(folder: Path) -> list[str]:
    """Compute the theory's checks and write `theory.md`; returns its text."""
    text = tabulate_checks(check_theory(read_cells(folder))).markdown()
    write_atomically(folder / "theory.md", lambda partial: partial.write_text(text))
    return [text]
