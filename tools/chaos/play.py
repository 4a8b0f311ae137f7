"""The play: daemons in a drawn order, ledgers in between, an attack or a fault every now and then, and the power cut.

One seed, one order of events. What is bounded by ledgers is the same on every machine; what is bounded by seconds has
played as many ledgers as the machine could.
"""

from __future__ import annotations

import random
import secrets
import tempfile
import time
import traceback
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import nacl.public
import nacl.secret
from stellar_sdk import Keypair

from agent.core.money import UNIT
from agent.errors import MilepostError
from tools.chaos.car import Car
from tools.chaos.daemon import Daemon
from tools.chaos.ground import Ground
from tools.chaos.kinds.kind import Cast, Course, Kind
from tools.chaos.kinds.table import KINDS
from tools.chaos.report import Report, book
from tools.chaos.town import REVIEW_S, Town
from tools.localnet.server import Localnet

Say = Callable[[str], None]

CRASH, FUSE, LONGEST_FUSE = 0.01, 0.01, 8
"""Chance of each daemon at each ledger to lose its power between two turns, or at one of its next writes."""
ATTACK = 0.45
"""Chance of each ledger that another kind begins."""
AT_ONCE = 5
STEP_S = (3, 8)
REPLICA = 3
"""Ledgers that the replica is late."""
BEGINNING = 1_800_000_000
"""When the town's time begins."""
HURRY_S = 30
"""Between two ledgers at the end, once nothing is left but to wait for windows to pass."""


@dataclass
class Running:
    kind: Kind
    cast: Cast
    acts: Course


@dataclass
class Score:
    """How often a kind was begun, how often it came to nothing, and who acted in it."""

    fired: int = 0
    foiled: int = 0
    casts: list[Cast] = field(default_factory=list)


class Play:
    def __init__(self, town: Town, say: Say, kinds: Sequence[Kind] = KINDS) -> None:
        self.town, self._say = town, say
        self._dice = town.ground.dice
        self._deck: list[Kind] = []
        self._kinds = kinds
        self._running: list[Running] = []
        self.scores = {kind.name: Score() for kind in kinds}
        self.ledgers = 0
        self.mistakes: list[str] = []
        """Of the play's own, with their tracebacks."""
        rewards = town.rewards
        self._liars_had = sum(town.books.wealth(car.account, rewards) for car in town.lying_cars)
        self._told = 0

    def on(self) -> None:
        """One ledger of trouble."""
        dice = self._dice
        if len(self._running) < AT_ONCE and dice.random() < ATTACK:
            self._begin()
        for daemon in self.town.daemons:
            if dice.random() < CRASH:
                daemon.crash()
            elif dice.random() < FUSE:
                daemon.weather.fuse = 1 + dice.randrange(LONGEST_FUSE)
        self._move()
        self._visit(0.8)
        self._close(dice.randint(*STEP_S))

    def off(self, hurry: bool = False) -> bool:
        """One ledger of quiet; whether all is at an end."""
        self._move()
        self._visit(1.0)
        stakes = self.town.books.of(self.town.honest)
        # A ledger that is longer than a turn is no ledger to be settled in: nobody who has time left is hurried.
        are_over = all(stake.ended_by or self.town.ground.now > stake.entered_at + REVIEW_S for stake in stakes)
        self._close(HURRY_S if hurry and are_over else STEP_S[1])
        stakes = self.town.books.of(self.town.honest)
        return all(stake.ended_by for stake in stakes) and all(car.is_idle for car in self.town.cars)

    def calm(self) -> None:
        """No new trips, no new attacks; what was begun is played to its end."""
        for car in (*self.town.cars, *self.town.lying_cars):
            car.drives = False
        for running in self._running:
            running.acts.close()
        self._running.clear()
        for daemon in self.town.daemons:
            daemon.weather.horizon.clear()
            daemon.weather.store_is_away = daemon.weather.disk_is_full = False
            daemon.weather.fuse = 0
        for house in self.town.houses:
            house.holds_back = False
        for bench in self.town.benches:
            bench.mend()
        broker = self.town.ground.broker
        broker.drops = broker.repeats = broker.holds = 0.0
        broker.start()

    def report(self, seed: int) -> Report:
        rewards = self.town.rewards
        liars = sum(self.town.books.wealth(car.account, rewards) for car in self.town.lying_cars) - self._liars_had
        return book(self.town, seed, {kind.name: self._told_of(kind) for kind in self._kinds}, liars)

    # --- beneath

    def _told_of(self, kind: Kind) -> dict[str, Any]:
        score = self.scores[kind.name]
        profit = sum(cast.profit() for cast in score.casts)
        return {
            "party": kind.party,
            "fired": score.fired,
            "foiled": score.foiled,
            "profit_xlm": profit / UNIT,
            "open": kind.open,
        }

    def _begin(self) -> None:
        if not self._deck:
            self._deck = list(self._kinds)
            self._dice.shuffle(self._deck)
        kind = self._deck.pop()
        cast = Cast(self.town)
        self.scores[kind.name].fired += 1
        self.scores[kind.name].casts.append(cast)
        self._running.append(Running(kind, cast, kind.act(self.town, cast)))
        self._say(f"ledger {self.ledgers}: {kind.name} ({kind.party}): {kind.does}")

    def _move(self) -> None:
        for running in list(self._running):
            try:
                next(running.acts)
            except StopIteration:
                self._running.remove(running)
            except MilepostError as error:
                self.scores[running.kind.name].foiled += 1
                self._running.remove(running)
                self._say(f"ledger {self.ledgers}: {running.kind.name} came to nothing: {str(error)[:160]}")
            except Exception:
                self._running.remove(running)
                self.mistakes.append(f"{running.kind.name}: {traceback.format_exc()}")

    def _visit(self, chance: float) -> None:
        order: list[Daemon] = list(self.town.daemons)
        self._dice.shuffle(order)
        for daemon in order:
            if self._dice.random() < chance:
                daemon.visit(3 if isinstance(daemon, Car) else 1)

    def _close(self, seconds: int) -> None:
        self.ledgers += 1
        self.town.ground.broker.let_go()
        self.town.ground.close(seconds)
        for cause, _ in list(self.town.tally.causes.items())[self._told :]:
            self._say(f"ledger {self.ledgers}: {cause}")
        self._told = len(self.town.tally.causes)


@contextmanager
def drawn(dice: random.Random) -> Iterator[None]:
    """Keys are drawn from the seed like everything else, so that one seed is one run."""
    chances: list[tuple[Any, str, Any]] = [
        (secrets, "token_bytes", lambda nbytes=None: dice.randbytes(nbytes or 32)),
        (nacl.public, "random", lambda size=32: dice.randbytes(size)),
        (nacl.secret, "random", lambda size=32: dice.randbytes(size)),
        (Keypair, "random", lambda: Keypair.from_raw_ed25519_seed(dice.randbytes(32))),
    ]
    true = [getattr(owner, name) for owner, name, _ in chances]
    for owner, name, chance in chances:
        setattr(owner, name, chance)
    try:
        with warnings.catch_warnings():
            # stellar_sdk warns of what its own reader does with flags
            warnings.simplefilter("ignore", DeprecationWarning)
            yield
    finally:
        for (owner, name, _), chance in zip(chances, true, strict=True):
            setattr(owner, name, chance)


def play(
    seed: int,
    *,
    seconds: float = 0,
    ledgers: int = 0,
    say: Say = lambda _: None,
    kinds: Sequence[Kind] = KINDS,
    folder: Path | None = None,
) -> tuple[Report, Play]:
    """A run of trouble for two thirds of `seconds`, or for `ledgers`, and then quiet until all entries have ended, one
    review window at most. Ctrl-C ends the trouble, and once more the quiet."""
    if folder is None:
        with tempfile.TemporaryDirectory(prefix="milepost-chaos-") as scratch:
            return play(seed, seconds=seconds, ledgers=ledgers, say=say, kinds=kinds, folder=Path(scratch))
    began = time.monotonic()
    dice = random.Random(seed)
    with Localnet(replica=REPLICA, options=("--clock", str(BEGINNING))) as net, drawn(dice):
        town = Town(Ground(net, folder, dice))
        playing = Play(town, say, kinds)
        say(f"the town is founded: {len(town.daemons)} daemons, {len(kinds)} kinds of trouble")
        try:
            while (ledgers and playing.ledgers < ledgers) or (seconds and time.monotonic() - began < seconds * 2 / 3):
                playing.on()
        except KeyboardInterrupt:
            say("stopped: what is under way is brought to its end")
        playing.calm()
        try:
            quiet = town.ground.now
            while town.ground.now < quiet + REVIEW_S + 300:
                late = seconds and time.monotonic() - began > seconds
                if playing.off(hurry=bool(late) or town.ground.now > quiet + REVIEW_S // 2):
                    break
        except KeyboardInterrupt:
            say("stopped again: this is what there is")
        report = playing.report(seed)
        town.close()
        return report, playing
