"""`sngd paper report`: tables, figures and theory on one page of HTML that needs nothing else."""

import base64
import html
import io
import statistics
from collections import Counter
from pathlib import Path

from matplotlib.figure import Figure

from sngd.paper._cells import all_cells, read_cells
from sngd.paper._figures import make_figure
from sngd.paper._published import TABLES
from sngd.paper._tables import Results, make_table, ordering
from sngd.paper._theory import check_theory, tabulate_checks
from sngd.train import write_atomically

_CAPTIONS = {
    1: "Eigenvalues of the Gramian in the course of the second run on the transport equation, every 15th, with an "
    "exponential fitted to the last ones.",
    2: "Heat equation, network A2: loss against iterations, mean over the runs (their number in parentheses).",
    3: "Poisson's equation: loss against iterations, mean over the runs.",
    4: "Transport equation: loss against iterations, mean over the runs, and over those that converged.",
    5: "Energies of the same piecewise linear functions in two bases, over their flattest and steepest direction.",
}

# What the reproduction found to differ from the text of the paper.
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
body { font: 16px/1.5 Georgia, serif; max-width: 62rem; margin: 2rem auto; padding: 0 1rem; color: #222; }
h1, h2 { font-family: Helvetica, Arial, sans-serif; font-weight: 600; line-height: 1.2; }
table { border-collapse: collapse; margin: 1.5rem 0 0.5rem; font: 13px/1.4 Helvetica, Arial, sans-serif; }
caption { text-align: left; font-weight: 600; padding-bottom: 0.4rem; }
th { text-align: left; border-bottom: 2px solid #444; padding: 0.2rem 0.8rem 0.2rem 0; }
td { border-bottom: 1px solid #ddd; padding: 0.2rem 0.8rem 0.2rem 0; vertical-align: top; }
ul { font-size: 14px; }
figure { margin: 1.5rem 0; }
figure img { max-width: 100%; }
figcaption { font-size: 14px; color: #444; }
"""


def write_report(folder: Path) -> Path:
    """Write `report.html` into the folder of the cells, and return its path."""
    results = read_cells(folder)
    parts = [
        "<h1>Near-optimal Sketchy Natural Gradients for PINNs, reproduced</h1>",
        f"<p>{html.escape(_how(results))}</p>",
        "<h2>The paper's claim</h2>",
        ordering(results).html(),
        "<h2>Tables</h2>",
        *[make_table(number, results).html() for number in TABLES],
        "<h2>Figures</h2>",
        *[_figure(number, results) for number in _CAPTIONS],
        "<h2>Theory</h2>",
        tabulate_checks(check_theory(results)).html(),
        "<h2>Where the paper and this reproduction differ</h2>",
        "<ul>\n" + "".join(f"<li>{html.escape(text)}</li>\n" for text in _DEVIATIONS) + "</ul>",
    ]
    head = f'<meta charset="utf-8">\n<title>Sketchy natural gradients, reproduced</title>\n<style>{_STYLE}</style>'
    body = "\n".join(parts)
    page = f'<!DOCTYPE html>\n<html lang="en">\n<head>\n{head}\n</head>\n<body>\n{body}\n</body>\n</html>\n'
    path = folder / "report.html"
    write_atomically(path, lambda partial: partial.write_text(page))
    return path


def _how(results: Results) -> str:
    """How many cells are finished, where they were run, and with what."""
    planned = [cell.name for cell in all_cells()]
    found = [results[name] for name in planned if name in results]
    text = f"{len(found)} of {len(planned)} runs (problem x network x optimizer x seed) are finished. "
    if not found:
        return text
    devices = Counter(f"{result['device']}, of which a run used {result['cores']}" for result in found)
    versions = Counter(
        ", ".join(f"{name} {version}" for name, version in sorted(result["versions"].items())) for result in found
    )
    dates = sorted(result["date"] for result in found)
    commits = Counter(result["commit"] for result in found)
    cut = sum(result["result"] == "seconds exhausted" for result in found)
    text += f"Devices: {_counted(devices)}. Versions: {_counted(versions)}. Commits: {_counted(commits)}. "
    text += f"Dates: {dates[0]} to {dates[-1]}. {cut} runs were cut short by their budget of seconds; their notes say "
    text += f"where. The median run took {statistics.median(result['seconds'] for result in found):.0f} seconds. "
    return text + "Commands: sngd paper run, then sngd paper report."


def _counted(counts: Counter) -> str:
    return "; ".join(f"{name} ({count})" for name, count in counts.most_common())


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
    figure.savefig(buffer, dpi=130, format="png")
    return buffer.getvalue()
