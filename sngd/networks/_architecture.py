"""Networks that are named by a short text such as `"4x20"`."""

import re

from jaxtyping import PRNGKeyArray

from sngd.networks._mlp import DEFAULT_BIAS, DEFAULT_GAIN, MLP

_DEPTH_BY_WIDTH = re.compile(r"([1-9]\d*)x([1-9]\d*)")
_PERIODIC = "+periodic"
_WIDTHS = re.compile(r"[1-9]\d*(-[1-9]\d*)+")


def widths_of(architecture: str, inputs: int, outputs: int) -> tuple[int, ...]:
    """The widths of all layers, from the input to the output, of the network that `architecture` names.

    - `architecture`: `"4x20"` means four hidden layers with 20 units each. `"2-64-64-1"` names every width. Both forms
      may end in `"+periodic"`.
    - `inputs`, `outputs`: how many inputs and outputs the problem has.

    Raises `ValueError` for any other text. Raises `ValueError` if the first and the last width are not `inputs` and
    `outputs`.
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
    """The `MLP` that `architecture` names, with random initial parameters.

    - `architecture`: a text as in `widths_of`, such as `"4x20"`.
    - `bounds`: a lower and an upper bound for each input, as in `Box.bounds`.
    - `outputs`: the number of outputs.
    - `key`, `gain`, `bias`, `frequencies`, `scale`: as in `MLP`.
    - `periodic`: the indices of the axes that have a `Periodic` condition. The network is periodic along these axes if
      `architecture` ends in `"+periodic"`, as in `"4x20+periodic"`.

    Raises `ValueError` as `widths_of` and `MLP` do. Raises `ValueError` if `architecture` ends in `"+periodic"` and
    `periodic` is empty.
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
