"""Optimizers by name."""

import importlib

from sngd._arguments import shown
from sngd.descent import ENGD, SNGD, AbstractDescent, FactorDescent, GradientDescent, Preconditioned, ResidualSpace
from sngd.search import GainRatio
from sngd.solver._optax import OptaxOptimizer, is_transformation
from sngd.solver._optimizer import AbstractOptimizer, Optimizer

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


def find_optimizer(optimizer: object) -> AbstractOptimizer:
    """The optimizer that `optimizer` means, which is one of several kinds.

    - a name, one of `OPTIMIZERS`;
    - an `AbstractOptimizer`, which is that itself;
    - a descent alone, which is searched along as an `Optimizer` does where it is given no search;
    - a gradient transformation of Optax, such as `optax.adam(1e-3)`.

    Raises `ValueError` for an unknown name, and `TypeError` for anything else.
    """
    match optimizer:
        case AbstractOptimizer():
            return optimizer
        case AbstractDescent():
            return Optimizer(optimizer)
        case str():
            return _named(optimizer)
    if is_transformation(optimizer):
        return OptaxOptimizer(optimizer)
    raise TypeError(
        f"optimizer is {shown(optimizer)}; give a name ({', '.join(OPTIMIZERS)}), an Optimizer, a descent like SNGD(), "
        "or a transformation of Optax like optax.adam(1e-3)"
    )


def _named(name: str) -> AbstractOptimizer:
    if name in _OWN:
        return _OWN[name]
    if name not in _BASELINES:
        raise ValueError(f"optimizer is {name!r}; it must be one of {', '.join(OPTIMIZERS)}")
    return importlib.import_module("sngd.solver._baselines").BASELINES[name]
