"""Frozen random features and the least-squares problem for their output layers: the start of a run, or its answer."""

from sngd.features._basis import Basis
from sngd.features._blocks import Blocks, Coupling, Joint
from sngd.features._cells import March, can_divide, can_march
from sngd.features._choice import Candidate, Chooser, FeatureChoice
from sngd.features._eigen_choice import EigenChooser
from sngd.features._eigen_compare import Compared, compared
from sngd.features._estimate import Estimate, relative
from sngd.features._families import FROZEN_ACTIVATIONS, Features, Layer
from sngd.features._fit import Fit, fit
from sngd.features._inference import Inference, NoisyProblem, beside_noise, infer
from sngd.features._march import Marcher
from sngd.features._mesh import interfaces, stretched
from sngd.features._network import Network
from sngd.features._probe import Probe
from sngd.features._refinement import Refinement
from sngd.features._rows import Conditions
from sngd.features._system import NOISY, System
from sngd.features._window import Window, arrays_of, error_over

__all__ = [
    "FROZEN_ACTIVATIONS",
    "NOISY",
    "Basis",
    "Blocks",
    "Candidate",
    "Chooser",
    "Compared",
    "Conditions",
    "Coupling",
    "EigenChooser",
    "Estimate",
    "FeatureChoice",
    "Features",
    "Fit",
    "Inference",
    "Joint",
    "Layer",
    "March",
    "Marcher",
    "Network",
    "NoisyProblem",
    "Probe",
    "Refinement",
    "System",
    "Window",
    "arrays_of",
    "beside_noise",
    "can_divide",
    "can_march",
    "compared",
    "error_over",
    "fit",
    "infer",
    "interfaces",
    "relative",
    "stretched",
]
