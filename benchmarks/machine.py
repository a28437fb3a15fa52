"""Where and with what a figure was measured."""

import datetime
import functools
import importlib.metadata
import json
import os
import subprocess
from pathlib import Path
from typing import Any

import jax
import scipy

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


@functools.cache
def revision() -> dict[str, Any]:
    """The commit, whether the working tree differs from it elsewhere than in the results, and the version of SciPy."""

    def git(*arguments: str) -> str:
        found = subprocess.run(["git", *arguments], cwd=RESULTS.parent, capture_output=True, text=True, check=True)
        return found.stdout.strip()

    changed = git("status", "--porcelain", "--", ".", ":!results")
    return {"commit": git("rev-parse", "HEAD"), "dirty": bool(changed), "scipy": scipy.__version__}


def write(name: str, figures: dict) -> None:
    """Print the figures and keep them in `results/<name>.json`."""
    text = json.dumps(figures | {"machine": machine()}, indent=2)
    print(text)
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / f"{name}.json").write_text(text + "\n")
