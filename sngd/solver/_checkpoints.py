"""Checkpoints: all that a run is, in files that are read without executing anything."""

import dataclasses
import importlib.metadata
import json
import logging
import math
import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from sngd._arguments import require_integer, require_number, shown
from sngd._history import History, Record, collect, records_of
from sngd.files import read_archive, write_archive
from sngd.linearize import AbstractObjective
from sngd.problem import AbstractProblem
from sngd.solver._optimizer import AbstractOptimizer
from sngd.solver._state import End, Moment, Place, Verdict
from sngd.solver._step import StepInfo, TrainState
from sngd.solver._valley import Valley, Watch

_FORMAT = "sngd-checkpoint-6"
_WHAT = "a checkpoint"
_PACKAGES = ("sngd", "jax", "jaxlib", "numpy")
_HISTORY = "history_"
_LOG = logging.getLogger("sngd")

# Settings that change from step to step are of these types.
_PLAIN = (bool, int, float, str, type(None))

# The relative difference of two initial losses that rounding explains.
_SAME_LOSS = 1e-9


@dataclasses.dataclass(frozen=True)
class Checkpoints:
    """Where a run keeps what it needs to go on after it was killed, and how often.

    - `folder`: for files of this run alone; it is made if need be.
    - `seconds`: between two checkpoints: what a kill loses, at most, and the time of one step.
    - `keep`: how many of the last ones to keep.
    - `resume`: whether to go on from the last one in the folder that can be read; where there is none, because the run
      was killed before the first, it begins.

    Raises `TypeError` for arguments of another kind, and `ValueError` for seconds below zero, or none to keep.
    """

    folder: Path | str
    seconds: float = 60.0
    keep: int = 3
    resume: bool = False

    def __post_init__(self):
        if not isinstance(self.folder, str | os.PathLike):
            raise TypeError(f"folder is {shown(self.folder)}; give the path of a folder")
        require_number("seconds", self.seconds)
        require_integer("keep", self.keep, least=1)
        if not self.seconds >= 0:
            raise ValueError(f"seconds is {self.seconds}; the time between two checkpoints must not be negative")


@dataclasses.dataclass(frozen=True)
class Identity:
    """What must be the same for a run to go on from a checkpoint as if it had never been stopped.

    The equation itself is code, and is known by the `loss` of the initial network.
    """

    versions: dict[str, str]
    precision: str
    problem: str
    axes: tuple[str, ...]
    bounds: tuple[tuple[float, float], ...]
    conditions: tuple[str, ...]
    rows: int
    network: tuple[tuple[int, ...], ...]
    optimizer: str
    key: tuple[int, ...]
    loss: float

    def differences(self, other: "Identity") -> list[str]:
        """In what another one differs, in words."""
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
    leaves = jax.tree.leaves(objective.trial.unravel(theta))
    return Identity(
        versions={name: importlib.metadata.version(name) for name in _PACKAGES},
        precision=str(theta.dtype),
        problem=problem.name,
        axes=tuple(domain.axes),
        bounds=tuple((float(low), float(high)) for low, high in domain.bounds),
        conditions=tuple(term.label for term in objective.residual_terms),
        rows=objective.rows,
        network=tuple(tuple(leaf.shape) for leaf in leaves),
        optimizer=json.dumps(_settings(optimizer)),
        key=tuple(np.asarray(jax.random.key_data(key)).ravel().tolist()),
        loss=loss,
    )


@dataclasses.dataclass(frozen=True)
class Clock:
    """Seconds of training so far, and those of them that went into compiling."""

    seconds: float
    compile_seconds: float


@dataclasses.dataclass(frozen=True)
class _Info:
    """A `StepInfo` in plain numbers."""

    loss: float
    step_size: float
    rank: int
    numerical_rank: int
    gradient_norm: float
    # Absent from earlier formats, which are then refused by their names.
    promise: float = math.nan
    excess: float = math.nan


@dataclasses.dataclass(frozen=True)
class _Header:
    """All of a checkpoint but its arrays. `settings`: those of the optimizer; some change from step to step."""

    format: str
    identity: Identity
    place: Place
    clock: Clock
    settings: dict[str, Any]
    info: _Info | None
    watch: Watch | None
    best: Verdict | None


class CheckpointFolder:
    """The checkpoints of one run. A damaged one is passed over in favor of the one before."""

    def __init__(self, options: Checkpoints, identity: Identity):
        """Raises `ValueError` for a folder with checkpoints of a run that is not to be resumed."""
        self._options, self._identity, self._folder = options, identity, Path(options.folder)
        self._written = time.perf_counter()
        if self._files() and not options.resume:
            raise ValueError(
                f"checkpoints is {str(self._folder)!r}, which holds those of another run; give another folder, or go "
                "on with that run by resume=True"
            )

    @property
    def resumes(self) -> bool:
        """Whether there is one to go on from."""
        return self._options.resume and bool(self._files())

    @property
    def due(self) -> bool:
        """Whether it is time for the next one."""
        return time.perf_counter() - self._written >= self._options.seconds

    def write(self, moment: Moment, records: Sequence[Record], clock: Clock) -> None:
        """Write one, atomically, and delete the oldest. Where that fails, say so, and let the run go on."""
        valley, best, info = moment.valley, moment.best, moment.info
        header = _Header(
            format=_FORMAT,
            identity=self._identity,
            place=moment.place,
            clock=clock,
            settings=_settings(moment.optimizer),
            info=None if info is None else _Info(*(leaf.item() for leaf in map(np.asarray, jax.tree.leaves(info)))),
            watch=None if valley is None else valley.watch,
            best=None if best is None else best.verdict,
        )
        history = collect(records[: moment.records])
        arrays = {_HISTORY + name: values for name, values in vars(history).items()}
        arrays |= _arrays("state", moment.state)
        arrays |= {} if valley is None else _arrays("lowest", valley.best)
        arrays |= {} if best is None else {"best": np.asarray(best.theta)}
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            write_archive(self._folder / f"{records[moment.records - 1].iteration:08d}.npz", header, arrays)
        except OSError as error:
            _LOG.warning("no checkpoint was written to %s: %s", self._folder, error.strerror)
        self._written = time.perf_counter()
        for old in self._files()[self._options.keep :]:
            old.unlink(missing_ok=True)

    def read(self, template: TrainState, optimizer: AbstractOptimizer) -> tuple[Moment, list[Record], Clock]:
        """The last one that can be read.

        - `template`, `optimizer`: a state of the same structure, and an optimizer of the same kind.

        Raises `ValueError` where none can be read, and for one of another run, with the differences named.
        """
        for path in self._files():
            try:
                return self._read(path, template, optimizer)
            except _DamagedError as error:
                _LOG.warning("passed over a checkpoint: %s", error)
        raise ValueError(f"checkpoints is {str(self._folder)!r}, where none can be read; start the run anew")

    def _read(
        self, path: Path, template: TrainState, optimizer: AbstractOptimizer
    ) -> tuple[Moment, list[Record], Clock]:
        header, arrays = self._open(path)
        differences = self._identity.differences(header.identity)
        if differences:
            raise ValueError(f"the checkpoint {str(path)!r} is of another run: {'; '.join(differences)}")
        try:
            history = History.from_arrays(arrays, _HISTORY)
            watch, verdict, info = header.watch, header.best, header.info
            moment = Moment(
                place=header.place,
                state=_restored("state", template, arrays),
                optimizer=_with_settings(optimizer, header.settings),
                valley=None if watch is None else Valley(_restored("lowest", template, arrays), watch),
                records=len(history),
                info=None if info is None else StepInfo(*map(jnp.asarray, dataclasses.astuple(info))),
                best=None if verdict is None else End(_array("best", template.theta, arrays), verdict),
            )
        except (KeyError, TypeError, ValueError) as error:
            raise _DamagedError(f"path {str(path)!r} is not {_WHAT}: {error}") from error
        return moment, records_of(history), header.clock

    def _open(self, path: Path) -> tuple[_Header, dict[str, np.ndarray]]:
        try:
            header, arrays = read_archive(path, _Header, _WHAT)
        except (OSError, ValueError) as error:
            raise _DamagedError(str(error)) from error
        if header.format != _FORMAT:
            raise ValueError(f"the checkpoint {str(path)!r} has format {header.format!r}, this version {_FORMAT!r}")
        return header, arrays

    def _files(self) -> list[Path]:
        """The last one first."""
        return sorted(self._folder.glob("[0-9]*.npz"), reverse=True)


class _DamagedError(ValueError):
    """A file that is not a checkpoint, or only part of one."""


def _is_key(leaf: Array) -> bool:
    return jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key)


def _arrays(name: str, state: TrainState) -> dict[str, np.ndarray]:
    """The arrays of a state, in the order of its structure."""
    leaves = jax.tree.leaves(eqx.filter(state, eqx.is_array))
    plain = [jax.random.key_data(leaf) if _is_key(leaf) else leaf for leaf in leaves]
    return {f"{name}_{index}": np.asarray(leaf) for index, leaf in enumerate(plain)}


def _restored(name: str, template: TrainState, arrays: dict[str, np.ndarray]) -> TrainState:
    """A state of the structure of `template` with these arrays. Raises `KeyError` or `ValueError` where they differ."""
    dynamic, static = eqx.partition(template, eqx.is_array)
    leaves, structure = jax.tree.flatten(dynamic)
    found = [_array(f"{name}_{index}", leaf, arrays) for index, leaf in enumerate(leaves)]
    return eqx.combine(jax.tree.unflatten(structure, found), static)


def _array(name: str, template: Array, arrays: dict[str, np.ndarray]) -> Array:
    """The array of this name. Raises `KeyError` or `ValueError` where it is not like `template`."""
    expected, values = jax.random.key_data(template) if _is_key(template) else template, arrays[name]
    if values.shape != expected.shape or values.dtype != expected.dtype:
        raise ValueError(f"{name} is {values.dtype} {values.shape}, not {expected.dtype} {expected.shape}")
    placed = jax.device_put(values, expected.sharding)
    return jax.random.wrap_key_data(placed, impl=jax.random.key_impl(template)) if _is_key(template) else placed


def _settings(settings: Any) -> dict[str, Any]:
    """The plain values of an optimizer, a descent or a search; those of its parts within; and functions by name."""

    def plain(value: Any) -> Any:
        if dataclasses.is_dataclass(value):
            return _settings(value)
        return value if isinstance(value, _PLAIN) else getattr(value, "__name__", type(value).__name__)

    fields = {field.name: plain(getattr(settings, field.name)) for field in dataclasses.fields(settings)}
    return {"type": type(settings).__name__} | fields


def _with_settings(optimizer: Any, settings: dict[str, Any]) -> Any:
    """The optimizer with these settings. Raises `ValueError` for others than its own, or of another type."""
    if set(settings) != set(_settings(optimizer)):
        raise ValueError(f"{type(optimizer).__name__} does not have the settings {', '.join(sorted(settings))}")

    def changed(name: str) -> Any:
        present, wanted = getattr(optimizer, name), settings[name]
        if dataclasses.is_dataclass(present):
            return _with_settings(present, wanted)
        if not isinstance(present, _PLAIN):
            return present
        allowed = (int, type(None)) if present is None else (type(present), type(None))
        if not isinstance(wanted, allowed):
            raise ValueError(f"{name} of {type(optimizer).__name__} is {wanted!r}")
        return wanted

    return dataclasses.replace(optimizer, **{name: changed(name) for name in settings if name != "type"})
