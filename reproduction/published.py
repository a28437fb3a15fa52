"""The numbers of the paper's tables 1 to 6, as printed.

Errors are relative L2 errors over five random initializations. Minutes were measured on one A100.
"""

import dataclasses

OPTIMIZERS = ("adam", "bfgs", "engd", "single-pass", "two-pass")
"""The optimizers of every table, in the order of the table."""

RANK_TOLERANCE = 1e-13
"""The rank is the number of eigenvalues of the Gramian above this number."""


@dataclasses.dataclass(frozen=True)
class Published:
    """One line of a table: the errors over five seeds, and the minutes, the loss and the rank if they are given.

    - `iterations`: the number of iterations of the optimizer.
    """

    problem: str
    network: str
    optimizer: str
    iterations: int
    median: float | None = None
    least: float | None = None
    largest: float | None = None
    minutes: float | None = None
    loss: float | None = None
    rank: float | None = None


@dataclasses.dataclass(frozen=True)
class PublishedRun:
    """One line of table 6, a single run on the transport equation."""

    optimizer: str
    run: int
    error: float
    loss: float
    rank: int | None = None


LINES = (
    # Tables 1 and 2. The printed times of BFGS and two-pass SNGD are equal, for both networks.
    Published("heat", "A1", "adam", 100_000, 1.39e-03, 8.69e-04, 1.65e-03, minutes=24.87),
    Published("heat", "A1", "bfgs", 3000, 1.99e-04, 5.0e-05, 1.77e-01, minutes=1.10),
    Published("heat", "A1", "engd", 2500, 2.78e-06, 1.95e-06, 8.94e-06, minutes=1.34),
    Published("heat", "A1", "single-pass", 2500, 3.62e-07, 8.23e-08, 5.62e-06, minutes=1.06),
    Published("heat", "A1", "two-pass", 2500, 1.49e-07, 1.27e-07, 4.86e-06, minutes=1.10),
    Published("heat", "A2", "adam", 100_000, 6.13e-05, 2.59e-05, 1.13e-04, minutes=44.15),
    Published("heat", "A2", "bfgs", 3000, 3.65e-06, 2.32e-06, 6.50e-06, minutes=1.86),
    Published("heat", "A2", "engd", 2500, 5.66e-07, 2.91e-07, 1.36e-06, minutes=221.89),
    Published("heat", "A2", "single-pass", 2500, 7.87e-09, 6.00e-09, 1.68e-08, minutes=1.56),
    Published("heat", "A2", "two-pass", 2500, 1.24e-08, 8.7e-09, 1.698e-08, minutes=1.86),
    Published("heat", "A3", "adam", 100_000, 1.10e-05, 8.42e-06, 2.70e-05, minutes=64.48),
    Published("heat", "A3", "single-pass", 1000, 1.484e-08, 8.92e-09, 2.65e-08, minutes=16.663),
    # The printed median lies above the printed maximum.
    Published("heat", "A3", "two-pass", 1000, 1.49e-07, 8.63e-09, 1.99e-08, minutes=11.283),
    # Tables 3 and 4.
    Published("poisson", "4x20", "adam", 100_000, 4.67e-04, 2.89e-04, 6.95e-04, minutes=52.51, loss=2.38e-05),
    Published("poisson", "4x20", "bfgs", 3000, 8.0e-06, 4.92e-06, 1.05e-05, minutes=0.96, loss=1.46e-08),
    Published("poisson", "4x20", "engd", 2000, 5.16e-07, 3.78e-07, 7.27e-07, minutes=8.85, loss=1.55e-10, rank=105.6),
    Published(
        "poisson", "4x20", "single-pass", 2000, 9.46e-09, 7.10e-09, 1.96e-08, minutes=1.52, loss=1.84e-14, rank=160.6
    ),
    Published(
        "poisson", "4x20", "two-pass", 2000, 1.21e-08, 7.58e-09, 1.98e-08, minutes=1.92, loss=5.23e-14, rank=134.6
    ),
    # Table 5.
    Published("bvp-energy", "4x20", "adam", 100_000, 2.28e-05, 5.32e-06, 4.64e-05, minutes=52.51),
    Published("bvp-energy", "4x20", "bfgs", 3000, 1.20e-07, 3.52e-08, 2.43e-07, minutes=1.88),
    Published("bvp-energy", "4x20", "engd", 1000, 7.39e-08, 1.28e-08, 2.31e-07, minutes=4.56),
    Published("bvp-energy", "4x20", "single-pass", 1000, 3.66e-08, 1.34e-08, 5.56e-08, minutes=1.09),
    Published("bvp-energy", "4x20", "two-pass", 1000, 4.02e-08, 1.41e-08, 6.28e-08, minutes=1.32),
    # Table 6. RUNS has its single runs.
    Published("transport", "4x20", "adam", 3000),
    Published("transport", "4x20", "bfgs", 3000),
    Published("transport", "4x20", "engd", 3000),
    Published("transport", "4x20", "single-pass", 3000),
    Published("transport", "4x20", "two-pass", 3000),
)

RUNS = (
    PublishedRun("single-pass", 1, 4.59e-04, 1.61e-11, 661),
    PublishedRun("single-pass", 2, 9.51e-04, 1.10e-13, 484),
    PublishedRun("single-pass", 3, 1.23e-03, 1.52e-13, 551),
    PublishedRun("single-pass", 4, 2.01e-03, 9.98e-14, 520),
    PublishedRun("single-pass", 5, 2.45e-03, 7.68e-13, 533),
    PublishedRun("two-pass", 1, 2.99e-04, 2.94e-09, 400),
    PublishedRun("two-pass", 2, 7.24e-04, 2.70e-11, 352),
    PublishedRun("two-pass", 3, 3.78e-04, 9.53e-10, 341),
    PublishedRun("two-pass", 4, 8.13e-04, 2.51e-11, 257),
    PublishedRun("two-pass", 5, 2.73e-04, 4.90e-12, 299),
    PublishedRun("engd", 1, 3.33e00, 4.68e-07, 246),
    PublishedRun("engd", 2, 2.85e-03, 3.36e-08, 187),
    PublishedRun("engd", 3, 1.82e00, 7.37e00, 89),
    PublishedRun("engd", 4, 1.79e00, 5.03e00, 83),
    PublishedRun("engd", 5, 2.33e-03, 2.58e-08, 167),
    PublishedRun("bfgs", 1, 3.32e-03, 2.65e-07),
    PublishedRun("bfgs", 2, 7.68e-02, 1.14e-10),
    PublishedRun("bfgs", 3, 2.24e-03, 1.41e-07),
    PublishedRun("bfgs", 4, 3.67e-02, 1.34e-09),
    PublishedRun("bfgs", 5, 7.67e-03, 5.29e-09),
    PublishedRun("adam", 1, 1.29e00, 2.85e-02),
    PublishedRun("adam", 2, 1.37e00, 3.03e-02),
    PublishedRun("adam", 3, 1.24e00, 2.68e-02),
    PublishedRun("adam", 4, 1.35e00, 3.20e-02),
    PublishedRun("adam", 5, 1.27e00, 2.77e-02),
)

TABLES: dict[int, str] = {
    1: "Relative L2 errors on the heat equation",
    2: "Time on the heat equation, as ratios to two-pass SNGD",
    3: "Relative L2 errors on Poisson's equation",
    4: "Loss, time and truncated rank on Poisson's equation",
    5: "Relative L2 errors and time on the boundary value problem in energy form",
    6: "The transport equation, c = 30, run by run",
}

TABLE_PROBLEMS = {1: "heat", 2: "heat", 3: "poisson", 4: "poisson", 5: "bvp-energy", 6: "transport"}

OPTIMIZER_NAMES = {
    "adam": "Adam",
    "bfgs": "BFGS",
    "engd": "ENGD",
    "single-pass": "SNGD, single-pass",
    "two-pass": "SNGD, two-pass",
    "l-bfgs": "L-BFGS",
}
"""The optimizers as they are named in texts and figures. L-BFGS is not in the paper."""

PROBLEM_NAMES = {
    "heat": "Heat equation",
    "poisson": "Poisson's equation",
    "bvp-energy": "Boundary value problem (energy)",
    "transport": "Transport equation",
}
"""The problems as they are named in texts."""

FIGURE_PROBLEMS = {1: "transport", 2: "heat", 3: "poisson", 4: "transport"}
"""The problem whose runs a figure shows. Figure 5 shows no runs."""
