"""Signals that end a run: they wait for the end of a step."""

import contextlib
import dataclasses
import logging
import signal
import threading
from collections.abc import Iterator

_LOG = logging.getLogger("sngd")


@dataclasses.dataclass
class Interrupt:
    """Whether a signal asked for the end."""

    requested: bool = False


@contextlib.contextmanager
def deferred_interrupts() -> Iterator[Interrupt]:
    """While this context is open, the first signal that would raise `KeyboardInterrupt` is noted instead.

    Python would raise it wherever it is, inside a compilation too, which JAX does not survive: the process hangs, or
    crashes when it exits. The second one is raised. Signals that have a handler of the user's own are left to it, and
    so are all of them in any thread but the main one, the only one that Python tells of them.
    """
    interrupt = Interrupt()

    def note(number, frame):
        if interrupt.requested:
            raise KeyboardInterrupt
        interrupt.requested = True
        _LOG.warning("interrupted: the run ends with the present step; once more ends it at once")

    signals = []
    if threading.current_thread() is threading.main_thread():
        candidates = (signal.SIGINT, signal.SIGTERM)
        signals = [each for each in candidates if signal.getsignal(each) is signal.default_int_handler]
    for each in signals:
        signal.signal(each, note)
    try:
        yield interrupt
    finally:
        for each in signals:
            signal.signal(each, signal.default_int_handler)
