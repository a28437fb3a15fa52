"""Counting compilations, so that a run can report what it spent on them."""

import jax

_COMPILED = "/jax/core/compile/backend_compile_duration"


class CompilationCounter:
    """How many functions JAX has compiled in this process since this counter was made."""

    _total = 0

    def __init__(self):
        self._start = CompilationCounter._total

    @property
    def count(self) -> int:
        return CompilationCounter._total - self._start

    @staticmethod
    def _listen(event: str, duration_secs: float, **kwargs: str | int) -> None:
        if event == _COMPILED:
            CompilationCounter._total += 1


# JAX offers no way to take one listener back, so there is one for the life of the process.
jax.monitoring.register_event_duration_secs_listener(CompilationCounter._listen)
