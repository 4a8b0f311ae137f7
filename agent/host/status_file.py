"""What a daemon says of itself for `milepost status`: one small file in its state directory."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from agent.errors import NO_DAEMON, OK, STALE, MilepostError

FILE = "status.json"
FRESH_S = 15.0


class NoDaemon(MilepostError):
    """No daemon runs with the state directory {path}. Start one with `milepost run`, or see `systemctl status
    milepost`."""

    exit_code = NO_DAEMON


def write(folder: Path, standing: Mapping[str, object]) -> None:
    """Whole or not at all, but not synced and not in the journal: it is worth nothing after a power cut. Raises
    OSError."""
    path = folder / FILE
    part = path.with_suffix(".part")
    part.write_text(json.dumps(standing))
    part.replace(path)


def read(folder: Path) -> dict[str, Any]:
    """What the daemon said last. Raises OSError, ValueError."""
    standing = json.loads((folder / FILE).read_bytes())
    if not isinstance(standing, dict):
        raise ValueError(f"{FILE} is no object")
    return standing


def look(folder: Path) -> tuple[int, dict[str, Any]]:
    """(exit code, what the daemon said last). Raises NoDaemon."""
    try:
        standing = read(folder)
        os.kill(standing["pid"], 0)
    except PermissionError:
        pass  # it runs, as another user
    except (OSError, ValueError, KeyError, TypeError, OverflowError):
        raise NoDaemon(path=folder) from None
    if standing.get("status") != "online" or not isinstance(standing.get("at"), (int, float)):
        raise NoDaemon(path=folder)
    standing["age_s"] = round(time.time() - standing["at"], 1)
    return (STALE if standing["age_s"] > FRESH_S else OK), standing
