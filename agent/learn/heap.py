"""What glibc does with memory that a step has freed. Another libc has no such knobs, and does as it likes."""

from __future__ import annotations

import contextlib
import ctypes

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD, M_MMAP_MAX = -1, -3, -4
"""As in malloc.h."""
LARGE = 1 << 20


def return_freed_memory() -> None:
    """At once, while it is not known how many samples fit: each large block is a mapping of its own (mallopt(3)). On
    the heap, one small block that lives on keeps all that was freed below it within the process's bound."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).mallopt(M_MMAP_THRESHOLD, LARGE)


def keep_freed_memory() -> None:
    """For the next step. By default glibc (mallopt(3)) gives blocks as large as a layer's output back to the system
    when they are freed, and the system clears them page by page when they are asked for again: a fifth of a step."""
    with contextlib.suppress(OSError, AttributeError):
        libc = ctypes.CDLL(None)
        libc.mallopt(M_MMAP_MAX, 0)
        libc.mallopt(M_TRIM_THRESHOLD, 2**31 - 1)


def give_back() -> None:
    """Let the system have what is free, once (malloc_trim(3)). Memory that is asked for past the heap, as oneDNN does
    for the code of a batch of another size, is refused while a kept heap fills the process's bound."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)
