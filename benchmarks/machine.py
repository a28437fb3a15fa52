"""Where and with what a figure was measured."""

import datetime
import importlib.metadata
import json
import os
from pathlib import Path

import jax

from sngd.solver import processor

RESULTS = Path(__file__).parent.parent / "results"


def machine() -> dict[str, str]:
    """Processor, cores in use, device, versions and date."""
    versions = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in ("sngd", "jax", "jaxlib", "numpy"))
    return {
        "processor": processor(),
        "cores": str(len(os.sched_getaffinity(0))),
        "device": jax.devices()[0].platform,
        "versions": versions,
        "date": datetime.date.today().isoformat(),
    }


def write(name: str, figures: dict) -> None:
    """Print the figures and keep them in `results/<name>.json`."""
    text = json.dumps(figures | {"machine": machine()}, indent=2)
    print(text)
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / f"{name}.json").write_text(text + "\n")
