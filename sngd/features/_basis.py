"""The derivatives of features at points, which all residuals of a network and their derivatives are made of."""

import numpy as np
from jaxtyping import Float

from sngd.features._families import Layer


class Basis:
    """The features of a layer at sets of points that are used again and again.

    Derivatives of `activation(weights @ s + biases)` are derivatives of the activation times powers of the weights, so
    that the former are evaluated once for each set of points.
    """

    def __init__(self, layer: Layer):
        self.layer = layer
        self._known: dict[tuple[int, int], Float[np.ndarray, "n q"]] = {}
        # Arrays are known by their identity, so that they must not go away.
        self._sets: list[np.ndarray] = []

    def activation(self, scaled: Float[np.ndarray, "n d"], order: int) -> tuple[Float[np.ndarray, "n q"], float]:
        """A derivative of the activation at these points: an array, and a factor of 1 or -1."""
        kind, sign = self.layer.kind(order)
        if (id(scaled), kind) not in self._known:
            self._sets.append(scaled)
            self._known[id(scaled), kind] = self.layer.activated(scaled, kind)
        return self._known[id(scaled), kind], sign

    def derivatives(
        self,
        scaled: Float[np.ndarray, "n d"],
        half: Float[np.ndarray, " d"],
        orders: tuple[tuple[int, ...], ...],
        output: Float[np.ndarray, "m q"],
    ) -> Float[np.ndarray, "n m A"]:
        """Derivatives of a network at points of a cell.

        - `half`: the half sides of the cell. `orders`: the derivatives, how often along each axis.
        """
        found = np.empty((len(scaled), len(output), len(orders)))
        for total, chosen in _by_total(orders).items():
            values, sign = self.activation(scaled, total)
            columns = np.concatenate([output * self._powers(orders[at], half) for at in chosen])
            parts = (values @ (sign * columns).T).reshape(len(scaled), len(chosen), len(output))
            found[:, :, chosen] = parts.transpose(0, 2, 1)
        return found

    def combined(
        self,
        scaled: Float[np.ndarray, "n d"],
        half: Float[np.ndarray, " d"],
        orders: tuple[tuple[int, ...], ...],
        slopes: Float[np.ndarray, "n e m A"],
    ) -> Float[np.ndarray, "n e m q"]:
        """What a unit change of each output weight changes in `e` residuals at each point.

        - `slopes`: the derivatives of the residuals by the derivatives of the components of the unknown.
        """
        found = np.zeros((*slopes.shape[:3], len(self.layer)))
        for total, chosen in _by_total(orders).items():
            values, sign = self.activation(scaled, total)
            powers = np.stack([sign * self._powers(orders[at], half) for at in chosen])
            for equation, component in np.ndindex(*slopes.shape[1:3]):
                part = slopes[:, equation, component, chosen]
                if np.any(part):
                    found[:, equation, component] += values * (part @ powers)
        return found

    def _powers(self, order: tuple[int, ...], half: Float[np.ndarray, " d"]) -> Float[np.ndarray, " q"]:
        return np.prod((self.layer.weights / half) ** np.array(order), axis=1)


def _by_total(orders: tuple[tuple[int, ...], ...]) -> dict[int, list[int]]:
    """The numbers of the derivatives of each total order."""
    found: dict[int, list[int]] = {}
    for at, order in enumerate(orders):
        found.setdefault(sum(order), []).append(at)
    return found
