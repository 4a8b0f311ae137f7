"""Which commit this is: written into a wheel when it is built (tools/stamp.py), asked of git in a checkout."""

from __future__ import annotations

import subprocess
from pathlib import Path

HERE = Path(__file__).parent
STAMP = HERE / "commit.txt"


def commit() -> str:
    """The first twelve signs of the commit, with `+` where files were changed since; '' where nobody knows."""
    if STAMP.is_file():
        return STAMP.read_text().strip()
    root = HERE.parent
    if not (root / ".git").exists():
        return ""
    # The owner of the checkout may be another user: only their commit is read, nothing of theirs is run.
    git = ["git", "-c", f"safe.directory={root}", "-c", "core.fsmonitor=false", "-C", str(root)]
    try:
        said = subprocess.run(
            [*git, "describe", "--always", "--abbrev=12", "--dirty=+", "--exclude=*"],
            capture_output=True,
            text=True,
            timeout=5,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return said.stdout.strip() if said.returncode == 0 else ""


def version() -> str:
    """'0.1.0 (1da51a4b2c3d)', as `milepost --version` says it."""
    from agent import __version__

    return f"{__version__} ({known})" if (known := commit()) else __version__
