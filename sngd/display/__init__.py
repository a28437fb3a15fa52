"""Figures of solutions and of domains, and the progress of a run in a terminal, a notebook or a file."""

from sngd.display._corner import draw_corner
from sngd.display._domain import draw_domain
from sngd.display._plot import draw
from sngd.display._progress import ProgressDisplay

__all__ = ["ProgressDisplay", "draw", "draw_corner", "draw_domain"]
