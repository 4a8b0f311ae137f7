"""Install js-ipfs once, under `.cache/` of this checkout.

js-ipfs is deprecated, and it is the one IPFS node with an RPC that a package registry delivers.
"""

from __future__ import annotations

from pathlib import Path

from tools import npm
from tools.npm import CACHE

VERSION = "0.66.1"
HOME = CACHE / f"js-ipfs-{VERSION}"
CLI = HOME / "node_modules/ipfs/src/cli.js"


def install() -> Path:
    """Where js-ipfs is; the first call takes minutes and 300 MB. Raises npm.NoNpm, npm.InstallFailed."""
    return npm.install("ipfs", VERSION, HOME.name)
