"""The policies of a run, together."""

import dataclasses

from sngd._arguments import shown
from sngd.features import FeatureChoice, March
from sngd.solver._run import AbstractNonmonotone, AbstractRefine, AbstractRestart, AbstractStart, AbstractStop
from sngd.solver.policies._frequencies import FrequencyChoice
from sngd.solver.policies._nonmonotone import Nonmonotone
from sngd.solver.policies._refine import Refine
from sngd.solver.policies._restart import Restart
from sngd.solver.policies._stop import Stop


@dataclasses.dataclass(frozen=True)
class Policies:
    """What steers a run: each is replaced on its own, as in `Policies(restart=Mine())`.

    - `stop`: when a round ends. `nonmonotone`: when a step may raise the loss.
    - `refine`: when a run goes on with more points. `restart`: when it begins again from other initial parameters.
    - `start`: what makes initial parameters; `None` stands for what the library has for the network. `frequencies`: how
      the latter chooses the frequencies of a network. `features`: how frozen features are chosen. `march`: how
      the time axis is cut into windows for them.

    Raises `TypeError` for anything of another kind, such as a class in the place of an instance.
    """

    stop: AbstractStop = dataclasses.field(default_factory=Stop)
    nonmonotone: AbstractNonmonotone = dataclasses.field(default_factory=Nonmonotone)
    refine: AbstractRefine = dataclasses.field(default_factory=Refine)
    restart: AbstractRestart = dataclasses.field(default_factory=Restart)
    start: AbstractStart | None = None
    frequencies: FrequencyChoice = dataclasses.field(default_factory=FrequencyChoice)
    features: FeatureChoice = dataclasses.field(default_factory=FeatureChoice)
    march: March = dataclasses.field(default_factory=March)

    def __post_init__(self):
        kinds = {
            "stop": AbstractStop,
            "nonmonotone": AbstractNonmonotone,
            "refine": AbstractRefine,
            "restart": AbstractRestart,
            "start": AbstractStart,
            "frequencies": FrequencyChoice,
            "features": FeatureChoice,
            "march": March,
        }
        for name, kind in kinds.items():
            found = getattr(self, name)
            if not isinstance(found, kind) and not (name == "start" and found is None):
                raise TypeError(f"{name} is {shown(found)}; give an instance of {kind.__name__}, or leave it out")
