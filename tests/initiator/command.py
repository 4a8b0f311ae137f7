"""`milepost` as a user calls it, on a town's ledger and content store."""

from __future__ import annotations

import contextlib
import subprocess
import sys
from pathlib import Path

from tests.market.town import Town
from tools.localnet.server import Localnet

ROOT = Path(__file__).resolve().parents[2]


def anybody(town: Town, folder: Path, more: str = "") -> Path:
    """The configuration of somebody who has no key. `more`: further tables."""
    config = folder / "milepost.toml"
    config.write_text(
        f'[ledger]\nhorizon = "{town.net.url}"\npassphrase = "{town.net.passphrase}"\n'
        f'[content]\nstores = ["folder:{town.folder / "content"}"]\n{more}'
    )
    return config


def milepost(config: Path, *words: str, net: Localnet | None = None) -> subprocess.CompletedProcess[str]:
    """`net`: a ledger that is to be closed again and again while the command runs."""
    command = [sys.executable, "-m", "agent", "--config", str(config), *words]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True, cwd=ROOT) as process:
        while process.poll() is None and net is not None:
            net.close_ledger()
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(timeout=0.2)
        out, err = process.communicate(timeout=60)
    return subprocess.CompletedProcess(command, process.returncode, out, err)
