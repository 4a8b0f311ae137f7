"""A town whose committee may change: some validators more than are on its first committee, all at work."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from stellar_sdk import Keypair

from agent.core.documents import SettlementRecord
from agent.market import records
from tests.market.town import Town, closed, found
from tests.validator.committee import House
from tools.localnet.server import Localnet


class Palace:
    """`committee` members to begin with, and `others` validators."""

    def __init__(self, net: Localnet, folder: Path, committee: int = 3, others: int = 2, **plan: Any) -> None:
        self.town: Town = found(net, folder / "town", committee, **plan)
        more = tuple(Keypair.random() for _ in range(others))
        net.fund(*(key.public_key for key in more))
        self.town.committee = (*self.town.committee, *more)
        self.plan = {**plan, "committee": self.accounts(*range(committee))}
        self.house = House(self.town, folder / "house")

    def accounts(self, *numbers: int) -> tuple[str, ...]:
        return tuple(self.town.committee[number].public_key for number in numbers)

    def numbers(self) -> set[int]:
        """Who may sign for the settlement account now."""
        account = self.town.horizon.account(self.town.settlement)
        assert account is not None
        there = {signer for signer, weight in account.signers.items() if weight}
        return {n for n, key in enumerate(self.town.committee) if key.public_key in there}

    def close(self, *committee: int, **plan: Any) -> str:
        """The round is closed, for this committee; the CID of the next. `plan`: other values, from now on."""
        self.plan = {**self.plan, **plan, **({"committee": self.accounts(*committee)} if committee else {})}
        return closed(self.town, **self.plan)

    def enter(self, seed: int) -> str:
        driver = self.town.driver()
        return self.town.enter(driver, self.town.contribution(driver, self.town.better(seed=seed)))

    def serves(self, number: int) -> set[str]:
        """The rounds that this validator serves."""
        return set(self.house.validators[self.accounts(number)[0]].parts.rounds.served)

    def troubles(self, number: int) -> str:
        return " ".join(self.house.validators[self.accounts(number)[0]].parts.rounds.troubles)

    def records(self) -> list[SettlementRecord]:
        """Oldest first."""
        account = self.town.horizon.account(self.town.settlement)
        assert account is not None
        return [record for _, record in records.chain(self.town.shelf, records.newest(account))][::-1]
