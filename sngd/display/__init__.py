"""Figures of a solution, and the progress of a run in a terminal, a notebook or a file."""

from sngd.display._corner import draw_corner
from sngd.display._plot import draw
from sngd.display._progress import ProgressDisplay

__all__ = ["ProgressDisplay", "draw", "draw_corner"]
