"""Every way a run may end, with its likely causes."""

import enum


class Result(enum.Enum):
    """How a run ended.

    Each member carries a one-line `summary`, the likely `causes` with what to try, and the `exit_status` that the
    command line returns. `Result(name)` finds a member by the name written into `result.json`.
    """

    TOLERANCE_REACHED = "tolerance reached"
    TARGET_REACHED = "target reached"
    ITERATIONS_EXHAUSTED = "iterations exhausted"
    SECONDS_EXHAUSTED = "seconds exhausted"
    LIMIT_REACHED = "iteration limit reached"
    FLOOR_REACHED = "rounding floor reached"
    NOISE_REACHED = "error of the noise reached"
    STAGNATED = "stagnated"
    UNRESOLVED = "fits its points only"
    CONTRADICTED = "contradicts its exact solution"
    UNDETERMINED = "not determined by its conditions"
    ILL_POSED = "ill posed"
    RANK_COLLAPSED = "rank collapsed"
    ILL_SCALED = "ill scaled"
    NON_FINITE = "non-finite"
    STOPPED = "stopped"
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

    @property
    def may_resume(self) -> bool:
        """Whether a run that ended so may go on from its last checkpoint."""
        return self in _FROM_OUTSIDE


_SUMMARIES = {
    Result.TOLERANCE_REACHED: "The estimated error is at most the tolerance.",
    Result.TARGET_REACHED: "The loss fell to the target.",
    Result.ITERATIONS_EXHAUSTED: "The run took all the iterations it was given.",
    Result.SECONDS_EXHAUSTED: "The run took all the seconds it was given.",
    Result.LIMIT_REACHED: "The run took the 1000 iterations that it takes at most where no number is given.",
    Result.FLOOR_REACHED: "The residual, or what an energy can still fall by, is down to rounding errors.",
    Result.NOISE_REACHED: "What is left is the error that the noise of the readings makes.",
    Result.STAGNATED: "The loss stopped falling.",
    Result.UNRESOLVED: "The equation holds at the points of the run, but not between them.",
    Result.CONTRADICTED: "The equation holds, but its solution is far from the exact solution that was given.",
    Result.UNDETERMINED: "The equation and the conditions hold, but other functions satisfy them as well.",
    Result.ILL_POSED: "Residuals of the size of rounding errors change the solution without a bound.",
    Result.RANK_COLLAPSED: "Hardly any parameter changes the solution any more.",
    Result.ILL_SCALED: "The rounding errors of the residual are large beside the data: nothing better can be found.",
    Result.NON_FINITE: "The loss became infinite or not a number.",
    Result.STOPPED: "A callback ended the run; what it had reached is kept.",
    Result.INTERRUPTED: "The run was interrupted; what it had reached is kept.",
}

_CAUSES = {
    Result.NOISE_REACHED: (
        "The readings determine the solution no better: compare the standard deviations with what you need.",
        "More readings, or more accurate ones, make the error smaller.",
    ),
    Result.STAGNATED: (
        "The method goes no further: compare the error estimate with what you need.",
        "The truncation tolerance cuts off directions that still matter: lower `tolerance`.",
        "The run sits in a poor neighborhood: try another seed or a wider network.",
    ),
    Result.LIMIT_REACHED: (
        "The loss still falls: go on from a checkpoint, or give more `iterations`.",
        "The network suits the solution badly: try a wider one, or another seed.",
    ),
    Result.UNRESOLVED: (
        "There are too few points for what the network can express: give a `quadrature` with more.",
        "The network oscillates too fast at the start: lower its `gain` or `frequencies`.",
        "The solution is not smooth: a network that is needs far more points there.",
    ),
    Result.CONTRADICTED: (
        "A sign or a coefficient is wrong in the equation, in a condition, or in the exact solution.",
        "The problem has other solutions, or none but this one fits: a condition is missing.",
        "The problem amplifies small residuals more than a hundred times: lower the error estimate further.",
    ),
    Result.UNDETERMINED: (
        "A condition is missing: an initial or a boundary value, or a derivative of higher order.",
        "The conditions leave an additive constant, or a solution of the homogeneous problem, open: fix it.",
    ),
    Result.ILL_POSED: (
        "A sign is wrong in the equation: heat that flows backward in time, for instance.",
        "Conditions hold on the wrong faces: two on one face of an elliptic problem, for instance.",
        "The problem is an inverse one: it needs regularization.",
    ),
    Result.RANK_COLLAPSED: (
        "The units are saturated or dead: take another activation, a smaller gain, or another seed.",
        "The network is far outside its range: rescale the domain or the solution.",
    ),
    Result.ILL_SCALED: (
        "Lengths or coefficients are very large or very small: take units that make them near one.",
        "One condition outweighs the others: give the smaller ones a `weight`.",
    ),
    Result.NON_FINITE: (
        "The residual overflows or divides by zero for the current network.",
        "The problem's data are very large or very small: rescale the equation.",
    ),
}

# Ends that the state of the run does not ask for.
_FROM_OUTSIDE = (
    Result.INTERRUPTED,
    Result.STOPPED,
    Result.ITERATIONS_EXHAUSTED,
    Result.SECONDS_EXHAUSTED,
    Result.LIMIT_REACHED,
)

# Zero: the run did what it was asked, which may have been to stop after so many iterations or seconds. Any other end
# short of the rounding floor has a status of its own. 130 is the shell's convention for a process that is interrupted.
_EXIT_STATUSES = {
    Result.NON_FINITE: 3,
    Result.UNRESOLVED: 4,
    Result.CONTRADICTED: 5,
    Result.RANK_COLLAPSED: 6,
    Result.ILL_SCALED: 7,
    Result.UNDETERMINED: 8,
    Result.ILL_POSED: 9,
    Result.STAGNATED: 10,
    Result.LIMIT_REACHED: 11,
    Result.INTERRUPTED: 130,
}
