"""Who may look: those who know the token. The cookie is derived from it, so nothing is kept on the server."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from pathlib import Path

from agent import files
from agent.errors import CredentialError
from agent.ports import Clock

COOKIE = "milepost"
TRIES, WITHIN = 10, 60.0
"""Wrong tokens, and seconds, after which nobody may try for a while."""
SHORTEST = 16


def load_token(path: Path) -> str:
    """The token in a file of mode 0600 or stricter. Raises CredentialError."""
    try:
        mode = path.stat().st_mode
        token = path.read_text().strip()
    except (OSError, UnicodeDecodeError) as error:
        raise CredentialError(path=path, why=str(error)) from None
    if mode & 0o077:
        raise CredentialError(path=path, why="others may read it: chmod 600")
    if len(token) < SHORTEST:
        raise CredentialError(path=path, why=f"a token has at least {SHORTEST} characters")
    return token


def new_token(path: Path) -> str:
    """Make a token and keep it in a new file of mode 0600. Raises what `agent.files` says of the disk."""
    token = secrets.token_urlsafe(24)
    with files.room_for(path.parent):
        path.parent.mkdir(parents=True, exist_ok=True)
    files.write_new(path, f"{token}\n".encode())
    return token


class Gate:
    def __init__(self, token: str, clock: Clock) -> None:
        self._token, self._clock = token.encode(), clock
        self._cookie = hmac.new(self._token, b"milepost fleet page", hashlib.sha256).hexdigest()
        self._wrong: list[float] = []

    def login(self, token: str) -> str | None:
        """The cookie's value for the right token, else None."""
        now = self._clock.monotonic()
        self._wrong = [at for at in self._wrong if now - at < WITHIN]
        if len(self._wrong) >= TRIES:
            return None
        if hmac.compare_digest(token.strip().encode(), self._token):
            return self._cookie
        self._wrong.append(now)
        return None

    def admits(self, cookie: str | None) -> bool:
        return cookie is not None and hmac.compare_digest(cookie.encode(), self._cookie.encode())
