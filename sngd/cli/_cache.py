"""Compiled code that one run keeps for the next ones, in the user's cache folder."""

import hashlib
import importlib.metadata
import os
import platform
import stat
import sys
from pathlib import Path

import jax

# The environment variable that turns the cache off, and the value that does.
_SWITCH, _OFF = "SNGD_CACHE", "off"

# What compiled code depends on, beside the processor.
_PACKAGES = ("sngd", "jax", "jaxlib")

# Bytes of compiled code that are kept at most; the ones that have not been used for the longest time go first.
_LARGEST = 1 << 30


def keep_compiled_code() -> None:
    """Let JAX keep compiled functions in a folder that no other user can read or write.

    The folder is one for each processor and each version of Python, JAX and sngd. Nothing is kept if the environment
    variable `SNGD_CACHE` is `off`, if the user has set a cache of JAX, or if the folder cannot be made or belongs to
    another user.
    """
    chosen = jax.config.jax_compilation_cache_dir  # pyright: ignore[reportAttributeAccessIssue]
    if os.environ.get(_SWITCH) == _OFF or chosen:
        return
    folder = _user_cache() / "sngd"
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not _is_private(folder):
            return
        own = folder / _key()
        own.mkdir(mode=0o700, exist_ok=True)
    except OSError:
        return
    jax.config.update("jax_compilation_cache_dir", str(own))
    jax.config.update("jax_compilation_cache_max_size", _LARGEST)
    # Runs take seconds, so that the smallest function is worth keeping.
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
    jax.config.update("jax_persistent_cache_min_entry_size_bytes", 0)


def _user_cache() -> Path:
    """The folder for files that may be deleted at any time, by the conventions of the operating system."""
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches"
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")


def _is_private(folder: Path) -> bool:
    """Whether the folder belongs to this user, and nobody else may write into it."""
    if sys.platform == "win32":
        return True
    found = folder.stat()
    return found.st_uid == os.getuid() and not found.st_mode & (stat.S_IWGRP | stat.S_IWOTH)


def _key() -> str:
    parts = [platform.python_version(), platform.machine(), _processor()]
    parts += [f"{name} {importlib.metadata.version(name)}" for name in _PACKAGES]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]


def _processor() -> str:
    """The instructions that the processor knows, as far as the system tells."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return "\n".join(sorted({line for line in lines if line.startswith(("model name", "flags", "Features"))}))
