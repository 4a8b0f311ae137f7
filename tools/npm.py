"""Packages of npm that tests need, each installed once under `.cache/` of this checkout.

Their install scripts (native addons, telemetry) are not run; what is used of them works without.
"""

from __future__ import annotations

import fcntl
import shutil
import subprocess
from pathlib import Path

from agent.errors import MilepostError

CACHE = Path(__file__).resolve().parents[1] / ".cache"


class NoNpm(MilepostError):
    """Node.js and npm are not installed, so {package} cannot be had from npm. Install Node 20 or newer."""


class InstallFailed(MilepostError):
    """npm could not install {package}: {why}"""


def install(package: str, version: str, folder: str) -> Path:
    """Where the package is, `folder` of the cache. Raises NoNpm, InstallFailed."""
    if not shutil.which("npm") or not shutil.which("node"):
        raise NoNpm(package=package)
    CACHE.mkdir(exist_ok=True)
    home = CACHE / folder
    with (CACHE / f"{folder}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not home.is_dir():
            _install(f"{package}@{version}", home)
    return home


def _install(package: str, home: Path) -> None:
    part = home.with_name(f"{home.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir()
    command = ["npm", "install", "--ignore-scripts", "--no-audit", "--no-fund", package]
    done = subprocess.run(command, cwd=part, capture_output=True, text=True, check=False)
    if done.returncode:
        raise InstallFailed(package=package, why=done.stderr.strip()[-500:])
    part.rename(home)
