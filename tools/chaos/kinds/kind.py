"""A kind of trouble: who makes it, what it does, and whether Milepost is known not to stop it."""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import Literal

from stellar_sdk import Keypair

from agent.core.money import UNIT
from tools.chaos.ground import DLC_PRICE
from tools.chaos.town import Town

Party = Literal["initiator", "vehicle", "validator", "stranger", "operator", "horizon", "own fault"]
Course = Generator[None, None, None]
Act = Callable[[Town, "Cast"], Course]
"""One attack or fault from its beginning to its end; a ledger closes at each yield."""


@dataclass(frozen=True, slots=True)
class Kind:
    name: str
    party: Party
    does: str
    act: Act
    open: str = ""
    """Why it is not stopped, as docs/threats.md has it; '': it is."""


class Cast:
    """The accounts that one attack uses, so that its profit can be told from others'."""

    def __init__(self, town: Town) -> None:
        self._town = town
        self.keys: list[Keypair] = []
        self.began: dict[str, int] = {}
        self.fair: Callable[[], int] = lambda: 0
        """XLM stroops that are due to them for honest work which the attack makes use of."""

    def straw(self) -> Keypair:
        """A new account that may hold DLC and has some."""
        key = self._town.straw()
        self.add(key)
        return key

    def add(self, key: Keypair) -> None:
        self.keys.append(key)
        self.began[key.public_key] = self._town.books.wealth(key.public_key, self._town.rewards)

    def profit(self) -> int:
        now = sum(self._town.books.wealth(key.public_key, self._town.rewards) for key in self.keys)
        return now - sum(self.began.values()) - self.fair()


def ledgers(count: int) -> Course:
    for _ in range(count):
        yield


def best_pay(town: Town, cast: Cast) -> int:
    """What the best of the cast earned: its entries' credit, and its shares of what others forfeited."""
    earned = {key.public_key: 0 for key in cast.keys}
    for stake in town.books.of(set(earned)):
        if stake.credit_asset is not None:
            earned[stake.maker] += stake.credit * town.rewards.get(stake.credit_asset, 0) // UNIT
    for share in town.books.shares:
        if earned.get(share.to):
            earned[share.to] += int(share.amount * DLC_PRICE)
    return max(earned.values(), default=0)
