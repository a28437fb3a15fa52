"""The predicted memory and work of a step."""

import dataclasses


@dataclasses.dataclass(frozen=True)
class Cost:
    """The predicted cost of a step.

    - `bytes`: the largest memory that the step holds at a time, in bytes.
    - `operations`: the number of floating-point operations.
    """

    bytes: float
    operations: float
