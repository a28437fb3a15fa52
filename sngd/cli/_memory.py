"""How the C library returns freed memory to the operating system."""

import ctypes
import sys

# Options of `mallopt` of glibc. Beyond the trim threshold, free memory at the end of the heap is returned to the
# system. A block of at least the mmap threshold has a mapping of its own, which ends when the block is freed. Bytes.
_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3
_TRIMMED, _MAPPED = 512 << 20, 12 << 20


def return_freed_memory() -> None:
    """Let glibc return the memory of large arrays to the system when they are freed. Other C libraries are left alone.

    By default glibc keeps freed blocks of up to 32 MiB for later requests of the same size. A step with a million
    parameters makes arrays of many sizes, so a third of the resident memory of such a run is in no use. Small blocks,
    which small networks need, stay in the process, because a new mapping takes time.
    """
    if sys.platform == "linux" and (mallopt := getattr(ctypes.CDLL(None), "mallopt", None)) is not None:
        mallopt(_TRIM_THRESHOLD, _TRIMMED)
        mallopt(_MMAP_THRESHOLD, _MAPPED)
