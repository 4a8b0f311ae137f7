"""Secrets that lie in a file of their own: mode 0600, read whole and bounded, refused where others may use it."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from agent.errors import CredentialError

MOST_BYTES = 16 * 1024
OURS, SYSTEMD = 0o600, 0o640
"""systemd gives the service's user access by an ACL, which shows as group-readable in its folder."""


def read(path: Path, hint: str = "") -> str:
    """What the file holds, without the white space around it. Raises CredentialError when it is missing (`hint`: how
    to make one), too large, or open to others. What is no text comes out as no secret of any kind."""
    _check(path, hint)
    try:
        with path.open("rb") as file:
            data = file.read(MOST_BYTES + 1)
    except OSError as error:
        raise CredentialError(path=path, why=f"it cannot be read: {error.strerror}") from error
    if len(data) > MOST_BYTES:
        raise CredentialError(path=path, why=f"it is larger than {MOST_BYTES} bytes")
    return data.decode(errors="replace").strip()


def _check(path: Path, hint: str) -> None:
    try:
        found = path.stat()
    except FileNotFoundError:
        raise CredentialError(path=path, why=f"it is missing. {hint}" if hint else "it is missing") from None
    except OSError as error:
        raise CredentialError(path=path, why=f"it cannot be read: {error.strerror}") from error
    if not stat.S_ISREG(found.st_mode):
        raise CredentialError(path=path, why="it is not a file")
    allowed = SYSTEMD if _is_systemds(path) else OURS
    if mode := stat.S_IMODE(found.st_mode) & ~allowed & 0o077:
        raise CredentialError(path=path, why=f"others may use it (mode bits {mode:04o}). Run: chmod 600 {path}")


def _is_systemds(path: Path) -> bool:
    folder = os.environ.get("CREDENTIALS_DIRECTORY")
    return bool(folder) and path.parent == Path(folder or "")
