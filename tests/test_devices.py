"""Several devices do what one does, and keep their rows to themselves.

What `python -m benchmarks devices` measures, in processes of its own that have several devices, held to bounds.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import jax
import pytest

import sngd
from sngd.library import bvp
from sngd.linearize import make_objective
from sngd.networks import make_network
from sngd.sketch import EMBEDDING
from sngd.solver._devices import require_points

ROOT = Path(__file__).parent.parent
DEVICES = 4


@pytest.fixture(scope="module")
def figures():
    environment = {**os.environ, "JAX_PLATFORMS": "cpu"}
    command = [sys.executable, "-m", "benchmarks.devices", "print"]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.parametrize("optimizer", ["damped", "two-pass", "residual-space"])
def test_a_run_does_not_depend_on_the_number_of_devices(figures, optimizer):
    difference, bound = figures["runs"][optimizer]["4 devices"], 1e-10
    # A kernel knows singular values down to the root of the machine precision only, and steps as bold as that multiply
    # rounding errors by its inverse: a change of the parameters' last digits on one device moves the run as far.
    if optimizer == "residual-space":
        bound = max(bound, 100 * figures["runs"][optimizer]["last digits"]["parameters"])
    assert max(difference.values()) < bound


@pytest.mark.parametrize("optimizer", ["damped", "two-pass"])
def test_a_run_on_several_devices_goes_on_from_a_checkpoint_as_if_never_stopped(figures, optimizer):
    cases = figures["runs"][optimizer]
    assert cases["4 devices, resumed"] == cases["4 devices"]


def test_two_processes_agree_with_one_and_with_each_other(figures):
    assert max(figures["runs"]["damped"]["2 processes"].values()) < 1e-10
    # Bit for bit, and in the seconds, by which a run may end.
    assert figures["processes_agree"]


def test_rows_of_the_factor_stay_where_they_are(figures):
    sketch_size = figures["sketch_size"]
    for name, step in figures["steps"].items():
        rows, parameters = step["rows"], step["parameters"]
        filled = -(-(rows - 2) // DEVICES) + 1
        bounds = {
            # Some versions of XLA add the gradient to the same message.
            "two-pass": max(
                sketch_size * (parameters + sketch_size) + parameters, DEVICES * filled * EMBEDDING * sketch_size
            ),
            "damped, sketched": sketch_size * max(parameters + sketch_size, DEVICES * filled),
            "damped": max(DEVICES * rows**2, parameters + DEVICES),
            # Of a network with one matrix of 12 x 12 gathered: what it has beside that, more than the vectors.
            "residual-space": max(DEVICES * filled * max(rows, parameters - 144), parameters),
            # Four columns for every row, filled up to groups of 16, or two, to groups of 64.
            "preconditioned": max(DEVICES * filled * (-(-4 * rows // 16) * 16), parameters),
            "residual-space, widened": max(DEVICES * filled * (-(-2 * rows // 64) * 64), parameters),
        }
        descent, kept = name.rsplit(", ", 1)
        assert step["collectives"], name
        assert not step["all_rows_on_a_device"], name
        for collective, numbers in step["collectives"]:
            # Stored rows are exchanged for columns: what a device then has is its share.
            share = filled * (parameters + DEVICES) if (kept, collective) == ("stored", "all-to-all") else 0
            assert numbers <= max(bounds[descent], share) < rows * parameters, (name, collective)


def test_products_over_devices_are_those_with_the_stored_factor(figures):
    assert max(figures["factors"].values()) < 1e-13


def test_eigenpairs_over_devices_are_those_on_one_device(figures):
    assert figures["eigenvalues"] < 1e-12


def test_decompositions_over_devices_are_exact_to_rounding(figures):
    assert max(figures["decompositions"].values()) < 1e-14


def test_an_energy_does_not_depend_on_the_number_of_devices(figures):
    assert figures["energy"] < 1e-13


@pytest.mark.parametrize(
    ("devices", "message"),
    [
        (0, "devices is 0; it must be at least 1"),
        (64, r"devices is 64, and JAX sees \d+ \(\w+\); take at most \d+, or"),
    ],
)
def test_numbers_of_devices_that_there_are_not(devices, message, key):
    with pytest.raises(ValueError, match=message):
        sngd.solve(bvp(), "1x4", key=key, devices=devices)


def test_fewer_points_than_devices(key):
    problem = sngd.Problem(bvp().domain, [sngd.Interior(lambda u, x: u(x))], quadrature=sngd.GaussLegendre(3))
    objective, _ = make_objective(problem, make_network("1x4", problem.domain.bounds, key=key))
    mesh = jax.sharding.AbstractMesh((DEVICES,), ("rows",))
    with pytest.raises(ValueError, match="devices is 4, and there are 3 points to divide; take at most 3"):
        require_points(objective, mesh)
