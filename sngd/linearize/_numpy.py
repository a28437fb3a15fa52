"""Evaluation of a traced function by NumPy, once, without compiling anything.

JAX compiles each operation before it evaluates it, which takes a thousand times as long as a single evaluation. The
tables below have an entry for each operation that most networks consist of. JAX evaluates all other operations.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from sngd.linearize._jaxpr import Equation, Jaxpr, bind, called_by, dtype_of, literal_in

# Elementwise operations. Their parameters only affect the accuracy of the result.
_ELEMENTWISE: dict[str, Callable[..., Any]] = {
    "abs": np.abs,
    "add": np.add,
    "add_any": np.add,
    "cos": np.cos,
    "div": np.divide,
    "exp": np.exp,
    "ge": np.greater_equal,
    "gt": np.greater,
    "le": np.less_equal,
    "log": np.log,
    "lt": np.less,
    "max": np.maximum,
    "min": np.minimum,
    "mul": np.multiply,
    "neg": np.negative,
    "sin": np.sin,
    "sngd_sine_and_cosine": lambda x: (np.sin(x), np.cos(x)),
    "sqrt": np.sqrt,
    "square": np.square,
    "sub": np.subtract,
    "tanh": np.tanh,
}

# Operations as functions of the parameters of an equation and of its inputs.
_WITH_PARAMETERS: dict[str, Callable[..., Any]] = {
    "broadcast_in_dim": lambda p, x: _broadcast(x, p["shape"], p["broadcast_dimensions"]),
    "concatenate": lambda p, *parts: np.concatenate(parts, p["dimension"]),
    "convert_element_type": lambda p, x: _converted(x, p["new_dtype"]),
    "dot_general": lambda p, x, y: _product(x, y, *p["dimension_numbers"]),
    "integer_pow": lambda p, x: x ** p["y"],
    "reduce_sum": lambda p, x: np.sum(x, p["axes"]),
    "reshape": lambda p, x: x.reshape(p["new_sizes"]),
    "slice": lambda p, x: x[tuple(map(slice, p["start_indices"], p["limit_indices"], p["strides"] or (1,) * x.ndim))],
    "split": lambda p, x: np.split(x, np.cumsum(p["sizes"])[:-1], p["axis"]),
    "squeeze": lambda p, x: np.squeeze(x, p["dimensions"]),
    "stack": lambda p, *parts: np.stack(parts, p["axis"]),
    "transpose": lambda p, x: np.transpose(x, p["permutation"]),
}


class Evaluation:
    """The results of a jaxpr for some inputs.

    - `results`: one array for each result.
    - `rounding`: a bound for the rounding error of each operation.
    """

    def __init__(self, jaxpr: Jaxpr, constants: Sequence[Any], inputs: Sequence[Any]):
        self.rounding = 0.0
        with np.errstate(all="ignore"):
            self.results = self._results(jaxpr, constants, inputs)

    def _results(self, jaxpr: Jaxpr, constants: Sequence[Any], inputs: Sequence[Any]) -> list[np.ndarray]:
        values: dict[Any, Any] = dict(zip((*jaxpr.constvars, *jaxpr.invars), (*constants, *inputs), strict=True))

        def value(variable: Any) -> Any:
            literal = literal_in(variable)
            return values[variable] if literal is None else literal

        # An equation without outputs, such as a print, is left out.
        for equation in filter(lambda equation: equation.outvars, jaxpr.eqns):
            outputs = self._outputs(equation, [value(variable) for variable in equation.invars])
            values.update(zip(equation.outvars, outputs, strict=True))
        return [np.asarray(value(variable)) for variable in jaxpr.outvars]

    def _outputs(self, equation: Equation, inputs: list[Any]) -> Sequence[Any]:
        function = called_by(equation)
        if function is not None:
            return self._results(*function, inputs)
        outputs = _by_numpy(equation, inputs)
        outputs = bind(equation, inputs) if outputs is None else outputs
        self.rounding = max(self.rounding, *map(_rounding, outputs))
        return outputs


def _by_numpy(equation: Equation, inputs: Sequence[Any]) -> Sequence[Any] | None:
    """The outputs of an equation, or `None` for an operation that JAX evaluates.

    JAX evaluates all operations whose results are integers.
    """
    name = equation.primitive.name
    if any(dtype_of(variable) not in (np.float64, np.float32, bool) for variable in equation.outvars):
        return None
    arrays = [np.asarray(value) for value in inputs]
    if name in _ELEMENTWISE:
        outputs = _ELEMENTWISE[name](*arrays)
    elif name in _WITH_PARAMETERS:
        outputs = _WITH_PARAMETERS[name](equation.params, *arrays)
    else:
        return None
    return outputs if equation.primitive.multiple_results else [outputs]


def _rounding(value: Any) -> float:
    """The largest rounding error of the entries of an array. It is 0 if an entry is not finite."""
    array = np.asarray(value)
    if array.dtype not in (np.float64, np.float32):
        return 0.0
    largest = max(np.max(array, initial=0.0), -np.min(array, initial=0.0))
    return float(np.finfo(array.dtype).eps * largest) if np.isfinite(largest) else 0.0


def _broadcast(x: np.ndarray, shape: Sequence[int], axes: Sequence[int | np.integer]) -> np.ndarray:
    lengths = [x.shape[axes.index(axis)] if axis in axes else 1 for axis in range(len(shape))]
    return np.broadcast_to(x.reshape(lengths), shape)


def _converted(x: np.ndarray, dtype: np.dtype) -> np.ndarray:
    """An array of another type; of complex numbers their real parts, where the type is real."""
    return (x if np.issubdtype(dtype, np.complexfloating) else np.real(x)).astype(dtype)


def _product(x: np.ndarray, y: np.ndarray, contracted: Sequence[Any], batched: Sequence[Any]) -> np.ndarray:
    """The operation `dot_general`.

    The axes of the result are those of the batch, then the remaining axes of `x`, then those of `y`.
    """
    if not batched[0]:
        return np.tensordot(x, y, (contracted[0], contracted[1]))
    # Each axis has a number. The axes of `y` are numbered after those of `x`, except for contracted and batch axes.
    first, second = list(range(x.ndim)), list(range(x.ndim, x.ndim + y.ndim))
    for pairs in (contracted, batched):
        for axis, other in zip(*pairs, strict=True):
            second[other] = axis
    joined = (*contracted[0], *batched[0])
    left = [axis for axis in first if axis not in joined]
    right = [axis for axis in second if axis >= x.ndim]
    return np.einsum(x, first, y, second, [*batched[0], *left, *right])
