"""Every way a run may end, with its likely causes."""

import enum


class Result(enum.Enum):
    """How a run ended.

    Each member carries a one-line `summary`, the likely `causes` with what to try, and the `exit_status` that the
    command line returns. `Result(name)` finds a member by the name written into `result.json`.
    """

    TARGET_REACHED = "target reached"
    ITERATIONS_EXHAUSTED = "iterations exhausted"
    SECONDS_EXHAUSTED = "seconds exhausted"
    FLOOR_REACHED = "rounding floor reached"
    STAGNATED = "stagnated"
    UNRESOLVED = "fits its points only"
    NON_FINITE = "non-finite"
    INTERRUPTED = "interrupted"

    @property
    def summary(self) -> str:
        return _SUMMARIES[self]

    @property
    def causes(self) -> tuple[str, ...]:
        return _CAUSES.get(self, ())

    @property
    def exit_status(self) -> int:
        return _EXIT_STATUSES.get(self, 0)


_SUMMARIES = {
    Result.TARGET_REACHED: "The loss fell to the target.",
    Result.ITERATIONS_EXHAUSTED: "The run took all the iterations it was given.",
    Result.SECONDS_EXHAUSTED: "The run took all the seconds it was given.",
    Result.FLOOR_REACHED: "The residual is down to the rounding errors of its evaluation.",
    Result.STAGNATED: "The loss stopped falling.",
    Result.UNRESOLVED: "The equation holds at the points of the run, but not between them.",
    Result.NON_FINITE: "The loss became infinite or not a number.",
    Result.INTERRUPTED: "The run was interrupted; what it had reached is kept.",
}

_CAUSES = {
    Result.STAGNATED: (
        "The method goes no further: compare the error estimate with what you need.",
        "The truncation tolerance cuts off directions that still matter: lower `tolerance`.",
        "The run sits in a poor neighborhood: try another seed or a wider network.",
    ),
    Result.UNRESOLVED: (
        "There are too few points for what the network can express: give a `quadrature` with more.",
        "The network oscillates too fast at the start: lower its `gain` or `frequencies`.",
        "The solution is not smooth: a network that is needs far more points there.",
    ),
    Result.NON_FINITE: (
        "The residual overflows or divides by zero for the current network.",
        "The problem's data are very large or very small: rescale the equation.",
    ),
}

# 130 is the shell's convention for a process ended by an interrupt (128 + SIGINT).
_EXIT_STATUSES = {Result.NON_FINITE: 3, Result.UNRESOLVED: 4, Result.INTERRUPTED: 130}
