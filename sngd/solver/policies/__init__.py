"""Policies: what steers a run. Each is one file, with decisions that are functions of the run and its state."""

from sngd.solver.policies._frequencies import Frequencies, FrequencyChoice
from sngd.solver.policies._nonmonotone import Nonmonotone
from sngd.solver.policies._policies import Policies
from sngd.solver.policies._refine import Refine
from sngd.solver.policies._restart import Restart
from sngd.solver.policies._start import AbstractStart, Beginning, GivenStart, NamedStart
from sngd.solver.policies._stop import Stop

__all__ = [
    "AbstractStart",
    "Beginning",
    "Frequencies",
    "FrequencyChoice",
    "GivenStart",
    "NamedStart",
    "Nonmonotone",
    "Policies",
    "Refine",
    "Restart",
    "Stop",
]
