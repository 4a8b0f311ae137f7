"""Install Stellar's JavaScript SDK once, under `.cache/` of this checkout: tests drive localnet with it too.

The newest version for Node 20 is taken; later ones want Node 22.
"""

from __future__ import annotations

from pathlib import Path

from tools import npm
from tools.npm import CACHE

PACKAGE = "@stellar/stellar-sdk"
VERSION = "15.1.0"
HOME = CACHE / f"stellar-js-{VERSION}"


def install() -> Path:
    """Where the SDK is. Raises npm.NoNpm, npm.InstallFailed."""
    return npm.install(PACKAGE, VERSION, HOME.name)
