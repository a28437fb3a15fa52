"""The claims of the paper: verdicts on made-up cells, reasons, and the report on which they stand."""

import dataclasses
import json
import math
import statistics
from html.parser import HTMLParser

import pytest
from paper_cells import cells_of, result

import reproduction as paper
from reproduction import reasons, theory, verdicts
from reproduction.__main__ import main
from reproduction.measured import Measured
from reproduction.published import LINES, RUNS
from reproduction.table import Table
from reproduction.verdicts import Claim, Part, Verdict, compare_factor

CHECKS = [theory.relu_decay(), theory.stiffness_as_printed()]


def measured(problem, optimizer, network="4x20", errors=(), **ended):
    """The runs of an optimizer with these errors, which end as the arguments say."""
    cells = cells_of(problem, optimizer, network)
    found = {cell.name: result(cell, error, **ended) for cell, error in zip(cells, errors, strict=False)}
    return Measured(cells[0].line, tuple(cells), found)


def falling(problem, optimizer, errors, network="4x20"):
    """Runs that a budget of seconds ended, with errors that have fallen from one in the last half."""
    seconds = cells_of(problem, optimizer, network)[0].limit("cpu").seconds + 1
    return measured(problem, optimizer, network, errors, seconds=seconds, iterations=100, ended="seconds exhausted")


def settled(problem, optimizer, errors, network="4x20"):
    """Runs that a budget of seconds ended, with errors that did not change in the last half."""
    item = falling(problem, optimizer, errors, network)
    for error, found in zip(errors, item.results.values(), strict=True):
        found["history"] = {
            "iteration": [0, 40, 60, 100],
            "loss": [1.0, 0.1, 0.01, 0.01],
            "error": [1.0, 1.05 * error, error, error],
            "seconds": [0.0, 1.0, 2.0, 3.0],
        }
    return item


@pytest.mark.parametrize(
    ("least", "largest", "printed", "verdict"),
    [
        (30.0, 30.0, 40.0, Verdict.CONFIRMED),
        (19.0, 19.0, 40.0, Verdict.SMALLER),
        (1.0, 1.0, 40.0, Verdict.REFUTED),
        (0.9, 0.9, 1.1, Verdict.REFUTED),
        # Half of the printed factor is below one; the factor must be above one all the same.
        (1.05, 1.05, 1.8, Verdict.CONFIRMED),
        # The optimizer that should have the smaller error could still improve.
        (5.0, math.inf, 40.0, Verdict.UNDECIDED),
        (25.0, math.inf, 40.0, Verdict.CONFIRMED),
        # The other one could still improve.
        (0.0, 30.0, 40.0, Verdict.UNDECIDED),
        (0.0, 0.5, 40.0, Verdict.REFUTED),
    ],
)
def test_a_factor_has_the_verdict_that_its_whole_range_allows(least, largest, printed, verdict):
    assert compare_factor(least, largest, printed) is verdict


def test_medians_are_compared_as_in_the_table():
    small = measured("poisson", "two-pass", errors=(3e-9, 1e-9, 2e-9, 5e-9, 4e-9))
    large = measured("poisson", "engd", errors=(6e-7, 6e-7, 6e-7, 1e-6, 1e-9))
    part = verdicts.more_accurate(small, large)
    # 6e-7 over 3e-9, and 5.16e-7 over 1.21e-8 in table 3.
    assert (part.paper, part.ours, part.verdict) == ("43", "200", Verdict.CONFIRMED)


def test_errors_that_were_falling_leave_a_comparison_open():
    small, large = measured("poisson", "two-pass", errors=[1e-9] * 5), falling("poisson", "engd", [1e-6] * 5)
    assert large.median_range == (0.0, 1e-6)
    assert verdicts.more_accurate(small, large).verdict is Verdict.UNDECIDED
    assert settled("poisson", "engd", [1e-6] * 5).median_range == (1e-6, 1e-6)
    assert verdicts.more_accurate(small, settled("poisson", "engd", [1e-6] * 5)).verdict is Verdict.CONFIRMED
    assert verdicts.more_accurate(small, measured("poisson", "engd")).verdict is Verdict.UNDECIDED


def test_two_runs_of_five_that_were_falling_move_a_median_by_two_places():
    errors = (1e-6, 2e-6, 3e-6, 4e-6, 5e-6)
    item, open_ends = settled("poisson", "engd", errors), falling("poisson", "engd", errors)
    names = list(item.results)
    mixed = item.results | {name: open_ends.results[name] for name in names[3:]}
    # Zero, zero, 1e-6, 2e-6 and 3e-6 are the least errors.
    assert dataclasses.replace(item, results=mixed).median_range == (1e-6, 3e-6)


def test_the_papers_medians_are_those_of_its_runs_and_free_of_its_misprint():
    runs = [run.error for run in RUNS if run.optimizer == "engd"]
    assert measured("transport", "engd").published_median == statistics.median(runs) == 1.79
    # The printed median, 1.49e-07, lies above the maximum.
    assert measured("heat", "two-pass", "A3").published_median == 1.99e-8
    assert measured("heat", "single-pass", "A3").published_median == 1.484e-8


def test_runs_that_converge_are_counted_like_the_papers():
    converged = verdicts.converges(measured("transport", "engd", errors=[1e-4, 1e-4, 1.0, 2.0, 3.0]), 2)
    assert (converged.ours, converged.verdict) == ("2 of 5", Verdict.CONFIRMED)
    assert verdicts.converges(measured("transport", "engd", errors=[1e-4] * 5), 2).verdict is Verdict.REFUTED
    missed = [1e-4, 1e-4, 1e-4, 1e-4, 0.3]
    assert verdicts.converges(measured("transport", "two-pass", errors=missed), 5).verdict is Verdict.REFUTED
    assert verdicts.converges(falling("transport", "two-pass", missed), 5).verdict is Verdict.UNDECIDED


def test_an_error_is_compared_with_the_largest_printed_one():
    def of(item):
        return verdicts.as_accurate(item).verdict

    assert of(measured("heat", "two-pass", "A3", [3e-8])) is Verdict.CONFIRMED
    assert of(measured("heat", "two-pass", "A3", [1e-6])) is Verdict.REFUTED
    assert of(falling("heat", "two-pass", [1e-6], "A3")) is Verdict.UNDECIDED


def test_times_are_compared_with_the_iterations_that_are_left():
    small = measured("poisson", "two-pass", errors=[1e-9], seconds=100.0)
    # Half of the iterations took 300 seconds; the paper has 8.85 over 1.92 minutes.
    large = measured("poisson", "engd", errors=[1e-6], seconds=300.0, iterations=1000)
    part = verdicts.faster(small, large)
    assert (part.paper, part.ours, part.verdict) == ("4.6", "6", Verdict.CONFIRMED)
    assert verdicts.equally_fast(small, large).verdict is Verdict.REFUTED
    alike = measured("poisson", "engd", errors=[1e-6], seconds=60.0)
    assert verdicts.equally_fast(small, alike).verdict is Verdict.CONFIRMED


def test_ranks_are_compared_by_their_means():
    engd = measured("poisson", "engd", errors=[1e-6] * 5, rank=200)
    part = verdicts.higher_rank(engd, measured("poisson", "two-pass", errors=[1e-9] * 5, rank=300), lambda _: 1.0)
    assert (part.ours, part.verdict) == ("1.50", Verdict.CONFIRMED)
    cut = falling("poisson", "two-pass", [1e-9] * 5)
    assert verdicts.higher_rank(engd, cut, lambda _: 1.0).verdict is Verdict.UNDECIDED


def test_a_claim_is_as_good_as_its_worst_part():
    def claim(*found):
        return Claim("name", "text", tuple(Part("what", "1", "2", verdict) for verdict in found))

    assert claim(Verdict.CONFIRMED, Verdict.SMALLER).verdict is Verdict.SMALLER
    assert claim(Verdict.UNDECIDED, Verdict.SMALLER).verdict is Verdict.UNDECIDED
    assert claim(Verdict.REFUTED, Verdict.UNDECIDED).verdict is Verdict.REFUTED
    assert claim().verdict is Verdict.UNDECIDED
    mixed = claim(Verdict.CONFIRMED, Verdict.REFUTED, Verdict.CONFIRMED)
    assert mixed.tally == "confirmed in 2, refuted in 1 of 3 parts"
    assert claim(Verdict.CONFIRMED, Verdict.CONFIRMED).tally == "in all 2 parts"


def test_cells_with_the_papers_medians_confirm_its_claims():
    found = {}
    runs = {(run.optimizer, run.run): run for run in RUNS}
    for cell in paper.select_cells():
        line = cell.line
        error, rank = line.median or 1.0, line.rank or 100
        if line.problem == "transport" and (line.optimizer, cell.seed + 1) in runs:
            run = runs[line.optimizer, cell.seed + 1]
            error, rank = run.error, run.rank or 100
        if (line.network, line.optimizer) == ("A3", "two-pass"):
            error = line.largest
        found[cell.name] = result(cell, error, seconds=60 * (line.minutes or 1.0), rank=rank)
    claims = paper.make_claims(found, CHECKS)
    # Claims 7 and 8 are about the theory.
    assert [claim.verdict for claim in claims[:6]] == [Verdict.CONFIRMED] * 6
    assert {reason for claim in claims[:6] for reason in claim.reasons} == {reasons.TIMES}


def test_claims_wait_for_cells():
    claims = paper.make_claims({}, [])
    assert len(claims) == 8
    assert {claim.verdict for claim in claims} == {Verdict.UNDECIDED}
    # The numbers of the paper stand in the claims. Tables 1 and 3 have them as medians.
    lines = {(line.problem, line.network, line.optimizer): line for line in LINES}
    factors = [
        lines["heat", network, "engd"].median / lines["heat", network, sketch].median
        for network in ("A1", "A2")
        for sketch in ("single-pass", "two-pass")
    ]
    assert f"{min(factors):.1f} to {max(factors):.0f} times" in claims[0].text


def test_a_reason_is_given_only_where_the_cells_show_it():
    assert reasons.unsettled([settled("poisson", "engd", [1e-6] * 5)]) == []
    (told,) = reasons.unsettled([falling("poisson", "engd", [1e-6] * 5), falling("heat", "engd", [1e-6], "A2")])
    assert "Poisson's equation: ENGD (5 of 5 runs, 100 of 2,000 iterations); Heat equation, A2: ENGD (1 of 1" in told
    assert reasons.start([measured("heat", "engd", "A1", [2.0e-6] * 5)]) == []
    (told,) = reasons.start([measured("heat", "engd", "A1", [2.78e-7] * 5)])
    assert "0.1 (ENGD) times the paper's" in told
    assert reasons.energy_search(measured("bvp-energy", "bfgs", errors=[1.2e-7])) == []
    assert "10 times" in reasons.energy_search(measured("bvp-energy", "bfgs", errors=[1.2e-6]))[0]
    points = measured("transport", "two-pass", errors=[1e-3] * 2, ended="fits its points only")
    assert "in 2 of 2 runs of SNGD two-pass" in reasons.fits_points_only([points])[0]
    assert reasons.fits_points_only([measured("transport", "two-pass", errors=[1e-3])]) == []
    assert reasons.tolerance([]) == []
    engd = measured("poisson", "engd", errors=[1e-6], rank=211)
    assert "2 (Poisson's equation) times the paper's" in reasons.higher_ranks({"Poisson's equation": (engd, 105.5)})[0]
    assert reasons.higher_ranks({"Poisson's equation": (engd, 211)}) == []


class _Outline(HTMLParser):
    """The headings, links, targets, pictures and boxes of a page."""

    def __init__(self):
        super().__init__()
        self.headings, self.links, self.targets, self.pictures, self.boxes = [], [], [], [], 0
        self._depth, self.loose_tables = 0, 0

    def handle_starttag(self, tag, attrs):
        found = dict(attrs)
        if tag in ("h1", "h2", "h3", "h4"):
            self.headings.append(int(tag[1]))
        if "id" in found:
            self.targets.append(found["id"])
        if tag == "a":
            self.links.append(found["href"])
        if tag == "img":
            self.pictures.append(found)
        if tag == "div":
            self._depth += found.get("class") == "wide"
        if tag == "table" and not self._depth:
            self.loose_tables += 1

    def handle_endtag(self, tag):
        if tag == "div" and self._depth:
            self._depth -= 1


@pytest.fixture
def report(tmp_path, monkeypatch):
    monkeypatch.setattr("reproduction.output.check_theory", lambda results: CHECKS)
    for cell in paper.select_cells(tables=[3]):
        (tmp_path / f"{cell.name}.json").write_text(json.dumps(result(cell, 1e-8)))
    page, claims = paper.write_report(tmp_path)
    return page.read_text(), claims.read_text()


def test_the_report_needs_nothing_else(report):
    page, _ = report
    assert "30 of 141 runs" in page
    assert all(f"Table {number}: " in page for number in range(1, 7))
    assert all(f"<h3>Figure {number}</h3>" in page for number in range(1, 6))
    assert "cpu: cpu, 2 CPU cores, of which a run used 1 (30 runs)" in page
    assert page.count('src="data:image/png;base64,') == page.count('srcset="data:image/png;base64,') == 2
    assert "http" not in page


def test_the_report_is_in_the_order_of_a_reader(report):
    page, claims = report
    order = ["What the paper claims", "What we find", "Tables", "Figures", "Theory", "Misprints", "How it was run"]
    places = [page.index(f'id="section{number}">{name}') for number, name in enumerate(order)]
    assert places == sorted(places)
    outline = _Outline()
    outline.feed(page)
    assert outline.headings[0] == 1
    assert all(later <= earlier + 1 for earlier, later in zip(outline.headings, outline.headings[1:], strict=False))
    assert len(set(outline.targets)) == len(outline.targets)
    assert {link.removeprefix("#") for link in outline.links} <= set(outline.targets)
    assert all(len(picture["alt"]) > 40 and picture["width"] and picture["height"] for picture in outline.pictures)
    assert outline.loose_tables == 0
    for number in range(1, 9):
        assert f"#claim{number}" in outline.links
        assert f"## {number}. " in claims


def test_the_command_writes_the_report_and_all_that_it_holds(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("reproduction.output.check_theory", lambda results: CHECKS)
    assert main(["report", "--out", str(tmp_path)]) == 0
    written = [f"Written to {tmp_path / name}" for name in ("report.html", "claims.md")]
    assert capsys.readouterr().out.splitlines() == written
    tables = {f"table{number}.md" for number in range(1, 7)} | {"ordering.md", "seconds.md"}
    assert {path.name for path in tmp_path.glob("*.md")} == tables | {"claims.md", "theory.md"}
    assert "not decided" in (tmp_path / "claims.md").read_text()
    assert "0 of 141 runs" in (tmp_path / "report.html").read_text()


def test_a_table_in_html_scrolls_in_a_box_and_folds_many_notes():
    few = Table("A < B", ("name", "verdict"), (("x", "refuted"), ("y", "confirmed with a smaller margin")), ("`go`",))
    assert '<td class="refuted">refuted</td>' in few.html()
    assert '<td class="smaller">confirmed with a smaller margin</td>' in few.html()
    assert 'role="region" tabindex="0" aria-label="A &lt; B"' in few.html()
    assert "<li><code>go</code></li>" in few.html()
    assert "<details" not in few.html()
    assert "<li>" not in few.html(notes=False)
    assert few.html(heading="h3").startswith("<h3>A &lt; B</h3>")
    many = dataclasses.replace(few, notes=tuple("abcde"))
    assert "<summary>5 notes</summary>" in many.html()
