"""Optimizers by name."""

import importlib

from sngd.descent import ENGD, SNGD, FactorDescent, GradientDescent, Preconditioned, ResidualSpace
from sngd.search import GainRatio
from sngd.train._optimizer import AbstractOptimizer, Optimizer

_OWN: dict[str, AbstractOptimizer] = {
    "damped": Optimizer(FactorDescent("damped"), GainRatio()),
    "preconditioned": Optimizer(Preconditioned(), GainRatio()),
    "residual-space": Optimizer(ResidualSpace(), GainRatio()),
    "engd-w": Optimizer(ResidualSpace(adapts=False), GainRatio()),
    "two-pass": Optimizer(SNGD("two-pass")),
    "single-pass": Optimizer(SNGD("single-pass")),
    "engd": Optimizer(ENGD()),
    "gd": Optimizer(GradientDescent()),
}

# They need packages that take longer to import than many a run takes to converge: imported on demand.
_BASELINES = ("adam", "bfgs", "l-bfgs")

OPTIMIZERS = (*_OWN, *_BASELINES)


def find_optimizer(name: str) -> AbstractOptimizer:
    """The optimizer called `name`, one of `OPTIMIZERS`.

    Raises `ValueError` for an unknown name.
    """
    if name in _OWN:
        return _OWN[name]
    if name not in _BASELINES:
        raise ValueError(f"optimizer is {name!r}; it must be one of {', '.join(OPTIMIZERS)}")
    return importlib.import_module("sngd.train._baselines").BASELINES[name]
