"""A vehicle's jobs as tests need them: events with what a real one would say, and what the test says otherwise."""

from __future__ import annotations

from typing import Any

from agent.core import ledger
from agent.core.cid import Cid
from agent.core.ids import CidText, StakeId, TxHash
from agent.core.jobs.contribution import (
    Arrived,
    Chosen,
    Entered,
    Fetched,
    Job,
    JobState,
    Opened,
    Signed,
    Stored,
    Trained,
)
from agent.core.jobs.fold import Event

ROUND = CidText(str(Cid.v0(b"\x01" * 32)))
WORK = CidText(str(Cid.v0(b"\x02" * 32)))
ENVELOPE = ledger.Signed("AAAA", TxHash("a" * 64), 7, 1_800_000_000)


def job(*events: Event, state: JobState = JobState.NONE, name: str = "trip-000001") -> Job:
    """As if these had happened, whatever the table says."""
    return Job(name, state, {type(event): event for event in events})


def chosen(**said: Any) -> Chosen:
    return Chosen(**{"round": ROUND, "model": "DLMroad:G", **said})


def trained(steps: int = 10) -> Trained:
    return Trained(100, steps, None)


def signed(**said: Any) -> Signed:
    return Signed(
        **{"envelope": ENVELOPE, "stake": 0, "stake_id": StakeId("b" * 64), "take_back_at": 1_800_000_300, **said}
    )


def way() -> list[Event]:
    """Events of a trip that goes well, until its entry is in a ledger."""
    return [Opened(), chosen(), Fetched(), Arrived(), trained(), Stored(WORK), signed(), Entered(7)]
