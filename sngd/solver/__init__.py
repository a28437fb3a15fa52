"""From a problem and a network to a solution: the run, the policies that steer it, and the verdict on it."""

from sngd._history import History, Record
from sngd._results import Result
from sngd.files import Checkpoints
from sngd.solver._driver import Callback, Snapshot
from sngd.solver._eigenpairs import Eigenpairs, eigenpairs
from sngd.solver._iterate import Iterate, StepReport
from sngd.solver._optimizer import AbstractOptimizer, Optimizer
from sngd.solver._plan import AUTO, Plan, make_plan
from sngd.solver._plot import plot, plot_constants
from sngd.solver._profile import Profile, profile
from sngd.solver._registry import OPTIMIZERS, find_optimizer
from sngd.solver._run import (
    AbstractNonmonotone,
    AbstractRefine,
    AbstractRestart,
    AbstractStart,
    AbstractStop,
    Beginning,
    Run,
)
from sngd.solver._save import load, save
from sngd.solver._solution import Solution
from sngd.solver._solve import DEFAULT_NETWORK, solve
from sngd.solver._state import Counters, RoundOutcome, RunState, StallHistory
from sngd.solver._stopping import Stopping
from sngd.solver._summary import peak_bytes, processor, summarize
from sngd.solver._threads import share_cores_with_lapack
from sngd.solver._verdict import Diagnosis, Verdict
from sngd.solver.policies import FrequencyChoice, Nonmonotone, Policies, Refine, Restart, Stop

__all__ = [
    "AUTO",
    "DEFAULT_NETWORK",
    "OPTIMIZERS",
    "AbstractNonmonotone",
    "AbstractOptimizer",
    "AbstractRefine",
    "AbstractRestart",
    "AbstractStart",
    "AbstractStop",
    "Beginning",
    "Callback",
    "Checkpoints",
    "Counters",
    "Diagnosis",
    "Eigenpairs",
    "FrequencyChoice",
    "History",
    "Iterate",
    "Nonmonotone",
    "Optimizer",
    "Plan",
    "Policies",
    "Profile",
    "Record",
    "Refine",
    "Restart",
    "Result",
    "RoundOutcome",
    "Run",
    "RunState",
    "Snapshot",
    "Solution",
    "StallHistory",
    "StepReport",
    "Stop",
    "Stopping",
    "Verdict",
    "eigenpairs",
    "find_optimizer",
    "load",
    "make_plan",
    "peak_bytes",
    "plot",
    "plot_constants",
    "processor",
    "profile",
    "save",
    "share_cores_with_lapack",
    "solve",
    "summarize",
]
