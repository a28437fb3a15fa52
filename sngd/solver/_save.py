"""Solutions on disk: one `.npz` file of plain arrays, read without executing anything."""

import dataclasses
import re
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import equinox as eqx
import jax
import msgspec
import numpy as np

from sngd._arrays import Unflatten, flattened
from sngd._history import History
from sngd._results import Result
from sngd.files import Structure, differences, read_archive, structure_of, write_archive
from sngd.linearize import with_constants
from sngd.networks import MLP, Cells, Several, WithConstants
from sngd.problem import AbstractProblem, Coefficient
from sngd.solver._constants import FoundConstant
from sngd.solver._solution import Solution

_FORMAT, _EARLIER = "sngd-solution-10", re.compile(r"sngd-solution-[1-9]")
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
class _CellsHeader:
    """All of `Cells` but their parameters. `units`: the features of a cell. `outputs`: of the network."""

    units: _Width
    outputs: _Width
    boxes: tuple[tuple[tuple[float, float], ...], ...]
    activation: str


@dataclasses.dataclass(frozen=True)
class _SeveralHeader:
    """All of `Several` networks of this library but their parameters."""

    networks: tuple[_MLPHeader, ...]
    inputs: tuple[tuple[int, ...], ...]
    places: tuple[tuple[int, ...], ...]


@dataclasses.dataclass(frozen=True)
class _NetworkHeader:
    """All of a network but its parameters, where it is of this library; nothing of any other.

    - `constants`: the number of unknown constants beside the network.
    """

    mlp: _MLPHeader | None = None
    cells: _CellsHeader | None = None
    several: _SeveralHeader | None = None
    constants: Annotated[int, msgspec.Meta(ge=0, le=2**20)] = 0


@dataclasses.dataclass(frozen=True)
class _Identity:
    """What must be the same for a problem to be the one that was solved; its equations are code."""

    name: str
    axes: tuple[str, ...]
    bounds: tuple[tuple[float, float], ...]
    time_axis: str | None
    unknowns: tuple[str, ...]
    parameters: dict[str, Any]


@dataclasses.dataclass(frozen=True)
class _Header:
    """All of a solution but its problem, its parameters and its history.

    - `network`: makes the network, where that is one of this library; `structure`: what it is, whatever it is.
    - `correction`, `modes`: make these networks, if there are any.
    """

    format: str
    problem: _Identity
    network: _NetworkHeader
    correction: _NetworkHeader | None
    modes: _NetworkHeader | None
    constants: tuple[FoundConstant, ...]
    structure: Structure
    result: str
    loss: float
    optimizer: str
    rows: int
    seconds: float
    compile_seconds: float
    compilations: int
    validation_loss: float
    error_estimate: float
    stability: float
    detail: str
    choices: dict[str, str]
    misfit: float
    freedom: float
    penalty: float


# What a header has of a solution under the same name.
_OTHER = ("format", "problem", "network", "correction", "modes", "constants", "structure", "result")

# Networks that a solution has beside its own, if it has them.
_BESIDE = ("correction", "modes")
_NUMBERS = tuple(field.name for field in dataclasses.fields(_Header) if field.name not in _OTHER)


def save(solution: Solution, path: str | Path) -> None:
    """Write the parameters, the history and what the run reported to `path`, atomically.

    The problem is code and is not written; `load` asks for it. Neither is the structure of a network other than `MLP`.
    """
    beside = {name: getattr(solution, name) for name in _BESIDE}
    networks = {"parameters": solution.network, **{name: each for name, each in beside.items() if each is not None}}
    header = _Header(
        format=_FORMAT,
        problem=_identity(solution.problem),
        network=_network_header(solution.network),
        **{name: None if each is None else _network_header(each) for name, each in beside.items()},
        constants=tuple(solution.constants.values()),
        structure=structure_of(solution.network),
        result=solution.result.value,
        **{name: getattr(solution, name) for name in _NUMBERS},
    )
    arrays = {f"history_{name}": values for name, values in vars(solution.history).items()}
    arrays |= {name: np.asarray(flattened(eqx.filter(each, eqx.is_inexact_array))) for name, each in networks.items()}
    write_archive(Path(path), header, arrays | {"covariance": solution.covariance})


def load(path: str | Path, problem: AbstractProblem, network: Callable | None = None) -> Solution:
    """Read what `save` wrote for `problem`. Nothing in the file is executed.

    - `network`: a network of the same structure, needed where the saved one was not an `MLP`; its own parameters are
      replaced.

    Raises `ValueError` for a file that is not a solution, or was written by an earlier version, and for one of another
    problem or network. The message names each difference: of the problem its name, axes, bounds, time axis and
    unknowns; of the network its parts, with the shapes of its arrays. The equations of the problem are code, which is
    not known.
    """
    header, history, arrays, result = _read(Path(path))
    different = differences(_lines(_identity(problem)), _lines(header.problem))
    if different:
        raise ValueError(f"path {str(path)!r} holds a solution of another problem: {different}")
    parameters = arrays["parameters"]
    network = None if network is None else with_constants(network, problem)
    if network is None:
        network = _made(header.network, parameters.size, path)
    different = structure_of(network).differences(header.structure)
    if different:
        raise ValueError(f"path {str(path)!r} holds a solution by another network: {different}")
    others: dict[str, Any] = {}
    for name in _BESIDE:
        made = getattr(header, name)
        if made is not None:
            others[name] = _restored(_made(made, arrays[name].size, path), arrays[name], path)
    others |= {name: getattr(header, name) for name in _NUMBERS}
    return Solution(
        problem,
        _restored(network, parameters, path),
        result,
        history=history,
        parameters=parameters.size,
        constants={found.name: found for found in header.constants},
        covariance=arrays["covariance"],
        **others,
    )


def _restored(network: Callable, parameters: np.ndarray, path: str | Path) -> Callable:
    """The network with these parameters. Raises `ValueError` for another number of them than it has."""
    template, fixed = eqx.partition(network, eqx.is_inexact_array)
    size = sum(leaf.size for leaf in jax.tree.leaves(template))
    if size != parameters.size:
        raise ValueError(f"path {str(path)!r} is not {_WHAT}: its network has {size} parameters, not {parameters.size}")
    return eqx.combine(Unflatten.of(template)(parameters), fixed)


def _read(path: Path) -> tuple[_Header, History, dict[str, np.ndarray], Result]:
    """What a file holds. Raises `ValueError` where that is not a solution of this version."""
    content, arrays = read_archive(path, dict[str, Any], _WHAT)
    try:
        found = content.get("format")
        if isinstance(found, str) and _EARLIER.fullmatch(found):
            raise ValueError(f"an earlier version wrote it ({found}, now {_FORMAT}); solve the problem again")
        if found != _FORMAT:
            raise ValueError(f"its format is {found!r}, not {_FORMAT!r}")
        header = msgspec.convert(content, _Header)
        history = History.from_arrays(arrays, "history_")
        names = ("parameters", *(name for name in _BESIDE if getattr(header, name) is not None))
        networks = {name: arrays[name] for name in names}
        for parameters in networks.values():
            if parameters.dtype != np.float64 or parameters.ndim != 1:
                raise ValueError(f"its parameters are {parameters.dtype} of shape {parameters.shape}")
        covariance, count = arrays["covariance"], len(header.constants)
        if covariance.dtype != np.float64 or covariance.shape != (count, count):
            raise ValueError(f"its covariance is {covariance.dtype} of shape {covariance.shape}")
        return header, history, networks | {"covariance": covariance}, Result(header.result)
    except (KeyError, ValueError, msgspec.ValidationError, RecursionError) as error:
        raise ValueError(f"path {str(path)!r} is not {_WHAT}: {error}") from error


def _identity(problem: AbstractProblem) -> _Identity:
    domain = problem.domain
    bounds = tuple((float(low), float(high)) for low, high in domain.bounds)
    parameters = {name: np.asarray(value).tolist() for name, value in problem.parameters.items()}
    unknowns = tuple(_described(each) for each in problem.unknowns)
    return _Identity(problem.name, tuple(domain.axes), bounds, domain.time_axis, unknowns, parameters)


def _described(unknown: Any) -> str:
    """An unknown in words: its name, and what else the values of its network are made into."""
    if isinstance(unknown, Coefficient) and unknown.law is not None:
        low, high = unknown.law.between
        return f"{unknown.name} of a law between {low!r} and {high!r}"
    kinds = [kind for kind, is_so in (("complex", getattr(unknown, "complex", False)),) if is_so]
    kinds += ["by a trial function"] if getattr(unknown, "trial", None) is not None else []
    return " ".join([unknown.name, *kinds])


def _lines(identity: _Identity) -> dict[str, str]:
    return {name.replace("_", " "): repr(value) for name, value in vars(identity).items()}


def _network_header(network: Callable) -> _NetworkHeader:
    if isinstance(network, WithConstants):
        return dataclasses.replace(_network_header(network.network), constants=network.variables.size)
    if isinstance(network, MLP):
        return _NetworkHeader(mlp=_mlp_header(network))
    if isinstance(network, Several) and all(isinstance(each, MLP) for each in network.networks):
        parts = tuple(_mlp_header(each) for each in network.networks)
        return _NetworkHeader(several=_SeveralHeader(parts, network.inputs, network.places))
    if isinstance(network, Cells):
        _, outputs, units = network.outputs.shape
        return _NetworkHeader(cells=_CellsHeader(units, outputs, network.boxes, network.activation))
    return _NetworkHeader()


def _mlp_header(network: MLP) -> _MLPHeader:
    bounds = tuple((float(low), float(high)) for low, high in network.bounds)
    return _MLPHeader(tuple(network.widths), bounds, network.activation, tuple(network.periodic), network.scale)


def _made(header: _NetworkHeader, parameters: int, path: str | Path) -> Callable:
    """The network that the header describes. Raises `ValueError` where that does not have so many parameters."""
    mlp, cells, several = header.mlp, header.cells, header.several
    if mlp is not None:
        units, make = max(mlp.widths, default=0), lambda: MLP(key=jax.random.key(0), **vars(mlp))
    elif several is not None:
        units = max((width for each in several.networks for width in each.widths), default=0)
        make = lambda: _several(several)
    elif cells is not None:
        units, make = cells.units * cells.outputs * len(cells.boxes), lambda: _cells(cells)
    else:
        raise ValueError(
            f"network is missing: the one in {str(path)!r} is not of this library, so give one of the same structure"
        )
    if units > parameters:
        raise ValueError(f"path {str(path)!r} is not {_WHAT}: its network has more units than parameters")
    try:
        made = make()
        return WithConstants(made, jax.numpy.zeros(header.constants)) if header.constants else made
    except (IndexError, TypeError, ValueError) as error:
        raise ValueError(f"path {str(path)!r} is not {_WHAT}: {error}") from error


def _several(header: _SeveralHeader) -> Several:
    networks = tuple(MLP(key=jax.random.key(0), **vars(each)) for each in header.networks)
    return Several(networks, header.inputs, header.places)


def _cells(header: _CellsHeader) -> Cells:
    inputs = len(header.boxes[0])
    shapes = (header.units, inputs), (header.units,), (len(header.boxes), header.outputs, header.units)
    weights, biases, outputs = (jax.numpy.zeros(shape) for shape in shapes)
    return Cells(weights, biases, outputs, header.boxes, header.activation)
