"""The command `python -m reproduction table`: our numbers beside the paper's, and the order of the optimizers."""

import statistics
from collections.abc import Sequence

from reproduction.measured import Measured, Results, explain, finite, measure, rounded, scientific
from reproduction.published import LINES, OPTIMIZERS, RUNS, TABLE_PROBLEMS, TABLES
from reproduction.table import Table

_REFERENCE = "two-pass"

_TIMES = ("seconds", "all iterations", "over two-pass", "paper")

# The order of errors that the paper claims, as pairs. The first optimizer of a pair has the smaller error.
_LINKS = (
    ("single-pass", "engd"),
    ("two-pass", "engd"),
    ("engd", "bfgs"),
    ("bfgs", "adam"),
    ("two-pass", "adam"),
)

# A median error of SNGD above this times the paper's median is explained in a note.
_FACTOR = 3


def make_table(number: int, results: Results) -> Table:
    """Table `number` of the paper, from 1 to 6, with our finished cells. Raises `ValueError` for another number."""
    if number not in TABLES:
        raise ValueError(f"table is {number}; the paper has tables 1 to {max(TABLES)}")
    title, measured = f"Table {number}: {TABLES[number]}", measure(TABLE_PROBLEMS[number], results)
    match number:
        case 2:
            return _times(title, measured)
        case 4:
            return _ranks(title, measured)
        case 6:
            return _runs(title, measured)
        case _:
            return _errors(title, measured, times=number == 5)


def _errors(title: str, measured: Sequence[Measured], *, times: bool) -> Table:
    header = ("optimizer", "runs", "median", "paper", "min", "paper", "max", "paper", "worse in")
    rows = []
    for item in measured:
        if not item.finished:
            continue
        line, errors = item.line, item.errors
        pairs = {
            "median": (statistics.median(errors), line.median),
            "min": (min(errors), line.least),
            "max": (max(errors), line.largest),
        }
        row = (item.label, item.runs, *_beside(pairs), _worse(pairs))
        rows.append(row + _time_cells(item, measured) if times else row)
    notes = explain(measured)
    if times:
        header, notes = header + _TIMES, (*notes, _about_times(measured))
    return Table(title, header, tuple(rows), notes)


def _times(title: str, measured: Sequence[Measured]) -> Table:
    rows = tuple((item.label, item.runs, *_time_cells(item, measured)) for item in measured if item.finished)
    return Table(title, ("optimizer", "runs", *_TIMES), rows, (*explain(measured), _about_times(measured)))


def _ranks(title: str, measured: Sequence[Measured]) -> Table:
    header = ("optimizer", "runs", "loss", "paper", "rank", "paper", "worse in", *_TIMES)
    rows = []
    for item in measured:
        if not item.finished:
            continue
        line, found = item.line, [result for _, result in item.finished]
        pairs = {"loss": (statistics.mean(finite(result["loss"]) for result in found), line.loss)}
        rank = statistics.mean(result["gramian_rank"] for result in found)
        ranks = (f"{rank:.1f}", "-" if line.rank is None else f"{line.rank:.1f}")
        times = _time_cells(item, measured)
        rows.append((item.label, item.runs, *_beside(pairs), *ranks, _worse(pairs), *times))
    meaning = "Loss and rank: means. Rank: eigenvalues of the Gramian above 1e-13 at the end of training."
    return Table(title, header, tuple(rows), (*explain(measured), meaning, _about_times(measured)))


def _runs(title: str, measured: Sequence[Measured]) -> Table:
    header = ("optimizer", "run", "error", "paper", "loss", "paper", "rank", "paper", "iterations", "worse in")
    published = {(run.optimizer, run.run): run for run in RUNS}
    rows = []
    for item in measured:
        for cell, result in item.finished:
            run = published.get((item.line.optimizer, cell.seed + 1))
            pairs = {
                "error": (finite(result["relative_l2"]), run and run.error),
                "loss": (finite(result["loss"]), run and run.loss),
            }
            ranks = (str(result["gramian_rank"]), "-" if run is None or run.rank is None else str(run.rank))
            made = f"{result['iterations']:,}"
            rows.append((item.label, str(cell.seed + 1), *_beside(pairs), *ranks, made, _worse(pairs)))
    meaning = "Our run is a seed; runs of the same number share nothing else with the paper's."
    return Table(title, header, tuple(rows), (*explain(measured), meaning))


def ordering(results: Results) -> Table:
    """For each problem, our median errors, those of the paper, their ratios, and the order that the paper claims.

    The claimed order is SNGD below ENGD, ENGD below BFGS, and BFGS below Adam. The table says for each pair whether the
    first median is the smaller one, for our medians and for those of the paper.
    """
    header = ("problem", "medians", *OPTIMIZERS, *(f"{small} < {large}" for small, large in _LINKS))
    rows, high, endings = [], [], []
    for problem, network in dict.fromkeys((line.problem, line.network) for line in LINES):
        measured = [item for item in measure(problem, results) if item.line.network == network]
        ours = {item.line.optimizer: item.median for item in measured if item.median is not None}
        paper = {item.line.optimizer: median for item in measured if (median := item.published_median)}
        ratios = {name: ours[name] / paper[name] for name in OPTIMIZERS if name in ours and name in paper}
        label = f"{problem} {network}"
        rows.append((label, "ours", *_by_optimizer(ours), *_links(ours, "not run")))
        rows.append((label, "paper", *_by_optimizer(paper), *_links(paper, "not there")))
        shown = [rounded(ratios[name]) if name in ratios else "-" for name in OPTIMIZERS]
        rows.append((label, "ratio", *shown, *[""] * len(_LINKS)))
        sketched = [(name, ratios[name]) for name in ("single-pass", "two-pass") if name in ratios]
        high += [f"{label} {name} ({rounded(ratio)})" for name, ratio in sketched if ratio > _FACTOR]
        endings += [f"{problem} {sentence}" for item in measured for sentence in item.endings()]
    notes = (
        f"Medians of SNGD above {_FACTOR} times the paper's: {', '.join(high) or 'none of those that are run'}.",
        "The pairs compare the present medians; claims.md and the report say where runs that were cut short leave them "
        "open.",
        "heat A3, two-pass: the printed median, 1.49e-07, lies above the printed maximum, 1.99e-08, which stands here.",
        *endings,
    )
    return Table("The order of the optimizers: SNGD < ENGD < BFGS < Adam", header, tuple(rows), notes)


def _by_optimizer(medians: dict[str, float]) -> list[str]:
    return [scientific(medians.get(name)) for name in OPTIMIZERS]


def _links(medians: dict[str, float], unknown: str) -> list[str]:
    """Texts that say for each pair of the order whether it holds."""
    return [
        ("yes" if medians[small] < medians[large] else "no") if small in medians and large in medians else unknown
        for small, large in _LINKS
    ]


def _beside(pairs: dict[str, tuple[float, float | None]]) -> list[str]:
    """Texts with our number and the paper's number, for each pair."""
    return [scientific(value) for pair in pairs.values() for value in pair]


def _worse(pairs: dict[str, tuple[float, float | None]]) -> str:
    """The names of the pairs in which our number is larger."""
    return ", ".join(name for name, (ours, paper) in pairs.items() if paper is not None and ours > paper)


def _about_times(measured: Sequence[Measured]) -> str:
    cores = sorted({result["cores"] for item in measured for _, result in item.finished})
    return (
        "Seconds: median until a run ended. All iterations: with those that it did not make, at the median pace of "
        "those that it did. Over two-pass: the ratio of these; the paper's is of its minutes on a GPU. "
        f"CPU cores of our runs: {' or '.join(map(str, cores)) or 'none yet'}."
    )


def _time_cells(item: Measured, measured: Sequence[Measured]) -> tuple[str, ...]:
    """The cells of the columns `_TIMES`. Our times are from one machine, those of the paper from another."""
    reference = next(
        other for other in measured if (other.line.network, other.line.optimizer) == (item.line.network, _REFERENCE)
    )
    ratio = rounded(item.full_seconds / reference.full_seconds) if reference.finished else "-"
    paper = "-"
    if item.line.minutes is not None and reference.line.minutes is not None:
        paper = rounded(item.line.minutes / reference.line.minutes)
    return (f"{item.seconds:,.0f}", f"{item.full_seconds:,.0f}", ratio, paper)
