"""`sngd paper table`: our numbers beside the paper's."""

import math
import statistics
from collections.abc import Iterable, Sequence
from typing import Any

from sngd.paper._cells import all_cells
from sngd.paper._published import LINES, OPTIMIZERS, RUNS, TABLE_PROBLEMS, TABLES, Published
from sngd.paper._table import Table

Results = dict[str, dict[str, Any]]

_WORSE = "worse"

# An optimizer beside the paper's.
_SHOWN = (*OPTIMIZERS, "l-bfgs")

_REFERENCE = "two-pass"


def make_table(number: int, results: Results) -> Table:
    """Table `number` of the paper, 1 to 6, from finished cells. Raises `ValueError` for another number."""
    if number not in TABLES:
        raise ValueError(f"table is {number}; the paper has tables 1 to {max(TABLES)}")
    problem = TABLE_PROBLEMS[number]
    title = f"Table {number}: {TABLES[number]}"
    match number:
        case 2:
            return _times(title, problem, results)
        case 4:
            return _ranks(title, problem, results)
        case 6:
            return _runs(title, problem, results)
        case _:
            return _errors(title, problem, results, times=number == 5)


def _errors(title: str, problem: str, results: Results, *, times: bool) -> Table:
    header = ["network", "optimizer", "runs", "median", "paper", "least", "paper", "largest", "paper", ""]
    rows, notes = [], []
    for line in _lines(problem):
        found = _found(line, results)
        if not found:
            notes += _not_run(line)
            continue
        errors = [result["relative_l2"] for result in found]
        median = statistics.median(errors)
        row = [line.network, line.optimizer, str(len(found)), _number(median), _number(line.median)]
        row += [_number(min(errors)), _number(line.least), _number(max(errors)), _number(line.largest)]
        rows.append((*row, _WORSE if line.median is not None and median > line.median else ""))
        notes += _cut_short(line, found)
    if times:
        table = _times("", problem, results)
        header, rows = [*header, *table.header[3:]], _joined(rows, table.rows)
    return Table(title, tuple(header), tuple(rows), tuple(notes))


def _joined(rows: Iterable[tuple[str, ...]], times: Iterable[tuple[str, ...]]) -> list[tuple[str, ...]]:
    by_optimizer = {row[1]: row[3:] for row in times}
    return [row + by_optimizer[row[1]] for row in rows]


def _times(title: str, problem: str, results: Results) -> Table:
    """Median seconds, and their ratio to those of two-pass SNGD beside the paper's ratio.

    A ratio is that of two runs on the same machine; where one was cut short, of what the iterations asked for would
    have taken.
    """
    header = ("network", "optimizer", "runs", "seconds for all iterations", "over two-pass", "paper")
    rows, notes = [], []
    for line in _lines(problem):
        found = _found(line, results)
        reference = _line(problem, line.network, _REFERENCE)
        base = _found(reference, results)
        if not found:
            notes += _not_run(line)
            continue
        ours = statistics.median(_full_seconds(result) for result in found)
        ratio = f"{ours / statistics.median(_full_seconds(result) for result in base):.2g}" if base else "-"
        paper = "-"
        if line.minutes is not None and reference.minutes is not None:
            paper = f"{line.minutes / reference.minutes:.2g}"
        rows.append((line.network, line.optimizer, str(len(found)), f"{ours:.3g}", ratio, paper))
        notes += _cut_short(line, found)
    return Table(title, header, tuple(rows), tuple(notes))


def _ranks(title: str, problem: str, results: Results) -> Table:
    header = ("optimizer", "runs", "loss", "paper", "over two-pass in time", "paper", "rank", "paper")
    times = {row[1]: row[4:] for row in _times("", problem, results).rows}
    rows, notes = [], []
    for line in _lines(problem):
        found = _found(line, results)
        if not found:
            notes += _not_run(line)
            continue
        loss = statistics.mean(result["loss"] for result in found)
        rank = statistics.mean(result["gramian_rank"] for result in found)
        row = [line.optimizer, str(len(found)), _number(loss), _number(line.loss), *times[line.optimizer]]
        rows.append((*row, f"{rank:.1f}", "-" if line.rank is None else f"{line.rank:.1f}"))
        notes += _cut_short(line, found)
    notes.append("Means over the runs. Rank: eigenvalues of the Gramian above 1e-13 at the end of training.")
    return Table(title, header, tuple(rows), tuple(notes))


def _runs(title: str, problem: str, results: Results) -> Table:
    header = ("optimizer", "run", "error", "paper", "loss", "paper", "rank", "paper")
    rows, notes = [], []
    for line in _lines(problem):
        found = _found(line, results)
        notes += _cut_short(line, found) if found else _not_run(line)
        for result in found:
            run = result["seed"] + 1
            published = next((item for item in RUNS if (item.optimizer, item.run) == (line.optimizer, run)), None)
            error, loss, rank = (None,) * 3 if published is None else (published.error, published.loss, published.rank)
            row = [line.optimizer, str(run), _number(result["relative_l2"]), _number(error), _number(result["loss"])]
            rows.append((*row, _number(loss), str(result["gramian_rank"]), "-" if rank is None else str(rank)))
    return Table(title, header, tuple(rows), tuple(notes))


def ordering(results: Results) -> Table:
    """The paper's order of errors, SNGD below ENGD below BFGS below Adam, against ours, problem by problem."""
    header = ("problem", "network", *_SHOWN, "two-pass < ENGD", "ENGD < BFGS", "BFGS < Adam")
    rows = []
    for problem, network in dict.fromkeys((line.problem, line.network) for line in LINES):
        medians = {}
        for optimizer in _SHOWN:
            lines = [line for line in _lines(problem) if (line.network, line.optimizer) == (network, optimizer)]
            found = _found(lines[0], results) if lines else []
            if found:
                medians[optimizer] = statistics.median(result["relative_l2"] for result in found)
        claims = [_claim(medians, *pair) for pair in (("two-pass", "engd"), ("engd", "bfgs"), ("bfgs", "adam"))]
        rows.append((problem, network, *(_number(medians.get(name)) for name in _SHOWN), *claims))
    notes = ("Medians of the relative L2 error over the runs that are finished.",)
    return Table("The order of the optimizers", header, tuple(rows), notes)


def _claim(medians: dict[str, float], smaller: str, larger: str) -> str:
    if smaller not in medians or larger not in medians:
        return "not run"
    return "confirmed" if medians[smaller] < medians[larger] else "refuted"


def _lines(problem: str) -> list[Published]:
    """The lines of a problem in the paper's order, and those that we add."""
    lines = list(dict.fromkeys(cell.line for cell in all_cells() if cell.line.problem == problem))
    networks = list(dict.fromkeys(line.network for line in LINES))
    return sorted(lines, key=lambda line: (networks.index(line.network), _SHOWN.index(line.optimizer)))


def _line(problem: str, network: str, optimizer: str) -> Published:
    wanted = (problem, network, optimizer)
    return next(line for line in LINES if (line.problem, line.network, line.optimizer) == wanted)


def _found(line: Published, results: Results) -> list[dict[str, Any]]:
    names = [cell.name for cell in all_cells() if cell.line == line]
    return [results[name] for name in names if name in results]


def _full_seconds(result: dict[str, Any]) -> float:
    """Seconds that all the iterations take: where they were cut short, at the pace of those that were made."""
    if result["result"] != "seconds exhausted" or not result["iterations"]:
        return result["seconds"]
    stepping = result["seconds"] - result["compile_seconds"]
    return result["compile_seconds"] + stepping * result["iterations_asked"] / result["iterations"]


def _cut_short(line: Published, found: Sequence[dict[str, Any]]) -> list[str]:
    cut = [result for result in found if result["iterations"] < result["iterations_asked"]]
    if not cut:
        return []
    counts = sorted(result["iterations"] for result in cut)
    reasons = ", ".join(sorted({result["result"] for result in cut}))
    return [
        f"{line.network}, {line.optimizer}: {len(cut)} of {len(found)} runs ended before the {line.iterations:,} "
        f"iterations of the paper, after {counts[0]:,} to {counts[-1]:,} ({reasons})."
    ]


def _not_run(line: Published) -> list[str]:
    return [f"{line.network}, {line.optimizer}: not run yet."]


def _number(value: float | None) -> str:
    return "-" if value is None or not math.isfinite(value) else f"{value:.2e}"
