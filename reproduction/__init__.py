"""The reproduction of the paper: its tables, figures and claims beside our numbers.

The paper is McKay, Kaur, Greif and Wetton, "Near-optimal Sketchy Natural Gradients for PINNs", ICML 2025.
"""

from reproduction.cells import BUDGETS, Cell, read_cells, run_cell, select_cells
from reproduction.claims import make_claims
from reproduction.figures import make_figure
from reproduction.output import write_figures, write_report, write_tables, write_theory
from reproduction.reproduce import reproduce
from reproduction.seconds import seconds_to_errors
from reproduction.spectrum import gramian_eigenvalues
from reproduction.table import Table
from reproduction.tables import make_table, ordering
from reproduction.theory import Check, check_theory
from reproduction.verdicts import Claim, Part, Verdict

__all__ = [
    "BUDGETS",
    "Cell",
    "Check",
    "Claim",
    "Part",
    "Table",
    "Verdict",
    "check_theory",
    "gramian_eigenvalues",
    "make_claims",
    "make_figure",
    "make_table",
    "ordering",
    "read_cells",
    "reproduce",
    "run_cell",
    "seconds_to_errors",
    "select_cells",
    "write_figures",
    "write_report",
    "write_tables",
    "write_theory",
]
