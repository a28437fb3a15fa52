"""Solutions on disk: one `.npz` file of plain arrays, read without executing anything."""

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import equinox as eqx
import jax
import msgspec
import numpy as np
from jax.flatten_util import ravel_pytree

from sngd._results import Result
from sngd.networks import MLP
from sngd.problem import AbstractProblem
from sngd.train._archive import read_archive, write_archive
from sngd.train._history import History
from sngd.train._solution import Solution

_FORMAT = "sngd-solution-4"
_WHAT = "a saved solution"

# Units that a layer may have in a file, so that one that was tampered with does not ask for all the memory.
_Width = Annotated[int, msgspec.Meta(ge=1, le=2**20)]


@dataclasses.dataclass(frozen=True)
class _MLPHeader:
    """All of an `MLP` but its parameters."""

    widths: tuple[_Width, ...]
    bounds: tuple[tuple[float, float], ...]
    activation: str
    periodic: tuple[int, ...]
    scale: float


@dataclasses.dataclass(frozen=True)
class _Header:
    """All of a solution but its problem, its parameters and its history."""

    format: str
    problem: str
    axes: tuple[str, ...]
    network: _MLPHeader | None
    result: str
    loss: float
    optimizer: str
    rows: int
    seconds: float
    compile_seconds: float
    compilations: int
    validation_loss: float
    error_estimate: float
    detail: str


# What a header has of a solution under the same name.
_OTHER = ("format", "problem", "axes", "network", "result")
_NUMBERS = tuple(field.name for field in dataclasses.fields(_Header) if field.name not in _OTHER)


def save(solution: Solution, path: str | Path) -> None:
    """Write the parameters, the history and what the run reported to `path`, atomically.

    The problem is code and is not written; `load` asks for it. Neither is the structure of a network other than `MLP`.
    """
    parameters, _ = ravel_pytree(eqx.filter(solution.network, eqx.is_inexact_array))
    header = _Header(
        format=_FORMAT,
        problem=solution.problem.name,
        axes=tuple(solution.problem.domain.axes),
        network=_network_header(solution.network),
        result=solution.result.value,
        **{name: getattr(solution, name) for name in _NUMBERS},
    )
    arrays = {f"history_{name}": values for name, values in vars(solution.history).items()}
    write_archive(Path(path), header, {"parameters": np.asarray(parameters), **arrays})


def load(path: str | Path, problem: AbstractProblem, network: Callable | None = None) -> Solution:
    """Read what `save` wrote for `problem`. Nothing in the file is executed.

    - `network`: a network of the same structure, needed where the saved one was not an `MLP`; its own parameters are
      replaced.

    Raises `ValueError` for a file that is not a solution, or of another problem or network, with the difference named.
    """
    header, arrays = read_archive(Path(path), _Header, _WHAT)
    try:
        if header.format != _FORMAT:
            raise ValueError(f"its format is {header.format!r}, not {_FORMAT!r}")
        history = History.from_arrays(arrays, "history_")
        parameters = arrays["parameters"]
        if parameters.dtype != np.float64 or parameters.ndim != 1:
            raise ValueError(f"its parameters are {parameters.dtype} of shape {parameters.shape}")
        result = Result(header.result)
    except (KeyError, ValueError) as error:
        raise ValueError(f"path {str(path)!r} is not {_WHAT}: {error}") from error
    if header.axes != tuple(problem.domain.axes):
        raise ValueError(
            f"problem has axes {', '.join(problem.domain.axes)}; the solution in {str(path)!r} was saved for "
            f"{header.problem!r} with axes {', '.join(header.axes)}"
        )
    if network is None:
        network = _mlp(header.network, parameters.size, path)
    template, fixed = eqx.partition(network, eqx.is_inexact_array)
    flat, unravel = ravel_pytree(template)
    if flat.shape != parameters.shape:
        raise ValueError(f"network has {flat.size} parameters; the solution in {str(path)!r} has {parameters.size}")
    restored = eqx.combine(unravel(jax.numpy.asarray(parameters)), fixed)
    numbers = {name: getattr(header, name) for name in _NUMBERS}
    return Solution(problem, restored, result, history=history, parameters=parameters.size, **numbers)


def _network_header(network: Callable) -> _MLPHeader | None:
    if not isinstance(network, MLP):
        return None
    bounds = tuple((float(low), float(high)) for low, high in network.bounds)
    return _MLPHeader(tuple(network.widths), bounds, network.activation, tuple(network.periodic), network.scale)


def _mlp(header: _MLPHeader | None, parameters: int, path: str | Path) -> MLP:
    """The network that the header describes. Raises `ValueError` where that does not have so many parameters."""
    if header is None:
        raise ValueError(
            f"network is missing: the one in {str(path)!r} is not an MLP, so give one of the same structure"
        )
    if max(header.widths, default=0) > parameters:
        raise ValueError(f"path {str(path)!r} is not {_WHAT}: its network has more units than parameters")
    key = jax.random.key(0)
    try:
        return MLP(key=key, **vars(header))
    except (IndexError, TypeError, ValueError) as error:
        raise ValueError(f"path {str(path)!r} is not {_WHAT}: {error}") from error
