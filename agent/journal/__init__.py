"""What happened, written down before it counts: one writer, append only, durable when `append` returns."""

from agent.journal.errors import (
    AlreadyRunning,
    JournalBusy,
    JournalDamaged,
    JournalFull,
    JournalMissing,
    StateClosed,
)
from agent.journal.event import JSON, Event
from agent.journal.journal import Journal, try_writing
from agent.journal.reader import JournalReader

__all__ = [
    "JSON",
    "AlreadyRunning",
    "Event",
    "Journal",
    "JournalBusy",
    "JournalDamaged",
    "JournalFull",
    "JournalMissing",
    "JournalReader",
    "StateClosed",
    "try_writing",
]
