"""Checkpoints of a run: its state in files that are read without executing anything."""

import dataclasses
import importlib.metadata
import math
from typing import Any

import equinox as eqx
import jax
import numpy as np
from jaxtyping import Array, Float

from sngd._history import History, collect, records_of
from sngd.files import CheckpointFolder, Checkpoints, Plain, pack, restored, unpack
from sngd.linearize import AbstractObjective
from sngd.problem import AbstractProblem
from sngd.solver._iterate import Iterate, StepReport
from sngd.solver._optimizer import AbstractOptimizer
from sngd.solver._run import Run
from sngd.solver._state import Counters, RoundOutcome, RunState, StallHistory
from sngd.solver._step import values_of
from sngd.solver._verdict import Verdict

_FORMAT = "sngd-checkpoint-7"
_PACKAGES = ("sngd", "jax", "jaxlib", "numpy")
_HISTORY = "history_"

# The relative difference of two initial losses that rounding explains.
_SAME_LOSS = 1e-9


@dataclasses.dataclass(frozen=True)
class Identity:
    """What must be the same for a run to go on from a checkpoint as if it had never been stopped.

    It is the versions of the packages, the precision, the name, axes, bounds, parameters and conditions of the problem,
    the number of rows, the shapes of the network, the optimizer and the key. The equation itself is code, and is known
    by the `loss` of the initial network.
    """

    versions: dict[str, str]
    precision: str
    problem: str
    axes: tuple[str, ...]
    bounds: tuple[tuple[float, float], ...]
    parameters: dict[str, Any]
    conditions: tuple[str, ...]
    rows: int
    network: tuple[tuple[int, ...], ...]
    optimizer: str
    key: tuple[int, ...]
    loss: float

    def differences(self, other: "Identity") -> list[str]:
        """The differences from another identity, in words."""
        found = []
        for field in dataclasses.fields(self):
            mine, theirs = getattr(self, field.name), getattr(other, field.name)
            close = field.name == "loss" and math.isclose(mine, theirs, rel_tol=_SAME_LOSS)
            if mine != theirs and not close:
                name = "loss of the initial network" if field.name == "loss" else field.name
                found.append(f"{name} is {mine} here and {theirs} there")
        return found


def identify(
    problem: AbstractProblem,
    objective: AbstractObjective,
    theta: Float[Array, " p"],
    optimizer: AbstractOptimizer,
    key: Array,
    loss: float,
) -> Identity:
    """The identity of a run that is about to start: `loss` is that at `theta`, `key` the source of its randomness."""
    domain = problem.domain
    leaves = jax.tree.leaves(jax.eval_shape(objective.trial.unravel, theta))
    return Identity(
        versions={name: importlib.metadata.version(name) for name in _PACKAGES},
        precision=str(theta.dtype),
        problem=problem.name,
        axes=tuple(domain.axes),
        bounds=tuple((float(low), float(high)) for low, high in domain.bounds),
        parameters={name: np.asarray(value).tolist() for name, value in problem.parameters.items()},
        conditions=tuple(term.label for term in objective.residual_terms),
        rows=objective.rows,
        network=tuple(tuple(leaf.shape) for leaf in leaves),
        optimizer=eqx.tree_pformat(optimizer, width=10**6),
        key=tuple(np.asarray(jax.random.key_data(key)).ravel().tolist()),
        loss=loss,
    )


@dataclasses.dataclass(frozen=True)
class _Header:
    """All of a state but its arrays. `numbers`, `lowest_numbers`: those of the two iterates."""

    format: str
    identity: Identity
    counters: Counters
    numbers: list[Plain]
    lowest_numbers: list[Plain]
    report: dict[str, float] | None
    stall: StallHistory | None
    best: Verdict | None


def checkpoints_of(run: Run, options: Checkpoints | None) -> "RunCheckpoints | None":
    """The checkpoints of a run that is about to start, where there are to be any.

    Raises `ValueError` for a folder with checkpoints of a run that is not to be resumed.
    """
    if options is None:
        return None
    loss = float(values_of(run.objective, run.reference)[0])
    return RunCheckpoints(options, identify(run.problem, run.objective, run.reference, run.optimizer, run.key, loss))


def _report_of(numbers: dict[str, float]) -> StepReport:
    """Raises `TypeError` for other fields than those of a report."""
    whole: dict[str, int] = {name: int(numbers.pop(name)) for name in ("rank", "numerical_rank")}
    return StepReport(**numbers, **whole)


class RunCheckpoints:
    """The checkpoints of a run."""

    def __init__(self, options: Checkpoints, identity: Identity):
        """Raises `ValueError` for a folder with checkpoints of a run that is not to be resumed."""
        self._folder, self._identity = CheckpointFolder(options), identity

    @property
    def resumes(self) -> bool:
        """Whether there is a checkpoint to go on from."""
        return self._folder.resumes

    @property
    def due(self) -> bool:
        """Whether it is time for the next checkpoint."""
        return self._folder.due

    def write(self, state: RunState) -> None:
        """Write one. Of several processes, the first one does."""
        if jax.process_index() != 0:
            return
        iterate, numbers = pack("iterate", state.iterate)
        lowest, lowest_numbers = pack("lowest", state.lowest)
        header = _Header(
            format=_FORMAT,
            identity=self._identity,
            counters=state.counters,
            numbers=numbers,
            lowest_numbers=lowest_numbers,
            report=None if state.report is None else dict(vars(state.report)),
            stall=state.stall,
            best=None if state.best is None else state.best.verdict,
        )
        history = {_HISTORY + name: values for name, values in vars(collect(state.records)).items()}
        best = {} if state.best is None else {"best": np.asarray(state.best.theta)}
        self._folder.write(state.records[-1].iteration, header, {**history, **iterate, **lowest, **best})

    def read(self, template: Iterate) -> RunState:
        """The state of the last checkpoint that can be read. A damaged checkpoint is passed over, with a warning.

        - `template`: an iterate of the same structure.

        Raises `ValueError` where none can be read, and for one of another run, with the differences named.
        """

        def restore(header: _Header, arrays: dict[str, np.ndarray]) -> RunState:
            verdict = header.best
            return RunState(
                iterate=unpack("iterate", template, arrays, header.numbers),
                lowest=unpack("lowest", template, arrays, header.lowest_numbers),
                counters=header.counters,
                records=tuple(records_of(History.from_arrays(arrays, _HISTORY))),
                report=None if header.report is None else _report_of(header.report),
                stall=header.stall,
                best=None if verdict is None else RoundOutcome(restored("best", template.theta, arrays), verdict),
            )

        return self._folder.read(_Header, self._require_same_run, restore)

    def _require_same_run(self, path: str, header: _Header) -> None:
        if header.format != _FORMAT:
            raise ValueError(f"the checkpoint {path!r} has format {header.format!r}, this version {_FORMAT!r}")
        differences = self._identity.differences(header.identity)
        if differences:
            raise ValueError(f"the checkpoint {path!r} is of another run: {'; '.join(differences)}")
