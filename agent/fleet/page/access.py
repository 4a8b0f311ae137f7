"""Who may look: those who know the token. The cookie is derived from it, so nothing is kept on the server."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections import OrderedDict
from pathlib import Path

from agent import credential, files
from agent.errors import CredentialError
from agent.ports import Clock

COOKIE = "milepost"
TRIES, WITHIN = 10, 60.0
"""Wrong tokens from one address, and seconds, after which its wrong ones are answered with 429."""
ADDRESSES = 1000
"""Whose wrong tokens are counted at most."""
SHORTEST = 16


def load_token(path: Path) -> str:
    """The token in a file of mode 0600 or stricter. Raises CredentialError."""
    token = credential.read(path)
    if len(token) < SHORTEST:
        raise CredentialError(path=path, why=f"a token has at least {SHORTEST} characters")
    return token


def new_token(path: Path) -> str:
    """Make a token and keep it in a new file of mode 0600. Raises what `agent.files` says of the disk."""
    token = secrets.token_urlsafe(24)
    files.make_folder(path.parent)
    files.write_new(path, f"{token}\n".encode())
    return token


class Access:
    """The token is what keeps strangers out: 192 bits where the page made it. Wrong ones are counted by the address
    they come from, so that `weary` says whom not to bother with; the right one is never turned away, for whoever fills
    the count of an address (a proxy's is everybody's) would lock out those who know it."""

    def __init__(self, token: str, clock: Clock) -> None:
        self._token, self._clock = token.encode(), clock
        self._cookie = hmac.new(self._token, b"milepost fleet page", hashlib.sha256).hexdigest()
        self._wrong: OrderedDict[str, tuple[float, int]] = OrderedDict()
        """By address: when the first of the last minute's wrong tokens came, and how many."""

    def login(self, token: str, address: str) -> str | None:
        """The cookie's value for the right token, else None."""
        if hmac.compare_digest(token.strip().encode(errors="replace"), self._token):
            return self._cookie
        now = self._clock.monotonic()
        since, count = self._wrong.pop(address, (now, 0))
        self._wrong[address] = (now, 1) if now - since >= WITHIN else (since, count + 1)
        if len(self._wrong) > ADDRESSES:
            self._wrong.popitem(last=False)
        return None

    def weary(self, address: str) -> bool:
        """Whether more wrong tokens came from there than somebody mistypes."""
        since, count = self._wrong.get(address, (0.0, 0))
        return count > TRIES and self._clock.monotonic() - since < WITHIN

    def admits(self, cookie: str | None) -> bool:
        return cookie is not None and hmac.compare_digest(cookie.encode(), self._cookie.encode())
