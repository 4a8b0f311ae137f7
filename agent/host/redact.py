"""What must not be read by others, taken out of text: Stellar secrets, passwords in addresses, positions."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

HIDDEN = "[hidden]"

_PLACES = ("latitude", "longitude", "latitude_deg", "longitude_deg", "lat", "lon", "position", "geofences")
_SECRETS = ("secret", "seed", "password", "token", "private_key")

PRIVATE_NAMES = frozenset([*_PLACES, *_SECRETS])
"""Facts whose value never leaves this machine, whatever it is."""

_PATTERNS = (
    (re.compile(r"\bS[A-Z2-7]{55}\b"), HIDDEN),  # a Stellar secret seed
    (re.compile(r"(\w+://)[^/\s@]+@"), rf"\1{HIDDEN}@"),  # rtsp://user:password@camera
    (re.compile(r"(?i)\b(bearer|token|password|secret)([=: ]+)[^\s,;\"']+"), rf"\1\2{HIDDEN}"),
    (
        re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)", re.DOTALL),
        HIDDEN,
    ),
    (re.compile(r"-?\b\d{1,3}\.\d{4,}\s*,\s*-?\d{1,3}\.\d{4,}"), HIDDEN),  # latitude, longitude
)


def text(raw: str) -> str:
    """`raw` without what others must not read."""
    for pattern, instead in _PATTERNS:
        raw = pattern.sub(instead, raw)
    return raw


def tree(value: Any) -> Any:
    """A JSON-like value without what others must not read: private names lose their value."""
    if isinstance(value, Mapping):
        return {name: HIDDEN if name in PRIVATE_NAMES else tree(inner) for name, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [tree(inner) for inner in value]
    return text(value) if isinstance(value, str) else value
