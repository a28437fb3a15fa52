"""What the C library does with memory that is given back to it."""

import ctypes
import sys

# Options of glibc's `mallopt`: free memory at the end of the heap beyond which it goes back to the system, and the size
# from which a block is mapped by itself, and unmapped when it is freed.
_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3
_TRIMMED, _MAPPED = 512 << 20, 12 << 20


def return_freed_memory() -> None:
    """Have large arrays go back to the system when they are freed, where the C library is glibc.

    Left alone, it keeps blocks of up to 32 MiB for the next request of that size, and a step with a million parameters
    makes arrays of many sizes: a third of the resident memory of a run is then nobody's. Blocks from which a small
    network is trained stay where they are, since mapping them anew takes time.
    """
    if sys.platform == "linux" and (mallopt := getattr(ctypes.CDLL(None), "mallopt", None)) is not None:
        mallopt(_TRIM_THRESHOLD, _TRIMMED)
        mallopt(_MMAP_THRESHOLD, _MAPPED)
