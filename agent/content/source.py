"""Where blocks come from: RPC nodes and gateways. None of them is believed: every block is hashed on
arrival."""

from __future__ import annotations

import hashlib
from typing import Protocol

from agent.core.cid import Cid
from agent.troubles import BlockMissing as BlockMissing
from agent.troubles import WrongBytes as WrongBytes


class Source(Protocol):
    """Gives blocks, one by one."""

    def get(self, cid: Cid) -> bytes:
        """A block, checked, at most MAX_BLOCK_BYTES. One attempt, bounded in time.

        Raises BlockMissing (it answered, and has it not), WrongBytes, or Unavailable (no answer, or half of
        one).
        """


def checked(source: object, cid: Cid, data: bytes) -> bytes:
    """The bytes, if they are the block. Raises WrongBytes."""
    if hashlib.sha256(data).digest() != cid.digest:
        raise WrongBytes(source=source, size=len(data), cid=cid)
    return data
