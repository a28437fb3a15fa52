"""Optimizers by name: a descent and a search."""

import dataclasses

from sngd.descent import ENGD, SNGD, AbstractDescent, FactorDescent, GradientDescent
from sngd.search import AbstractSearch, GainRatio, GridSearch


@dataclasses.dataclass(frozen=True)
class Optimizer:
    """A descent and the search that picks a point on its curve. Any search serves any descent."""

    descent: AbstractDescent
    search: AbstractSearch = dataclasses.field(default_factory=GridSearch)


OPTIMIZERS: dict[str, Optimizer] = {
    "damped": Optimizer(FactorDescent("damped"), GainRatio()),
    "two-pass": Optimizer(SNGD("two-pass")),
    "single-pass": Optimizer(SNGD("single-pass")),
    "engd": Optimizer(ENGD()),
    "gd": Optimizer(GradientDescent()),
}


def find_optimizer(name: str) -> Optimizer:
    """The optimizer called `name`. Raises `ValueError` for an unknown name."""
    if name not in OPTIMIZERS:
        raise ValueError(f"optimizer is {name!r}; it must be one of {', '.join(OPTIMIZERS)}")
    return OPTIMIZERS[name]
