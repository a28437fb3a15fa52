"""The command `python -m reproduction.cell_process NAME BUDGET FOLDER`, which runs one cell in its own process."""

import sys
from pathlib import Path

import jax

from reproduction.cells import run_cell, select_cells

if __name__ == "__main__":
    jax.config.update("jax_enable_x64", True)
    name, budget, folder = sys.argv[1:]
    (cell,) = select_cells(only=name)
    run_cell(cell, budget, Path(folder))
