"""Whether a transaction may wait for the next ledger (RULES 10). Nothing changes here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from tools.localnet.engine.envelope import Envelope
from tools.localnet.engine.queue import Queue
from tools.localnet.engine.rules import TODAY, Rules
from tools.localnet.engine.state import State

Status = Literal["PENDING", "ERROR", "DUPLICATE", "TRY_AGAIN_LATER"]


@dataclass(frozen=True, slots=True)
class Admission:
    """`result` is the TransactionResult's XDR where the status is ERROR."""

    status: Status
    result: bytes | None = None


def admit(state: State, envelope: Envelope, now: int, queue: Queue, rules: Rules = TODAY) -> Admission:
    """Judge an envelope against the last closed ledger and what waits in the queue. `now` is in Unix seconds."""
    raise NotImplementedError
