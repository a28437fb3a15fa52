"""Frozen random features and the least-squares problem for their output layer: the start of a run, or its answer."""

from sngd.features._choice import Candidate, Chooser, FeatureChoice
from sngd.features._estimate import Estimate
from sngd.features._families import Features, Layer
from sngd.features._fit import Fit, fit, stacked
from sngd.features._march import March, Piece, can_march, march
from sngd.features._march import error_of as error_of_pieces
from sngd.features._network import Network
from sngd.features._rows import Rows, Window

__all__ = [
    "Candidate",
    "Chooser",
    "Estimate",
    "FeatureChoice",
    "Features",
    "Fit",
    "Layer",
    "March",
    "Network",
    "Piece",
    "Rows",
    "Window",
    "can_march",
    "error_of_pieces",
    "fit",
    "march",
    "stacked",
]
