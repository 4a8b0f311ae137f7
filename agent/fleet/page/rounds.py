"""Rounds from the content store: figures, ancestors and what was fused, checked against their CIDs like any bundle."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from agent.core.bundle_files import ROUND
from agent.core.cid import Cid
from agent.core.round import Round
from agent.errors import MilepostError
from agent.ports import BundleLimits, ContentStore

LIMITS = BundleLimits(total_bytes=256 << 20, files=8)


def read_round(store: ContentStore, cid: str) -> Round | None:
    """The round document of a bundle, or None when it cannot be had (now) or is none. Blocks: not for an event loop."""
    folder = Path(tempfile.mkdtemp(prefix="milepost-round-"))
    try:
        store.get(Cid.parse(cid), folder / "bundle", LIMITS)
        return Round.parse((folder / "bundle" / ROUND).read_bytes())
    except (MilepostError, OSError):
        return None
    finally:
        shutil.rmtree(folder, ignore_errors=True)
