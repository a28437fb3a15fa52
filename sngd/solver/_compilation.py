"""Counting compilations, so that a run can report what it spent on them."""

import jax

_COMPILED = "/jax/core/compile/backend_compile_duration"

# What precedes it and is timed by itself. Tracing is not among them: JAX counts a function's within its caller's.
_LOWERED = "/jax/core/compile/jaxpr_to_mlir_module_duration"


class CompilationCounter:
    """How many functions JAX has compiled in this process since this counter was made, and in how many seconds."""

    _total, _total_seconds = 0, 0.0

    def __init__(self):
        self._start, self._start_seconds = CompilationCounter._total, CompilationCounter._total_seconds

    @property
    def count(self) -> int:
        return CompilationCounter._total - self._start

    def taken(self) -> float:
        """The seconds of lowering and compilation, without tracing, since this was asked last."""
        before, self._start_seconds = self._start_seconds, CompilationCounter._total_seconds
        return self._start_seconds - before

    @staticmethod
    def _listen(event: str, duration_secs: float, **kwargs: str | int) -> None:
        CompilationCounter._total += event == _COMPILED
        if event in (_COMPILED, _LOWERED):
            CompilationCounter._total_seconds += duration_secs


# JAX offers no way to take one listener back, so there is one for the life of the process.
jax.monitoring.register_event_duration_secs_listener(CompilationCounter._listen)
