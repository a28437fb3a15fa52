"""The paper's networks, by the parameter counts that it states."""

NETWORKS: dict[str, str] = {
    "A1": "1x65",
    "A2": "3x50",
    "A3": "5x520",
    "4x20": "4x20",
}
"""Names of section 5 to `depth x width`: with two inputs 261, 5,301, 1,085,761 and 1,341 parameters."""


def find_network(name: str) -> str:
    """The architecture that `name` stands for: a name of the paper, or an architecture itself."""
    return NETWORKS.get(name, name)
