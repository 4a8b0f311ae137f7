"""What of this machine training may use. Nothing here changes what is learnt from a frame."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

Precision = Literal["auto", "fp32", "bf16", "fp16"]
Keep = Literal["auto", "uniform", "rare"]


@dataclass(frozen=True, slots=True)
class Settings:
    """Those without a value here have their defaults in the configuration's section [train]."""

    device: Literal["auto", "cpu", "cuda"]
    precision: Precision
    """Arithmetic on CUDA; `auto` takes bf16 where the board has it, else fp16. The CPU always uses fp32."""
    threads: int | None
    """CPU threads; None: all cores but one, which is the camera's."""
    memory_mb: int | None
    """What the training process may hold before it is refused more; None: no bound of ours."""
    reservoir_mb: float
    """Samples of this trip."""
    checkpoint_s: float
    keep: Keep
    """What stays of a trip that has more samples than that."""
    past_mb: float
    """Samples of earlier trips; 0: none are kept."""
    ring_mb: float = 16.0
    """Samples on their way to the child, and those that come while it starts."""
    past_file: Path | None = None
    """Where they rest between runs of the daemon, encrypted; None: in memory alone."""
    past_key: bytes = b""
    """32 bytes."""
