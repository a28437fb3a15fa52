"""What a step takes."""

import dataclasses


@dataclasses.dataclass(frozen=True)
class Cost:
    """A prediction: how many bytes are held at the most, and how many floating-point operations are made."""

    bytes: float
    operations: float
