"""From a problem and a network to a solution: the run, the policies that steer it, and the verdict on it."""

from sngd._history import History, Record
from sngd._results import Result
from sngd.solver._checkpoints import Checkpoints
from sngd.solver._driver import Callback
from sngd.solver._optimizer import AbstractOptimizer, Optimizer
from sngd.solver._plan import AUTO, Plan, make_plan
from sngd.solver._registry import OPTIMIZERS, find_optimizer
from sngd.solver._save import load, save
from sngd.solver._solution import Solution, plot
from sngd.solver._solve import DEFAULT_NETWORK, solve
from sngd.solver._step import StepInfo, TrainState, take_step
from sngd.solver._stopping import Stopping
from sngd.solver._summary import peak_bytes, processor, summarize
from sngd.solver._threads import share_cores_with_lapack

__all__ = [
    "AUTO",
    "DEFAULT_NETWORK",
    "OPTIMIZERS",
    "AbstractOptimizer",
    "Callback",
    "Checkpoints",
    "History",
    "Optimizer",
    "Plan",
    "Record",
    "Result",
    "Solution",
    "StepInfo",
    "Stopping",
    "TrainState",
    "find_optimizer",
    "load",
    "make_plan",
    "peak_bytes",
    "plot",
    "processor",
    "save",
    "share_cores_with_lapack",
    "solve",
    "summarize",
    "take_step",
]
