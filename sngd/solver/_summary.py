"""What a run took and reached, as plain numbers and texts."""

import importlib.metadata
import math
import os
import platform
import sys
from pathlib import Path
from typing import Any

import jax
import psutil

from sngd.solver._solution import Solution

try:
    import resource
except ImportError:  # Windows has none.
    resource = None

_PACKAGES = ("sngd", "jax", "jaxlib", "equinox", "numpy", "scipy")


def summarize(solution: Solution, **settings: Any) -> dict[str, Any]:
    """What `result.json` holds: the outcome, the `settings` that led to it, and where it was computed.

    Numbers that are not known or not finite are `None`, so that the text is valid JSON.
    """
    history, device = solution.history, jax.devices()[0]
    error = None if solution.problem.exact is None else solution.relative_l2()
    summary = {
        "problem": solution.problem.name,
        "optimizer": solution.optimizer,
        **settings,
        "parameters": solution.parameters,
        "rows": solution.rows,
        "iterations": int(history.iteration[-1]),
        "seconds": round(solution.seconds, 3),
        "compile_seconds": round(solution.compile_seconds, 3),
        "relative_l2": error,
        "error_estimate": solution.error_estimate,
        "stability": solution.stability,
        "constants": {
            name: {"value": each.value, "standard_error": _finite_or_none(each.standard_error), "text": str(each)}
            for name, each in solution.constants.items()
        },
        "loss": solution.loss,
        "validation_loss": solution.validation_loss,
        "rank": int(history.rank[-1]) if history.rank[-1] >= 0 else None,
        "result": solution.result.value,
        "result_summary": solution.result.summary,
        "result_detail": solution.detail,
        "choices": dict(solution.choices),
        "device": f"{device.platform}: {device.device_kind}, {os.cpu_count()} CPU cores",
        "processor": processor(),
        "precision": "float64",
        "peak_bytes": peak_bytes(),
        "versions": {name: importlib.metadata.version(name) for name in _PACKAGES},
    }
    return {name: _finite_or_none(value) for name, value in summary.items()}


def peak_bytes() -> int:
    """The largest resident memory of this process so far; where the system does not tell, the present one."""
    if resource is None:
        memory = psutil.Process().memory_info()
        return getattr(memory, "peak_wset", memory.rss)
    # Linux reports kibibytes, macOS bytes.
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def processor() -> str:
    """The name of this machine's processor: Linux's, elsewhere what Python knows."""
    listed = Path("/proc/cpuinfo").read_text() if Path("/proc/cpuinfo").exists() else ""
    names = [line.split(":", 1)[1].strip() for line in listed.splitlines() if line.startswith("model name")]
    return names[0] if names else platform.processor()


def _finite_or_none(value: Any) -> Any:
    return None if isinstance(value, float) and not math.isfinite(value) else value
