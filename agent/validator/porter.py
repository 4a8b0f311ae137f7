"""Fetches contributions' bundles beside the daemon's loop, a few at a time: none holds the loop up, and no hostile one
holds up the others for longer than one try."""

from __future__ import annotations

import threading
from pathlib import Path

from agent import files
from agent.core.cid import Cid
from agent.core.ids import CidText
from agent.ports import BundleLimits, ContentStore

HANDS = 4
PATIENCE_S = 0.2
"""What is at hand comes within this. The loop waits no longer in one turn, for all of them together."""


class Porter:
    """For one thread that asks. `store`: one of its own, it is used from other threads."""

    def __init__(self, store: ContentStore, folder: Path, patience_s: float = PATIENCE_S) -> None:
        self._store, self._folder, self._patience_s = store, folder, patience_s
        self._busy: dict[CidText, threading.Thread] = {}
        self._failed: dict[CidText, Exception] = {}

    @property
    def has_a_hand_free(self) -> bool:
        return len(self._busy) < HANDS

    def asked(self, cid: CidText) -> bool:
        """Whether a bundle is being fetched now."""
        return cid in self._busy

    def send(self, cid: CidText, limits: BundleLimits) -> None:
        """Begin to fetch it to where the shelf looks for it, if a hand is free."""
        if self.has_a_hand_free and cid not in self._busy:
            self._busy[cid] = thread = threading.Thread(
                target=self._fetch, args=(cid, limits), name=f"porter-{cid[-6:]}", daemon=True
            )
            thread.start()

    def failure(self, cid: CidText) -> Exception | None:
        """Why the last try came to nothing, told once."""
        return self._failed.pop(cid, None)

    def wait(self) -> None:
        """A moment, for what is at hand."""
        left = self._patience_s
        for thread in list(self._busy.values()):
            left -= _joined(thread, max(0.0, left))
        self._busy = {cid: thread for cid, thread in self._busy.items() if thread.is_alive()}

    def _fetch(self, cid: CidText, limits: BundleLimits) -> None:
        try:
            files.make_folder(self._folder)
            with files.room_for(self._folder):
                self._store.get(Cid.parse(cid), self._folder / cid, limits)
        except Exception as error:  # handed to the loop, which counts it: a thread has nobody to tell
            self._failed[cid] = error


def _joined(thread: threading.Thread, seconds: float) -> float:
    """How long it took."""
    import time

    began = time.monotonic()
    thread.join(seconds)
    return time.monotonic() - began
