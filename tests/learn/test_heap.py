"""The trainer's heap: what a step freed stays for the next, until it is given back."""

from __future__ import annotations

import subprocess
import sys

HEAP = """
import psutil
from agent.learn import heap

def mapped() -> int:
    return psutil.Process().memory_info().data >> 20

heap.keep_freed_memory()
before = mapped()
large = [bytearray(20 << 20) for _ in range(10)]
del large
kept = mapped()
heap.give_back()
print(kept - before, mapped() - before)
"""


def test_what_was_freed_is_kept_for_the_next_step_until_it_is_given_back() -> None:
    """In MB, as the bound on a process counts them."""
    said = subprocess.run([sys.executable, "-c", HEAP], capture_output=True, text=True, check=True).stdout
    kept, left = map(int, said.split())
    assert kept >= 190
    assert left < 10
