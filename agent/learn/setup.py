"""What the training child is told first, over the control line: a JSON object with these names."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from agent.learn.settings import Keep, Precision


@dataclass(frozen=True, slots=True)
class Setup:
    folder: str
    base: str
    """The round's bundle."""
    seed: int
    ring: str
    """Its name; `memory` and `bell` are its descriptors, `slots` its frames."""
    memory: int
    bell: int
    slots: int
    device: str
    """As it is wished for; the CPU once CUDA gave up."""
    precision: Precision
    threads: int
    hold: bool
    """Whether training is to pause at once."""
    memory_mb: int | None
    reservoir_mb: float
    keep: Keep
    checkpoint_s: float
    past: int | None
    """The descriptor of the earlier trips' samples."""
    past_mb: float
    past_key: str
    """In hex."""
    past_file: str | None

    @property
    def lock(self) -> Path:
        """Held by the child that writes checkpoints."""
        return Path(self.folder) / "lock"
