"""Text that somebody else wrote, before it is kept or shown: one line, and nothing that a terminal obeys."""

from __future__ import annotations

import re

OBEYED = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ud800-\udfff\ufeff\ufff9-\ufffb]")
"""Control characters (escape sequences begin with one), what turns the direction of writing round, and halves of
characters. Written out: Python's own tables change with its version, and a document must be read alike by all."""
UNKNOWN = "\ufffd"


def plain(text: str) -> str:
    """`text` on one line, with UNKNOWN in place of what is no text."""
    return OBEYED.sub(lambda found: " " if found[0] in "\t\n\r" else UNKNOWN, text)


def is_plain(text: str) -> bool:
    """Whether `plain` would leave it as it is."""
    return OBEYED.search(text) is None
