"""Solutions on disk: one `.npz` file of plain arrays, read without executing anything."""

import dataclasses
import json
import os
import zipfile
from collections.abc import Callable
from pathlib import Path

import equinox as eqx
import jax
import numpy as np
from jax.flatten_util import ravel_pytree

from sngd._results import Result
from sngd.networks import MLP
from sngd.problem import AbstractProblem
from sngd.train._history import History
from sngd.train._solution import Solution

_FORMAT = "sngd-solution-3"
_HISTORY = [field.name for field in dataclasses.fields(History)]

_NUMBERS = (
    "loss",
    "optimizer",
    "rows",
    "seconds",
    "compile_seconds",
    "compilations",
    "validation_loss",
    "error_estimate",
)


def save(solution: Solution, path: str | Path) -> None:
    """Write the parameters, the history and what the run reported to `path`, atomically.

    The problem is code and is not written; `load` asks for it. Neither is the structure of a network other than `MLP`.
    """
    parameters, _ = ravel_pytree(eqx.filter(solution.network, eqx.is_inexact_array))
    header = {
        "format": _FORMAT,
        "result": solution.result.value,
        "loss": solution.loss,
        "optimizer": solution.optimizer,
        "rows": solution.rows,
        "seconds": solution.seconds,
        "compile_seconds": solution.compile_seconds,
        "compilations": solution.compilations,
        "validation_loss": solution.validation_loss,
        "error_estimate": solution.error_estimate,
        "problem": solution.problem.name,
        "axes": list(solution.problem.domain.axes),
        "network": _network_header(solution.network),
    }
    arrays = {f"history_{name}": getattr(solution.history, name) for name in _HISTORY}
    path = Path(path)
    partial = path.with_name(path.name + ".partial")
    with partial.open("wb") as file:
        np.savez(file, header=np.array(json.dumps(header)), parameters=np.asarray(parameters), **arrays)
    os.replace(partial, path)


def load(path: str | Path, problem: AbstractProblem, network: Callable | None = None) -> Solution:
    """Read what `save` wrote for `problem`.

    - `network`: a network of the same structure, needed where the saved one was not an `MLP`; its own parameters are
      replaced.

    Raises `ValueError` for a file that is not a solution, or of another problem or network, with the difference named.
    """
    try:
        with Path(path).open("rb") as stream, np.load(stream, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
        header = json.loads(str(arrays["header"]))
        if header["format"] != _FORMAT:
            raise ValueError(f"its format is {header['format']!r}, not {_FORMAT!r}")
        history = History(**{name: arrays[f"history_{name}"] for name in _HISTORY})
        parameters = np.asarray(arrays["parameters"], dtype=float)
        numbers = {name: header[name] for name in _NUMBERS}
        result = Result(header["result"])
        saved_axes, saved_network = header["axes"], header["network"]
    except (KeyError, TypeError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise ValueError(f"path {str(path)!r} is not a saved solution: {error}") from error
    if saved_axes != list(problem.domain.axes):
        raise ValueError(
            f"problem has axes {', '.join(problem.domain.axes)}; the solution in {str(path)!r} was saved for "
            f"{header['problem']!r} with axes {', '.join(saved_axes)}"
        )
    if network is None:
        network = _mlp_from_header(saved_network, path)
    template, fixed = eqx.partition(network, eqx.is_inexact_array)
    flat, unravel = ravel_pytree(template)
    if flat.shape != parameters.shape:
        raise ValueError(f"network has {flat.size} parameters; the solution in {str(path)!r} has {parameters.size}")
    restored = eqx.combine(unravel(jax.numpy.asarray(parameters)), fixed)
    return Solution(problem, restored, result, history=history, parameters=parameters.size, **numbers)


def _network_header(network: Callable) -> dict | None:
    if not isinstance(network, MLP):
        return None
    return {
        "widths": list(network.widths),
        "bounds": [list(pair) for pair in network.bounds],
        "activation": network.activation,
        "periodic": list(network.periodic),
    }


def _mlp_from_header(header: dict | None, path: str | Path) -> MLP:
    if header is None:
        raise ValueError(
            f"network is missing: the one in {str(path)!r} is not an MLP, so give one of the same structure"
        )
    bounds = tuple((float(low), float(high)) for low, high in header["bounds"])
    widths = tuple(map(int, header["widths"]))
    periodic = tuple(map(int, header["periodic"]))
    return MLP(widths, bounds, key=jax.random.key(0), activation=header["activation"], periodic=periodic)
