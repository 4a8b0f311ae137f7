"""What must not be read by others, taken out of text: secrets, what addresses hold beside a host, positions.

The first line is that sentences are made of typed parts: an address goes into one as `shown(address)`, which has never
held a secret. `text` is the second, for what others wrote. It hides rather too much than too little.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

HIDDEN = "[hidden]"

_PLACES = ("latitude", "longitude", "latitude_deg", "longitude_deg", "lat", "lon", "position", "geofences")
_SECRETS = ("secret", "seed", "password", "token", "private_key")

PRIVATE_NAMES = frozenset([*_PLACES, *_SECRETS])
"""Facts whose value never leaves this machine, whatever it is."""

_SCHEME = "[A-Za-z][A-Za-z0-9+.-]{0,40}"
_HOST = re.compile(r"(?:[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?")
_URL = re.compile(rf"(?i)\b(?!file:)({_SCHEME})://[^\s\"<>]*")
_NUMBER = r"[-+]?\d{1,3}\.\d{3,}"
_POINT = rf"(?:[NSEW]\s?)?{_NUMBER}(?:°?\s?[NSEW]\b|°)?"
_DEGREES = r"(?:[NSEW]\s?)?\d{1,3}\s?°\s?\d{1,2}(?:\.\d+)?(?:\s?['′]\s?[\d.]{0,9}\s?[\"″]?)?\s?[NSEW]?"
_PLUS_CODE = "[23456789CFGHJMPQRVWX]"
_WORD = (
    r"(?:\\{1,9}\"(?:(?!\\\").){0,999}(?:\\{1,9}\"|$)?"  # JSON within JSON
    r"|\"(?:[^\"\\]|\\.){0,999}(?:\"|$)?|'(?:[^'\\]|\\.){0,999}(?:'|$)?|[^\s,;\"']+)"
)
_NAMED = (
    r"(?:pass(?:word|wd|phrase)?|pwd|secret|token|credentials?|signature|user-pw|auth"
    r"|(?:api|access|account|shared|private)[_-]?key)[\w-]{0,40}|\b(?:sig|psk|pin|jwt)"
)

_PATTERNS = (
    (
        re.compile(
            r"-----BEGIN [A-Z ]{0,40}PRIVATE KEY-----.*?(?:-----END [A-Z ]{0,40}PRIVATE KEY-----|\Z)", re.DOTALL
        ),
        HIDDEN,
    ),
    (re.compile(r"(?i)\b((?:proxy-)?authorization|(?:set-)?cookie)\b\\{0,9}[\"']?\s?[:=][^\r\n]*"), rf"\1: {HIDDEN}"),
    (re.compile(r"\b((?i:basic|bearer|digest))[\s:=]{1,3}[A-Za-z0-9+/=._~-]{6,}"), rf"\1 {HIDDEN}"),
    (re.compile(r"\beyJ[\w-]{8,}\.[\w-]+\.[\w-]*"), HIDDEN),  # a JSON web token
    (re.compile(rf"(?i)({_NAMED})(\\{{0,9}}[\"']?\s{{0,9}}[=:]\s{{0,9}}){_WORD}"), rf"\1\2{HIDDEN}"),
    (re.compile(rf"(?i)(<[\w-]{{0,40}}?(?:{_NAMED})>)[^<]*"), rf"\1{HIDDEN}"),
    (re.compile(rf"(?i)\b(token|password|secret) {{1,9}}(?:is {{1,9}})?{_WORD}"), rf"\1 {HIDDEN}"),
    (
        re.compile(r"[^\s:@/\"'<>]{1,64}:[^\s@\"'<>]{1,256}@(?=[\w.\[-])"),
        f"{HIDDEN}@",
    ),  # as in an address without a scheme
    (re.compile(r"S[A-Z2-7]{55}"), HIDDEN),  # a Stellar secret seed
    (re.compile(rf"{_POINT}(?:\s{{0,9}}[,;/|]\s{{0,9}}|\s{{1,9}}|(?=[-+])){_POINT}"), HIDDEN),  # latitude, longitude
    (re.compile(r"[-+]?\b\d{1,3},\d{4,}[\s;/|]{1,9}[-+]?\d{1,3},\d{4,}"), HIDDEN),  # as half of Europe writes it
    (
        re.compile(
            r"(?i)\b(lat|lon|lng|long|latitude|longitude)([\w.]{0,40}(?:\W{1,4}?|\W{1,2}is\W{1,2}))[-+]?\d+(?:\.\d+)?"
        ),
        rf"\1\2{HIDDEN}",
    ),
    (re.compile(r"\d{3,5}\.\d+,[NS],\d{3,5}\.\d+,[EW]"), HIDDEN),  # as NMEA says it
    (re.compile(_DEGREES), HIDDEN),
    (re.compile(r"\b\d{1,3}[\s:]\d{1,2}[\s:]\d{1,2}(?:\.\d+)?\s?[NSEW]\b"), HIDDEN),  # the same without signs
    (re.compile(rf"\b{_PLUS_CODE}{{4,8}}\+{_PLUS_CODE}{{2,3}}\b"), HIDDEN),
    (re.compile(r"(?i)\bgeo:\S+"), HIDDEN),
)
"""Each takes time that grows with the text and no faster: strangers write some of it."""


def shown(address: str) -> str:
    """An address as others may read it: scheme, host and port. Names, passwords, paths, queries and fragments may be
    secrets. What is not surely a host (a password with a / in it looks like one) is hidden as well. Of a GStreamer
    pipeline its elements are shown; a device's path is itself."""
    if address.startswith("gst:") or " ! " in address:
        return "gst:" + " ! ".join(part.split()[0] for part in address.removeprefix("gst:").split("!") if part.split())
    found = re.match(rf"({_SCHEME})://", address)
    if found is None:
        return text(address)
    rest = address[found.end() :]
    authority = re.split(r"[/?#]", rest, maxsplit=1)[0]
    if "@" in rest[len(authority) :] or any(sign.isspace() for sign in rest):
        return f"{found[0]}{HIDDEN}"
    host = authority.rpartition("@")[2]
    if not _HOST.fullmatch(host):
        return f"{found[0]}{HIDDEN}"
    more = rest[len(authority) :].strip("/")
    return f"{found[0]}{host}{'/…' if more else ''}"


def text(raw: str) -> str:
    """`raw` without what others must not read."""
    raw = _URL.sub(lambda found: shown(found[0]), raw)
    for pattern, instead in _PATTERNS:
        raw = pattern.sub(instead, raw)
    return raw


def tree(value: Any) -> Any:
    """A JSON-like value without what others must not read: private names lose their value."""
    if isinstance(value, Mapping):
        return {text(str(name)): HIDDEN if name in PRIVATE_NAMES else tree(inner) for name, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [tree(inner) for inner in value]
    return text(value) if isinstance(value, str) else value
