"""The paper, reproduced: its tables, figures and claims beside our numbers."""

from sngd.paper._cells import BUDGETS, Cell, read_cells, run_cell, select_cells
from sngd.paper._figures import make_figure
from sngd.paper._output import write_figures, write_tables, write_theory
from sngd.paper._report import write_report
from sngd.paper._reproduce import reproduce
from sngd.paper._spectrum import gramian_eigenvalues
from sngd.paper._table import Table
from sngd.paper._tables import make_table, ordering
from sngd.paper._theory import Check, check_theory

__all__ = [
    "BUDGETS",
    "Cell",
    "Check",
    "Table",
    "check_theory",
    "gramian_eigenvalues",
    "make_figure",
    "make_table",
    "ordering",
    "read_cells",
    "reproduce",
    "run_cell",
    "select_cells",
    "write_figures",
    "write_report",
    "write_tables",
    "write_theory",
]
