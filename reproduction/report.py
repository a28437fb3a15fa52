"""The report: what the paper claims, what we find, why they differ, and then tables, figures and theory."""

import html
import statistics
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

from reproduction.cells import Cell, all_cells, is_cut_short
from reproduction.claims import make_claims
from reproduction.figures import describe_figure, make_figure
from reproduction.measured import Results
from reproduction.misprints import misprints
from reproduction.page import definitions, paragraphs, picture, write_page
from reproduction.published import TABLES
from reproduction.seconds import seconds_to_errors
from reproduction.table import VERDICTS
from reproduction.tables import make_table, ordering
from reproduction.theory import Check, tabulate_checks
from reproduction.verdicts import RULES, Claim

_COLUMNS = (
    "Columns named paper have the number of the paper beside ours. The column worse in names the numbers that are "
    "larger here. The problem bvp-energy is the boundary value problem of section 5.3 in energy form. L-BFGS is not in "
    "the paper. Notes below a table say which runs a budget ended, and how far they came.",
)

_LOSSES = (
    "Figures 2 to 4 show the loss against iterations. A strong line is the arithmetic mean over the runs, as in the "
    "paper. On a logarithmic axis the largest loss decides it. Thin lines of the same color are the single runs. Where "
    "the mean climbs, the strong line is its running minimum, and the mean itself is faint. The legend says how many "
    "of the planned runs are finished.",
    "A run that ended before the others counts with its last loss. A cross marks where the longest run of an optimizer "
    "ended before its iterations.",
)

_CAPTIONS = {
    1: "Eigenvalues of the Gramian in the course of the second run on the transport equation, every 15th. Those below "
    "1e-16 are drawn at 1e-16. The exponential is fitted to the last ones above 1e-13.",
    2: "Heat equation, network A2: the loss against iterations.",
    3: "Poisson's equation: the loss against iterations.",
    4: "Transport equation: the loss against iterations. Where some runs of an optimizer end above a thousandth of "
    "their initial loss, the mean of the others is shown too.",
    5: "Energy of the same piecewise linear functions (two intervals) in two bases, over its flattest and steepest "
    "direction. Gradient descent takes the step 1 / lambda_max.",
}


def make_report(results: Results, checks: Sequence[Check]) -> str:
    """The report as one page of HTML, from the finished cells and the checks of the theory."""
    claims = make_claims(results, checks)
    tables = [ordering(results), *(make_table(number, results) for number in TABLES), seconds_to_errors(results)]
    sections = {
        "What the paper claims": _claimed(claims),
        "What we find, and why it differs": _found(claims),
        "Tables": "\n".join([paragraphs(_COLUMNS), *(table.html(heading="h3") for table in tables)]),
        "Figures": "\n".join([paragraphs(_LOSSES), *(_figure(number, results) for number in _CAPTIONS)]),
        "Theory": tabulate_checks(checks).html(),
        "Misprints": misprints().html(),
        "How it was run": _how(results),
    }
    return write_page(
        "Near-optimal Sketchy Natural Gradients for PINNs, reproduced", paragraphs(_summary(results)), sections
    )


def _summary(results: Results) -> list[str]:
    finished = _finished(results)
    cut = sum(is_cut_short(cell, result) for cell, result in finished)
    return [
        "We repeated the experiments of McKay, Kaur, Greif and Wetton, Near-optimal Sketchy Natural Gradients for "
        "Physics-Informed Neural Networks (ICML 2025). This page sets our numbers beside those of the paper.",
        f"{len(finished)} of {len(list(all_cells()))} runs (problem, network, optimizer and seed) are finished. A "
        f"budget ended {cut} of them before they had made the iterations of the paper.",
    ]


def _claimed(claims: Sequence[Claim]) -> str:
    """The claims with their numbers, each followed by its verdict, as a numbered list."""
    items = [
        f"<li><strong>{html.escape(claim.name)}.</strong> {html.escape(claim.text)} We find: "
        f'<a href="#claim{number}">{_verdict(claim)}</a> ({html.escape(claim.tally)}).</li>'
        for number, claim in enumerate(claims, start=1)
    ]
    return '<ol class="claims">\n' + "\n".join(items) + "\n</ol>"


def _found(claims: Sequence[Claim]) -> str:
    """The rules of the verdicts, and for each claim its verdict, its numbers, and why they differ."""
    blocks = [paragraphs(RULES)]
    for number, claim in enumerate(claims, start=1):
        heading = f"{number}. {claim.name}"
        blocks += [
            f'<h3 id="claim{number}">{html.escape(heading)}</h3>',
            f"<p>Verdict: {_verdict(claim)} ({html.escape(claim.tally)}).</p>",
            claim.table(heading).html(notes=False),
        ]
        if claim.reasons:
            blocks += ["<h4>Why they differ</h4>", paragraphs(claim.reasons)]
    return "\n".join(blocks)


def _verdict(claim: Claim) -> str:
    return f'<span class="verdict {VERDICTS[claim.verdict]}">{claim.verdict}</span>'


def _figure(number: int, results: Results) -> str:
    heading, caption = f"<h3>Figure {number}</h3>", _CAPTIONS[number]
    try:
        shapes = [make_figure(number, results, narrow=narrow) for narrow in (False, True)]
    except LookupError as error:
        return f"{heading}\n<p>{html.escape(caption)} Not drawn: {html.escape(str(error))}.</p>"
    wide, narrow = shapes
    return f"{heading}\n{picture(wide, narrow, describe_figure(number, results), caption)}"


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
    return definitions(told)


def _counted(values: Iterable[str]) -> str:
    return "; ".join(
        f"{value} ({count} {'run' if count == 1 else 'runs'})" for value, count in Counter(values).most_common()
    )


def _finished(results: Results) -> list[tuple[Cell, dict[str, Any]]]:
    return [(cell, results[cell.name]) for cell in all_cells() if cell.name in results]
