"""The paper's networks, by the parameter counts that it states, and how they start."""

import jax
from jaxtyping import PRNGKeyArray

from sngd.networks import DEFAULT_BIAS, DEFAULT_GAIN, MLP, make_network
from sngd.problem import AbstractProblem

NETWORKS: dict[str, str] = {
    "A1": "1x65",
    "A2": "3x50",
    "A3": "5x520",
    "4x20": "4x20",
}
"""Names of section 5 to `depth x width`: with two inputs 261, 5,301, 1,085,761 and 1,341 parameters."""

# Where the defaults of `MLP` start with too few frequencies for the solution; see docs/choices.md.
_GAIN_AND_BIAS = {"transport": (2.0, 1.0)}


def find_network(name: str) -> str:
    """The architecture that `name` stands for: a name of the paper, or an architecture itself."""
    return NETWORKS.get(name, name)


def initial_network(problem: AbstractProblem, name: str, *, key: PRNGKeyArray) -> MLP:
    """The network called `name`, initialized as suits a problem of this library.

    `key` is that of the whole run: the network is the one that `solve` makes of the same text and key, but for the
    scales of its initial parameters.
    """
    network_key, _ = jax.random.split(key)
    gain, bias = _GAIN_AND_BIAS.get(problem.name, (DEFAULT_GAIN, DEFAULT_BIAS))
    bounds, outputs = problem.domain.bounds, problem.outputs
    return make_network(find_network(name), bounds, outputs, key=network_key, gain=gain, bias=bias)
