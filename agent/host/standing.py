"""What a daemon says of itself for `milepost status`: one small file in its state directory."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

FILE = "status.json"


def write(folder: Path, standing: Mapping[str, Any]) -> None:
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
