"""Data of a condition: numbers, or functions of a point.

A function that JAX can trace becomes a part of the compiled residual. A function that JAX cannot trace, like a function
of NumPy or a spline of SciPy, is evaluated on the host, once at each point, when the points are chosen.
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

Point = Float[Array, " d"]
Data = complex | Array | np.ndarray | Callable[[Point], Any]


def is_traceable(function: Callable, dimension: int) -> bool:
    """Whether JAX can trace `function` at a point of shape `(d,)` with `d = dimension`. No value is computed."""
    try:
        jax.eval_shape(lambda x: jnp.asarray(function(x)), jax.ShapeDtypeStruct((dimension,), jnp.result_type(float)))
    # A function of another library may raise anything when it is given a tracer.
    except Exception:
        return False
    return True


def evaluate_on_host(function: Callable, points: Float[np.ndarray, "n d"], name: str) -> Float[np.ndarray, "n ..."]:
    """The values of `function` at all `points`, evaluated on the host: a float64 or complex128 array, `(n, ...)`.

    - `function`: a function of a NumPy array of shape `(d,)`, which returns numbers.
    - `name`: the name of the function in messages.

    Raises `TypeError` if the function fails or returns anything but numbers. Raises `ValueError` if its values
    have different shapes.
    """
    values = []
    for point in points:
        try:
            value = np.asarray(function(point))
        except Exception as error:
            raise TypeError(
                f"{name} cannot be evaluated at the point {point.tolist()}: {type(error).__name__}: {error}"
            ) from error
        if value.dtype.kind not in "biufc":
            raise TypeError(f"{name} returns {value!r} at the point {point.tolist()}; it must return numbers")
        if values and value.shape != values[0].shape:
            raise ValueError(
                f"{name} returns shape {value.shape} at the point {point.tolist()} and shape {values[0].shape} at "
                f"{points[0].tolist()}; it must return the same shape everywhere"
            )
        values.append(value.astype(complex if value.dtype.kind == "c" else float))
    return np.stack(values)


def datum_at(data: Data, x: Point, like: Array, name: str, unknown: str) -> Array | complex:
    """The value of `data` at one point: a number, or an array of the shape of `like`.

    - `name`: the name of the data in messages.
    - `unknown`: the name in messages of what has the shape.

    Raises `TypeError` for anything but numbers. Raises `ValueError` for any other shape, because such a value would be
    broadcast silently, and for complex numbers where `like` is real.
    """
    value, shape = data(x) if callable(data) else data, jnp.shape(like)
    if not isinstance(value, float | int | complex):
        try:
            value = jnp.asarray(value)
        except (TypeError, ValueError) as error:
            raise TypeError(f"{name} is {value!r}; it must be a number, an array or a function of a point") from error
    given = jnp.shape(value)
    if given not in ((), shape):
        way_out = f"give one number, or an array of shape {shape}" if shape else "give one number, like x[0]"
        raise ValueError(f"{name} has shape {given} at one point, and {unknown} has shape {shape}; {way_out}")
    if jnp.iscomplexobj(value) and not jnp.iscomplexobj(like):
        raise ValueError(
            f"{name} is complex at one point, and {unknown} is real; give real numbers, or make the unknown complex by "
            "sngd.Unknown(name, complex=True)"
        )
    return value
