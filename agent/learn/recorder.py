"""What becomes of a prepared sample on the training side: counted once, fingerprinted, put where it is
used."""

from __future__ import annotations

import bisect
import hashlib

from agent.learn.checkpoint import TrainingState
from agent.learn.ring import Record
from agent.learn.samples import Samples

FINGERPRINTS = 256


class SampleRecorder:
    """Takes records into `samples` and counts them in `state`.

    After a crash the ring still holds records that the last checkpoint has counted: they are taken again,
    because the samples were lost with the process, but not counted again.
    """

    def __init__(self, samples: Samples, state: TrainingState, ring: str, key: bytes = b"") -> None:
        if state.ring != ring:
            state.ring, state.seen = ring, 0
        self.samples, self.state, self.key = samples, state, key

    def take(self, record: Record) -> None:
        if self.state.began_t is None:
            self.state.began_t = record.t
        used = self.samples.add(record.image, record.label, record.t - self.state.began_t)
        if record.number <= self.state.seen:
            return
        self.state.seen = record.number
        if used == "train":
            self.state.samples += 1
            if self.key:
                fingerprint(self.state, self.key, record.image.tobytes())


def fingerprint(state: TrainingState, key: bytes, pixels: bytes) -> None:
    """Keep the smallest keyed hashes: two trips over the same frames share them, whatever else they saw
    (bottom-k sketch, Cohen and Kaplan 2007). The key never leaves the car, so nobody else can test for a
    picture."""
    digest = hashlib.blake2b(pixels, key=key[:64], digest_size=32).hexdigest()
    if len(state.fingerprint) < FINGERPRINTS or digest < state.fingerprint[-1]:
        kept = list(state.fingerprint)
        if digest not in kept:
            bisect.insort(kept, digest)
        state.fingerprint = tuple(kept[:FINGERPRINTS])
