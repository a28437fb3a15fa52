"""Several networks, each of which has some of the outputs as functions of some of the inputs."""

from typing import Any

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float


class Several(eqx.Module):
    """Networks side by side: a function of a point, shape `(d,)`, with `m` outputs.

    - `networks`: functions of the coordinates that they take, which return one number, or a vector of several.
    - `inputs`: for each network the indices of its coordinates. `places`: the indices of its outputs among the `m`.
      Every output is in one of them.

    Raises `ValueError` where these do not fit.
    """

    networks: tuple[Any, ...]
    inputs: tuple[tuple[int, ...], ...] = eqx.field(static=True)
    places: tuple[tuple[int, ...], ...] = eqx.field(static=True)

    def __check_init__(self):
        if not len(self.networks) == len(self.inputs) == len(self.places):
            raise ValueError(
                f"there are {len(self.networks)} networks, inputs of {len(self.inputs)} and places of "
                f"{len(self.places)}; give as many of each"
            )
        flat = sorted(place for each in self.places for place in each)
        if flat != list(range(len(flat))) or not flat:
            raise ValueError(f"places is {self.places}; each output must be in one of them")

    def __call__(self, x: Float[Array, " d"]) -> Array:
        given = [jnp.ravel(each(x[np.array(own)])) for each, own in zip(self.networks, self.inputs, strict=True)]
        order = np.argsort([place for each in self.places for place in each])
        values = jnp.concatenate(given)[order]
        return values[0] if len(order) == 1 else values
