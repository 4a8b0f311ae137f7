"""Install js-ipfs once, under `.cache/` of this checkout.

js-ipfs is deprecated, and it is the one IPFS node with an RPC that a package registry delivers. Its
install scripts (native addons, telemetry) are not run; all of it works without them.
"""

from __future__ import annotations

import fcntl
import shutil
import subprocess
from pathlib import Path

from agent.errors import MilepostError

VERSION = "0.66.1"
CACHE = Path(__file__).resolve().parents[2] / ".cache"
HOME = CACHE / f"js-ipfs-{VERSION}"
CLI = HOME / "node_modules/ipfs/src/cli.js"


class NoNpm(MilepostError):
    """Node.js and npm are not installed, so no real IPFS node can be had. Install Node 20 or newer."""


class InstallFailed(MilepostError):
    """npm could not install ipfs@{version}: {why}"""


def install() -> Path:
    """Where js-ipfs is; the first call takes minutes and 300 MB. Raises NoNpm, InstallFailed."""
    if not shutil.which("npm") or not shutil.which("node"):
        raise NoNpm()
    CACHE.mkdir(exist_ok=True)
    with (CACHE / "js-ipfs.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not CLI.is_file():
            _install()
    return HOME


def _install() -> None:
    part = HOME.with_suffix(".part")
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir()
    command = ["npm", "install", "--ignore-scripts", "--no-audit", "--no-fund", f"ipfs@{VERSION}"]
    done = subprocess.run(command, cwd=part, capture_output=True, text=True, check=False)
    if done.returncode:
        raise InstallFailed(version=VERSION, why=done.stderr.strip()[-500:])
    part.rename(HOME)
