"""Training: the step, the loop, and what a run returns."""

from sngd._results import Result
from sngd.train._archive import from_json, write_atomically
from sngd.train._checkpoints import Checkpoints
from sngd.train._files import load, save
from sngd.train._folder import (
    CHECKPOINTS,
    RESULT,
    SETTINGS,
    peak_bytes,
    prepare_folder,
    processor,
    run_folder,
    summarize,
    write_folder,
)
from sngd.train._history import History, Record
from sngd.train._loop import DEFAULT_NETWORK, solve
from sngd.train._named import OPTIMIZERS, find_optimizer
from sngd.train._optimizer import AbstractOptimizer, Optimizer
from sngd.train._plan import AUTO, Plan, make_plan
from sngd.train._plot import plot
from sngd.train._progress import ProgressDisplay
from sngd.train._run import FROM_OUTSIDE, Callback
from sngd.train._solution import Solution
from sngd.train._step import StepInfo, TrainState, take_step
from sngd.train._stopping import Stopping
from sngd.train._threads import share_cores_with_lapack

__all__ = [
    "AUTO",
    "CHECKPOINTS",
    "DEFAULT_NETWORK",
    "FROM_OUTSIDE",
    "OPTIMIZERS",
    "RESULT",
    "SETTINGS",
    "AbstractOptimizer",
    "Callback",
    "Checkpoints",
    "History",
    "Optimizer",
    "Plan",
    "ProgressDisplay",
    "Record",
    "Result",
    "Solution",
    "StepInfo",
    "Stopping",
    "TrainState",
    "find_optimizer",
    "from_json",
    "load",
    "make_plan",
    "peak_bytes",
    "plot",
    "prepare_folder",
    "processor",
    "run_folder",
    "save",
    "share_cores_with_lapack",
    "solve",
    "summarize",
    "take_step",
    "write_atomically",
    "write_folder",
]
