"""What becomes of a prepared sample on the training side: counted once, put where it is used."""

from __future__ import annotations

from agent.learn.checkpoint import TrainingState
from agent.learn.ring import Record
from agent.learn.samples import Samples


class SampleRecorder:
    """Takes records into `samples` and counts them in `state`.

    After a crash the ring still holds records that the last checkpoint has counted: they are taken again,
    because the samples were lost with the process, but not counted again.
    """

    def __init__(self, samples: Samples, state: TrainingState, ring: str) -> None:
        if state.ring != ring:
            state.ring, state.seen = ring, 0
        self.samples, self.state = samples, state

    def take(self, record: Record) -> None:
        if self.state.began_t is None:
            self.state.began_t = record.t
        used = self.samples.add(record.image, record.label, record.t - self.state.began_t)
        if record.number <= self.state.seen:
            return
        self.state.seen = record.number
        if used == "train":
            self.state.samples += 1
