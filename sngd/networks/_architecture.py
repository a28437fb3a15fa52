"""Networks named by a short text."""

import re

from jaxtyping import PRNGKeyArray

from sngd.networks._mlp import DEFAULT_BIAS, DEFAULT_GAIN, MLP

_DEPTH_BY_WIDTH = re.compile(r"([1-9]\d*)x([1-9]\d*)")
_PERIODIC = "+periodic"
_WIDTHS = re.compile(r"[1-9]\d*(-[1-9]\d*)+")


def widths_of(architecture: str, inputs: int, outputs: int) -> tuple[int, ...]:
    """The layer widths that `architecture` means for a problem with these numbers of inputs and outputs.

    `"4x20"` is four hidden layers of 20, between whatever the problem has; `"2-64-64-1"` names every width. Either may
    end in `"+periodic"`. Raises `ValueError` for any other text, and for widths that do not fit the problem.
    """
    architecture = architecture.removesuffix(_PERIODIC)
    if match := _DEPTH_BY_WIDTH.fullmatch(architecture):
        depth, width = map(int, match.groups())
        return (inputs, *[width] * depth, outputs)
    if not _WIDTHS.fullmatch(architecture):
        raise ValueError(
            f"network is {architecture!r}; write depth x width as in 4x20, or all the widths as in "
            f"{inputs}-64-64-{outputs}"
        )
    widths = tuple(map(int, architecture.split("-")))
    if (widths[0], widths[-1]) != (inputs, outputs):
        raise ValueError(
            f"network is {architecture!r}, from {widths[0]} inputs to {widths[-1]} outputs; "
            f"this problem needs {inputs} and {outputs}, as in {inputs}-64-64-{outputs}"
        )
    return widths


def make_network(
    architecture: str,
    bounds: tuple[tuple[float, float], ...],
    outputs: int = 1,
    *,
    key: PRNGKeyArray,
    periodic: tuple[int, ...] = (),
    gain: float = DEFAULT_GAIN,
    bias: float = DEFAULT_BIAS,
    frequencies: tuple[float, ...] | None = None,
    scale: float = 1.0,
) -> MLP:
    """The `MLP` that `architecture` names (see `widths_of`) on the box with these bounds, as in `Box.bounds`.

    - `periodic`: the axes that may be periodic, by their indices; they are where `architecture` ends in `"+periodic"`,
      as in `"4x20+periodic"`. Raises `ValueError` where it does and there are none.
    """
    wanted = architecture.endswith(_PERIODIC)
    if wanted and not periodic:
        raise ValueError(
            f"network is {architecture!r}, but the problem has no Periodic condition; leave out {_PERIODIC!r}"
        )
    widths = widths_of(architecture, len(bounds), outputs)
    return MLP(
        widths,
        bounds,
        key=key,
        periodic=periodic if wanted else (),
        gain=gain,
        bias=bias,
        frequencies=frequencies,
        scale=scale,
    )
