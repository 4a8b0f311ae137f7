"""What board this is: device tree, L4T release, NVIDIA driver, memory. Reads files only."""

from __future__ import annotations

import platform
import re
from dataclasses import dataclass
from pathlib import Path

_L4T = re.compile(r"# R(\d+) \(release\), REVISION: ([\d.]+)")


@dataclass(frozen=True, slots=True)
class Board:
    """The evidence that a firmware profile is chosen by."""

    machine: str
    """As `uname -m` has it: x86_64, aarch64."""
    model: str = ""
    """The device tree's /model."""
    compatible: tuple[str, ...] = ()
    """The device tree's /compatible, most specific first."""
    l4t: str = ""
    """NVIDIA's Linux for Tegra, such as 36.4.3."""
    cuda: bool = False
    """NVIDIA's driver is loaded; on a Jetson that takes NVIDIA's own kernel, L4T."""
    memory_mb: int = 0


def inspect(root: Path = Path("/"), machine: str | None = None) -> Board:
    """This machine, or the one whose file system lies at `root`."""
    tree = root / "proc/device-tree"
    l4t = _L4T.search(_text(root / "etc/nv_tegra_release"))
    memory = re.search(r"MemTotal:\s+(\d+) kB", _text(root / "proc/meminfo"))
    card = (root / "proc/driver/nvidia/version").exists() or (root / "dev/nvidiactl").exists()
    return Board(
        machine=machine or platform.machine(),
        model=_text(tree / "model").rstrip("\0"),
        compatible=tuple(filter(None, _text(tree / "compatible").split("\0"))),
        l4t=f"{l4t[1]}.{l4t[2]}" if l4t else "",
        cuda=card or l4t is not None,
        memory_mb=int(memory[1]) // 1024 if memory else 0,
    )


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
