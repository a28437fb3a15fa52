"""What a run is made of before its first step: the network of the right size, the plan, the initial parameters."""

import dataclasses
import logging
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from jax.sharding import Mesh
from jaxtyping import PRNGKeyArray

from sngd._arguments import shown
from sngd.linearize import with_constants
from sngd.networks import MLP, WithConstants, make_network
from sngd.problem import AbstractProblem, Problem
from sngd.solver._devices import require_points, whole_on
from sngd.solver._named_networks import has_functions_of_some_axes, several_networks
from sngd.solver._optimizer import AbstractOptimizer
from sngd.solver._plan import Plan, limits_for, make_plan
from sngd.solver._run import AbstractStart, Beginning, Run
from sngd.solver._setting import Setting, make_setting
from sngd.solver._stopping import Stopping
from sngd.solver.policies import Frequencies, GivenStart, NamedStart, Policies

# A network is made again for a solution of another size at most so many times.
_RESIZINGS = 3

# By how much the score of another size, the logarithm of a squared residual, may be higher.
_HIGHER = 0.5

_LOG = logging.getLogger("sngd")


def needs_features(problem: AbstractProblem) -> str:
    """Why a network cannot be trained for the problem, in words; nothing where it can."""
    conditions = problem.conditions if isinstance(problem, Problem) else ()
    return next((condition.needs_features for condition in conditions if condition.needs_features), "")


DEFAULT_NETWORK = "3x24"
"""The network that is trained where the caller names none and no frozen features are good enough (docs/choices.md)."""


@dataclasses.dataclass(frozen=True)
class Request:
    """What a caller asks for, beside the problem.

    - `network_key`, `train_key`: for the initial network, and for all else. `memory`: bytes that the run may take.
    """

    network: Callable | Mapping[str, Any] | str
    optimizer: object
    stopping: Stopping
    policies: Policies
    network_key: PRNGKeyArray
    train_key: PRNGKeyArray
    memory: float
    mesh: Mesh | None

    def prepared(
        self,
        problem: AbstractProblem,
        size: float | None = None,
        report: Callable[[str, Plan], None] = _LOG.debug,
    ) -> "Prepared":
        """A run with a network of this size, or of one that the data suggest. `report`: takes the plan.

        Raises `ValueError` where the run cannot begin.
        """
        network = self.network
        if needs_features(problem):
            raise ValueError(
                f"network is {shown(network)}, and {needs_features(problem)}, which no network is trained with; leave "
                "the network out"
            )
        if isinstance(network, Mapping) or (isinstance(network, str) and has_functions_of_some_axes(problem)):
            made = several_networks(network, DEFAULT_NETWORK, problem, self.network_key)
            return dataclasses.replace(self, network=made).prepared(problem, size, report)
        if problem.constants and not isinstance(network, WithConstants):
            made = _make(network, problem, self.network_key) if isinstance(network, str) else network
            return dataclasses.replace(self, network=with_constants(made, problem)).prepared(problem, size, report)
        named = isinstance(network, str)
        make = lambda *sizes: _make(network, problem, self.network_key, *sizes) if isinstance(network, str) else network
        setting = make_setting(problem, make, limits_for(self.memory), self.mesh, resizable=named, size=size)
        objective, theta = setting.objective, whole_on(self.mesh, setting.theta)
        require_points(objective, self.mesh)
        plan = make_plan(objective, theta, self.optimizer, self.memory)
        report("%s", plan)
        patience = plan.optimizer.patience if self.stopping.patience is None else self.stopping.patience
        run = Run(
            problem=setting.problem,
            objective=objective,
            scales=setting.scales,
            optimizer=plan.optimizer,
            stopping=dataclasses.replace(self.stopping, patience=patience),
            policies=self.policies,
            start=self.policies.start or self._start(setting, plan.optimizer),
            reference=theta,
            key=self.train_key,
            memory=self.memory,
            operations=plan.operations,
        )
        return Prepared(setting, plan, run, run.first(self.network_key))

    def _start(self, setting: Setting, optimizer: AbstractOptimizer) -> AbstractStart | None:
        """What makes the initial parameters; `None` where they stay those of the network."""
        network, problem, size = self.network, setting.problem, setting.size
        options = problem.domain.dimension, optimizer.wants_fast_features, size, self.policies.frequencies
        if isinstance(network, str):
            make = lambda key, frequencies: _make(network, problem, key, size, frequencies)
            return NamedStart(make, *options)
        assert not isinstance(network, Mapping)
        given = GivenStart(network, *options)
        return given if self.stopping.restarts and given.can_redraw else None


class Prepared(NamedTuple):
    """A run before its first step."""

    setting: Setting
    plan: Plan
    run: Run
    beginning: Beginning


def of_a_size_that_suits(prepared: Prepared, of_size: Callable[[float], Prepared]) -> Prepared:
    """The run with a network of the solution's size: of the size that the present network suggests, as long as the
    linearized network of that size fits the equation as well.
    """
    for _ in range(_RESIZINGS):
        setting, beginning = prepared.setting, prepared.beginning
        if beginning.size == 1:
            break
        try:
            other = of_size(beginning.size * setting.size)
        except ValueError:
            # The residual is not finite for a network of that size, though it is for this one.
            break
        if not other.beginning.score <= beginning.score + _HIGHER:
            break
        prepared = other
    return prepared


def _make(
    architecture: str,
    problem: AbstractProblem,
    key: PRNGKeyArray,
    scale: float = 1.0,
    frequencies: Frequencies | None = None,
) -> MLP:
    return make_network(
        architecture,
        problem.domain.bounds,
        problem.outputs,
        key=key,
        periodic=problem.periodic_axes,
        frequencies=frequencies,
        scale=scale,
    )
