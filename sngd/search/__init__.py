"""Rules: each picks a point on a curve of trial updates by evaluating the loss."""

from sngd.search._base import AbstractSearch, Choice, LossAlong
from sngd.search._fixed import FixedStep
from sngd.search._gain import GainRatio, GainState
from sngd.search._grid import GridSearch

__all__ = ["AbstractSearch", "Choice", "FixedStep", "GainRatio", "GainState", "GridSearch", "LossAlong"]
