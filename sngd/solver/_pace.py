"""Steps that take far longer than predicted, and why they may."""

import dataclasses
import logging
import os

from sngd.solver._threads import crowded_pools

_LOG = logging.getLogger("sngd")

# A step is slow where it takes so many times its predicted seconds, and a run where so many in a row are slow. The rate
# of the prediction is that of a matrix product; a singular value decomposition reaches down to a tenth of it.
_SLOW, _IN_A_ROW = 30.0, 3

# Seconds that a step takes however small it is: some ten calls of compiled functions.
_LEAST = 0.02


@dataclasses.dataclass
class Pace:
    """Compares the seconds of steps with the predicted ones, and warns once a run.

    - `predicted`: seconds of a step by the plan.
    """

    predicted: float
    _slow: int = 0
    _warned: bool = False

    def after_step(self, seconds: float) -> None:
        """Take note of a step in which nothing was compiled. Warns by the logger `sngd` after three slow ones."""
        expected = max(self.predicted, _LEAST)
        self._slow = self._slow + 1 if seconds > _SLOW * expected else 0
        if self._slow >= _IN_A_ROW and not self._warned:
            self._warned = True
            _LOG.warning("a step takes %.2g s, where the plan expects %.2g s: %s", seconds, expected, _likely_cause())


def _likely_cause() -> str:
    pools = crowded_pools()
    if pools:
        return (
            f"LAPACK waits by spinning ({', '.join(pools)}); set the environment variable OPENBLAS_NUM_THREADS=1 "
            "before Python starts"
        )
    cores = os.cpu_count() or 1
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0
    if load > cores + 1:
        return f"the machine is busy (load {load:.1f} on {cores} cores); leave it to this run, or expect to wait"
    return "the machine may be short of memory or throttled; watch it, or take a smaller network or fewer points"
