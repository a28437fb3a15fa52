"""Eigenvalues and eigenfunctions of linear problems, on frozen features."""

import dataclasses
import logging
import math
from collections.abc import Sequence
from typing import overload

import jax
import numpy as np
from jaxtyping import Float, PRNGKeyArray

from sngd._arguments import require_integer, require_number, shown
from sngd._results import Result
from sngd.features import Conditions, EigenChooser
from sngd.geometry import Regions
from sngd.problem import Problem, Unknown
from sngd.solver._checks import LEAST_TOLERANCE, require_float64, require_key, require_options, require_tolerance
from sngd.solver._eigen_search import Search
from sngd.solver._interrupts import deferred_interrupts
from sngd.solver._plan import machine_bytes
from sngd.solver._solution import Solution
from sngd.solver._stopping import Stopping
from sngd.solver._threads import share_cores_with_lapack
from sngd.solver.policies import Policies

_LOG = logging.getLogger("sngd")


@dataclasses.dataclass(frozen=True, repr=False)
class Eigenpairs(Sequence[Solution]):
    """Eigenvalues with their eigenfunctions: a sequence of solutions.

    - `solutions`: one for each pair. The integral of the square of an eigenfunction, over all unknown functions, is
      one. Those of one multiple eigenvalue are orthonormal.
    - `values`: the eigenvalues, shape `(n,)`, ascending, or by their distances from the number that was named.
    - `error_estimates`: of the relative errors of the eigenvalues, shape `(n,)`. One that is smaller than a thousandth
      of the spread of the values is measured against the spread.
    - `result`: how the search ended. `detail`: what is to be known beside that.
    - `missing`: eigenvalues that were found in part of the computations only. Where there are any, the values may not
      be all of those that were asked for.
    """

    solutions: tuple[Solution, ...]
    values: Float[np.ndarray, " n"]
    error_estimates: Float[np.ndarray, " n"]
    result: Result
    detail: str
    missing: tuple[float, ...]

    @overload
    def __getitem__(self, index: int) -> Solution: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Solution]: ...
    def __getitem__(self, index: int | slice) -> Solution | Sequence[Solution]:
        return self.solutions[index]

    def __len__(self) -> int:
        return len(self.solutions)

    def __repr__(self) -> str:
        """The result, and a line for each pair."""
        lines = [f"Eigenpairs: {self.result.value}{f' ({self.detail})' if self.detail else ''}"]
        lines.append(f"    {'':>3} {'eigenvalue':>22} {'relative error':>15} {'of the function':>16}")
        for number, solution in enumerate(self.solutions):
            value, error = f"{self.values[number]:.15g}", f"{self.error_estimates[number]:.1e}"
            lines.append(f"    {number:>3} {value:>22} {error:>15} {solution.error_estimate:>16.1e}")
        return "\n".join(lines)


def eigenpairs(
    problem: Problem,
    count: int = 1,
    *,
    key: PRNGKeyArray,
    near: float | None = None,
    tolerance: float | None = None,
    stopping: Stopping | None = None,
    policies: Policies | None = None,
    memory: float | None = None,
) -> Eigenpairs:
    """The `count` lowest eigenvalues of `problem` with their eigenfunctions.

    - `problem`: of linear equations without data, with one `Constant`, the eigenvalue, which enters equations and
      boundary conditions affinely: `A u = E B u`. Trial functions are linear in the values of features.
    - `key`: the source of all randomness, from `jax.random.key(seed)`.
    - `near`: a number; then the eigenvalues nearest to it are found, and not the lowest ones.
    - `tolerance`: the relative error of all values and functions, as estimated, that ends the search. Left out, it goes
      on to the rounding errors.
    - `stopping`: of which `seconds` end the search. `policies`: of which `features` say how features are chosen.
      `memory`: bytes that the search may take; left out, those of the machine.

    Features are chosen, and their number is doubled, as for a linear equation in `sngd.solve`. The eigenpairs on given
    features come from subspace iteration with the least-squares inverse of `A - sigma B` (`features/_eigen.py`). The
    errors are the differences from the pairs on other features at other points, found from other random functions.

    Raises `TypeError` for an argument of another type. Raises `ValueError` for a problem of another form, for values
    that go on towards minus infinity, for values that are complex, and where there are fewer values than `count`.
    """
    require_float64()
    if not isinstance(problem, Problem):
        raise TypeError(f"problem is {shown(problem)}; eigenpairs needs a Problem with an unknown Constant")
    require_integer("count", count, least=1)
    require_key(key)
    if near is not None:
        require_number("near", near)
        if not math.isfinite(near):
            raise ValueError(f"near is {near}; it must be finite, or left out for the lowest eigenvalues")
    require_tolerance("tolerance", tolerance, LEAST_TOLERANCE)
    require_options(stopping, None, policies, 1, memory)
    _require_eigenvalue_problem(problem)
    with deferred_interrupts() as interrupt, share_cores_with_lapack():
        seed = tuple(np.asarray(jax.random.key_data(key)).ravel().tolist())
        policies, stopping = policies or Policies(), stopping or Stopping()
        memory = machine_bytes() if memory is None else memory
        # With an eigenfunction, i times a complex one is found too.
        real = 2 * count if problem.components.any_is_complex else count
        conditions = Conditions.of(problem, "sin")
        chooser = EigenChooser(policies.features, conditions, seed, _report, memory, count=real, near=near)
        search = Search(problem, chooser, real, near, tolerance, stopping, interrupt)
        return Eigenpairs(*search.found())


def _report(line: str) -> None:
    _LOG.debug("%s", line)


def _require_eigenvalue_problem(problem: Problem) -> None:
    """Raises `ValueError` for unknowns and conditions that an eigenvalue problem does not have."""
    if isinstance(problem.domain, Regions):
        raise ValueError(
            f"domain is made of the regions {', '.join(problem.domain.named_regions)}; eigenpairs takes one region, "
            "whose coefficients are functions of the point"
        )
    names = ", ".join(constant.name for constant in problem.constants) or "none"
    if len(problem.constants) != 1:
        raise ValueError(
            f"unknowns of the problem holds {len(problem.constants)} constants ({names}); an eigenvalue problem has "
            'one, the eigenvalue, as in unknowns=["u", sngd.Constant("E")]'
        )
    (constant,) = problem.constants
    if constant.prior is not None or math.isfinite(constant.lower) or math.isfinite(constant.upper):
        raise ValueError(
            f"the constant {constant.name} has bounds or a prior, which an eigenvalue has not; leave them out, and "
            "name a number that eigenvalues are near to by near="
        )
    for condition in problem.conditions:
        if condition.is_of_readings:
            raise ValueError(
                f"conditions holds the readings {condition.label}, which an eigenvalue problem has not; leave them out"
            )
    for each in problem.unknowns:
        if isinstance(each, Unknown) and each.inputs is not None:
            raise ValueError(
                f"the unknown {each.name} depends on some of the axes; an eigenvalue problem has functions of all axes"
            )
