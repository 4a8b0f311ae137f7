"""What a graph is run on."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Device:
    """How this machine runs a graph. A provider that is not installed falls back to the next, at last the
    CPU."""

    provider: str = "cpu"
    threads: int = 1


HERE = Device()
