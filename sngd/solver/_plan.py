"""What a run will take: which optimizer, how the factor is kept, how much memory, how long a step."""

import dataclasses
import time
from collections.abc import Callable
from pathlib import Path

import equinox as eqx
import jax
import psutil
from jaxtyping import Array, Float, PyTree

from sngd.linearize import AbstractFactor, AbstractObjective, Limits
from sngd.solver._optimizer import AbstractOptimizer
from sngd.solver._registry import find_optimizer

# The interpreter, the libraries and the compiled code, in bytes: measured, with a network of a million parameters.
_BASE = 0.8e9

# A stored factor may take this part of the memory, since its decomposition takes several times as much; a block less.
_STORED, _BLOCK = 8, 32

# Residual space has to be so many times cheaper a step than the decomposition of a stored factor: it knows fewer
# digits, and takes more steps for the last ones.
_CHEAPER = 4.0

# Optimizers to propose where another does not fit.
_FRUGAL = ("damped", "preconditioned", "residual-space", "two-pass")

# Where Linux tells a container how much memory it may take: a number, or the word max.
_CONTAINER = Path("/sys/fs/cgroup/memory.max")

# Side of the matrices whose product tells how fast the machine is.
_SIDE = 512

# Stands for the optimizer that `make_plan` chooses.
AUTO = "auto"


@dataclasses.dataclass(frozen=True)
class Plan:
    """What a run will take, predicted from the sizes alone, and from the speed of one matrix product.

    - `label`: the optimizer's name or description. `storage`: how the factor is kept.
    - `rows`, `parameters`: the shape of the factor.
    - `bytes`: resident memory at its peak.
    - `operations`: of a step. `rate`: how many the machine makes a second.
    """

    optimizer: AbstractOptimizer
    label: str
    storage: str
    rows: int
    parameters: int
    bytes: float
    operations: float
    rate: float

    @property
    def seconds(self) -> float:
        """The predicted seconds of a step, compilation apart."""
        return self.operations / self.rate

    def __str__(self) -> str:
        return (
            f"{self.label}, factor of {self.rows:,} rows and {self.parameters:,} parameters {self.storage}: "
            f"about {self.bytes / 1e9:.1f} GB and {self.seconds:.2g} s a step"
        )


def limits_for(memory: float) -> Limits:
    """How a factor may be kept within so many bytes."""
    limits = Limits()
    dense, chunk = min(limits.dense_bytes, int(memory / _STORED)), min(limits.chunk_bytes, int(memory / _BLOCK))
    return Limits(dense_bytes=dense, chunk_bytes=chunk)


def make_plan(
    objective: AbstractObjective,
    theta: Float[Array, " p"],
    optimizer: object = AUTO,
    memory: float | None = None,
) -> Plan:
    """The plan for a run. Nothing is compiled but one product of matrices, for its speed.

    - `optimizer`: what `find_optimizer` takes, or `AUTO`: the decomposition of the factor, or residual space where that
      is much cheaper; preconditioned iterations for a factor kept as outer products.
    - `memory`: bytes that the run may take; left out, those of the machine.

    Raises `ValueError` where the run does not fit into the memory; the message names an optimizer that does.
    """
    rate = _operations_a_second()
    factor = eqx.filter_eval_shape(objective.factor, theta)

    def plan(optimizer: object) -> Plan:
        found = find_optimizer(optimizer)
        label = optimizer if isinstance(optimizer, str) else found.description
        rows, parameters = factor.shape
        cost = found.cost(factor)
        return Plan(found, label, objective.storage, rows, parameters, _BASE + cost.bytes, cost.operations, rate)

    bound = machine_bytes() if memory is None else memory
    chosen = _suitable(plan, bound, layered=bool(objective.linear)) if optimizer == AUTO else plan(optimizer)
    if chosen.bytes > bound:
        fitting = [plan(name) for name in _FRUGAL if _fits(plan, name, bound)]
        fastest = min(fitting, key=lambda other: other.seconds, default=None)
        way_out = f"optimizer={fastest.label!r} fits" if fastest else "take fewer points or a smaller network"
        raise ValueError(f"{chosen}, more than memory = {bound / 1e9:.1f} GB; {way_out}")
    return chosen


def bytes_of(optimizer: AbstractOptimizer, factor: AbstractFactor, state: PyTree | None = None) -> float:
    """Resident memory of a run at its peak, in bytes. Reads the factor's shapes only.

    - `state`: that of the optimizer; `None` stands for the one before the first step.
    """
    return _BASE + optimizer.cost(factor, state).bytes


def _suitable(plan: Callable[[str], Plan], bound: float, *, layered: bool) -> Plan:
    """The plan for the decomposition of the factor, or for residual space where that is much cheaper or alone fits; for
    preconditioned iterations where the factor is kept as outer products.
    """
    if layered and _fits(plan, "preconditioned", bound):
        return plan("preconditioned")
    damped = plan("damped")
    if not _fits(plan, "residual-space", bound):
        return damped
    residual_space = plan("residual-space")
    much_cheaper = _CHEAPER * residual_space.seconds < damped.seconds
    return residual_space if much_cheaper or damped.bytes > bound else damped


def _fits(plan: Callable[[str], Plan], name: str, bound: float) -> bool:
    """Whether an optimizer takes these sizes, within so many bytes."""
    try:
        return plan(name).bytes <= bound
    except ValueError:
        return False


def _operations_a_second() -> float:
    """Floating-point operations a second in a product of matrices, the best of three."""
    matrix = jax.numpy.ones((_SIDE, _SIDE))
    seconds = []
    for _ in range(3):
        start = time.perf_counter()
        jax.block_until_ready(matrix @ matrix)
        seconds.append(time.perf_counter() - start)
    return 2 * _SIDE**3 / min(seconds)


def machine_bytes() -> float:
    """The memory of the device; or of the machine, or what a container may take of it."""
    statistics = jax.local_devices()[0].memory_stats() or {}
    if "bytes_limit" in statistics:
        return statistics["bytes_limit"]
    machine = psutil.virtual_memory().total
    try:
        return min(machine, int(_CONTAINER.read_text()))
    except (OSError, ValueError):
        return machine
