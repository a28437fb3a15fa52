"""The command `python -m reproduction report`: tables, figures and theory on one page of HTML without other files."""

import base64
import html
import io
import statistics
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from reproduction.cells import Cell, all_cells, is_cut_short, read_cells
from reproduction.figures import make_figure
from reproduction.measured import Results
from reproduction.published import TABLES
from reproduction.tables import make_table, ordering
from reproduction.theory import check_theory, tabulate_checks
from sngd.files import write_atomically

_LOSSES = (
    "loss against iterations, mean over the runs (how many of those planned, in parentheses). A run that ended before "
    "the others keeps its last loss; a cross marks where the longest run of an optimizer ended before its iterations."
)

_CAPTIONS = {
    1: "Eigenvalues of the Gramian in the course of the second run on the transport equation, every 15th; those below "
    "1e-16 are drawn at 1e-16. The exponential is fitted to the last ones above 1e-13.",
    2: f"Heat equation, network A2: {_LOSSES}",
    3: f"Poisson's equation: {_LOSSES}",
    4: f"Transport equation: {_LOSSES} Where some runs of an optimizer end above a thousandth of their initial loss, "
    "the mean of the others is shown too.",
    5: "Energy of the same piecewise linear functions (two intervals) in two bases, over its flattest and steepest "
    "direction. Gradient descent takes the step 1 / lambda_max.",
}

# Differences between the text of the paper and the results of the reproduction.
_DEVIATIONS = (
    "Eq. (12): cos(pi x) solves the problem with the right-hand side pi^2 cos(pi x) + cos(pi x)^3, not their product.",
    "Eq. (11): the operator is the Laplacian, not the gradient.",
    "Table 1, A3, two-pass: the printed median, 1.49e-7, lies above the printed maximum, 1.99e-8.",
    "Table 2: the times of BFGS and two-pass SNGD are the same for A1 and for A2.",
    "Section 5.3: with one input, four hidden layers of 20 have 1,321 parameters; 1,341 is the count for two.",
    "Appendix B: K2 is -(2/N) D2^-1, with the last row c_(N-2) - 2 c_(N-1) of D2; the paper drops two powers of h and "
    "prints that row with the other sign.",
    "Appendix B: kappa(M1) tends to 3 for the hats inside the interval, and to 4 with the half hat at 1, which the "
    "space has.",
    "The paper does not state points, activation, initialization, the first sketch, the line search or Adam's learning "
    "rate; docs/choices.md says what is taken here.",
)

_STYLE = """
body { font: 16px/1.5 Georgia, serif; max-width: 66rem; margin: 2rem auto; padding: 0 1rem; color: #222; }
h1, h2 { font-family: Helvetica, Arial, sans-serif; font-weight: 600; line-height: 1.2; }
h2 { margin-top: 2.5rem; }
nav { font: 14px Helvetica, Arial, sans-serif; }
nav a { margin-right: 1.2rem; color: #0b5394; }
.wide { overflow-x: auto; margin: 1.5rem 0 0.5rem; }
table { border-collapse: collapse; font: 13px/1.4 Helvetica, Arial, sans-serif; }
caption { text-align: left; font-weight: 600; padding-bottom: 0.4rem; }
th { text-align: left; vertical-align: bottom; border-bottom: 2px solid #444; padding: 0.2rem 0.8rem 0.2rem 0; }
td { border-bottom: 1px solid #ddd; padding: 0.2rem 0.8rem 0.2rem 0; vertical-align: top; }
.number { text-align: right; white-space: nowrap; font-variant-numeric: tabular-nums; }
.paper { color: #777; }
td.worse, .refuted { color: #b03a2e; }
.refuted { font-weight: 600; }
ul { font-size: 14px; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: 0.2rem 1.5rem; font-size: 14px; }
dt { font-weight: 600; }
dd { margin: 0; }
figure { margin: 1.5rem 0; break-inside: avoid; }
figure img { max-width: 100%; width: 46rem; }
figcaption { font-size: 14px; color: #444; }
"""


def write_report(folder: Path) -> Path:
    """Write `report.html` into the folder of the cells, and return its path."""
    results = read_cells(folder)
    checks = tabulate_checks(check_theory(results))
    sections = {
        "The paper's claim": ordering(results).html(),
        "Tables": "\n".join(make_table(number, results).html() for number in TABLES),
        "Figures": "\n".join(_figure(number, results) for number in _CAPTIONS),
        "Theory": checks.html(),
        "Where the paper and this reproduction differ": _list(_DEVIATIONS),
        "How it was run": _how(results),
    }
    links = [f'<a href="#section{number}">{name}</a>' for number, name in enumerate(sections)]
    parts = [
        "<h1>Near-optimal Sketchy Natural Gradients for PINNs, reproduced</h1>",
        f"<nav>{''.join(links)}</nav>",
        f"<p>{html.escape(_summary(results))}</p>",
    ]
    for number, (name, content) in enumerate(sections.items()):
        parts += [f'<h2 id="section{number}">{name}</h2>', content]
    head = f'<meta charset="utf-8">\n<title>Sketchy natural gradients, reproduced</title>\n<style>{_STYLE}</style>'
    body = "\n".join(parts)
    page = f'<!DOCTYPE html>\n<html lang="en">\n<head>\n{head}\n</head>\n<body>\n{body}\n</body>\n</html>\n'
    path = folder / "report.html"
    write_atomically(path, lambda partial: partial.write_text(page))
    return path


def _summary(results: Results) -> str:
    finished = _finished(results)
    text = (
        f"{len(finished)} of {len(list(all_cells()))} runs (problem, network, optimizer and seed) are finished. Our "
        "numbers stand beside the paper's (McKay, Kaur, Greif and Wetton, ICML 2025); where ours are worse, a table "
        "names it. "
    )
    cut = sum(is_cut_short(cell, result) for cell, result in finished)
    return text + f"{cut} runs were cut short by their budget of seconds; the notes below a table say where."


def _how(results: Results) -> str:
    """Devices, versions, dates, budgets and commands, as a list of definitions in HTML."""
    found = [result for _, result in _finished(results)]
    if not found:
        return "<p>No run is finished; python -m reproduction run makes them.</p>"
    dates = sorted(result["date"] for result in found)
    told = {
        "Commands": "python -m reproduction run, then python -m reproduction report",
        "Budgets": _counted(result["budget"] for result in found),
        "Devices": _counted(f"{result['device']}, of which a run used {result['cores']}" for result in found),
        "Versions": _counted(", ".join(f"{name} {of}" for name, of in result["versions"].items()) for result in found),
        "Commits": _counted(result["commit"] for result in found),
        "Dates": f"{dates[0]} to {dates[-1]}",
        "Seconds of a run": f"{statistics.median(result['seconds'] for result in found):.0f}, median",
    }
    terms = "".join(f"<dt>{name}</dt><dd>{html.escape(text)}</dd>\n" for name, text in told.items())
    return f"<dl>\n{terms}</dl>"


def _finished(results: Results) -> list[tuple[Cell, dict[str, Any]]]:
    return [(cell, results[cell.name]) for cell in all_cells() if cell.name in results]


def _counted(values: Iterable[str]) -> str:
    return "; ".join(f"{value} ({count} runs)" for value, count in Counter(values).most_common())


def _list(texts: Sequence[str]) -> str:
    return "<ul>\n" + "".join(f"<li>{html.escape(text)}</li>\n" for text in texts) + "</ul>"


def _figure(number: int, results: Results) -> str:
    caption = f"Figure {number}. {_CAPTIONS[number]}"
    try:
        image = _png(make_figure(number, results))
    except LookupError as error:
        return f"<p>{html.escape(caption)} Not drawn: {html.escape(str(error))}.</p>"
    source = f"data:image/png;base64,{base64.b64encode(image).decode()}"
    escaped = html.escape(caption)
    return f'<figure>\n<img alt="{escaped}" src="{source}">\n<figcaption>{escaped}</figcaption>\n</figure>'


def _png(figure: Figure) -> bytes:
    buffer = io.BytesIO()
    figure.savefig(buffer, dpi=160, format="png")
    return buffer.getvalue()
