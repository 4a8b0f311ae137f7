"""An initiator that the same vehicles and validators follow as the town's own, and that means no good."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from stellar_sdk import AuthorizationFlag, Keypair, SetOptions, Signer
from stellar_sdk.operation import Operation

from agent.core import pay
from agent.core.cid import Cid
from agent.core.money import UNIT, Asset
from agent.core.round import Pledge, Round
from agent.market import bundle, pledge, publish
from agent.market.publish import Parties
from tests.market.town import REWARD, Town


@dataclass
class Rogue:
    town: Town
    key: Keypair = field(default_factory=Keypair.random)
    code: str = "road"
    issuer: Keypair = field(default_factory=Keypair.random)

    def __post_init__(self) -> None:
        if self.town.horizon.account(self.account) is None:
            self.town.net.fund(self.account)

    @property
    def account(self) -> str:
        return self.key.public_key

    def dlm(self, kind: str = "DLM") -> Asset:
        return Asset(kind + self.code, self.issuer.public_key)

    def sets_up(self, extra: Signer | None = None, low: int | None = None, locked: bool = True) -> str:
        """An issuer, locked unless it is said otherwise, and a settlement account with the town's committee, but for
        another signer or a low threshold of its own."""
        town, own = self.town, Keypair.random()
        members = [key.public_key for key in town.committee]
        self.issuer = Keypair.random()
        parties = Parties(self.code, self.account, self.issuer.public_key, own.public_key)
        made: list[Operation] = publish.set_up(parties, town.dlc, members, REWARD, 50 * UNIT)
        if not locked:
            made = [o for o in made if not (isinstance(o, SetOptions) and _source(o) == self.issuer.public_key)]
        if extra is not None:
            made.insert(-1, SetOptions(signer=extra, source=own.public_key))
        if low is not None:
            made[-1] = SetOptions(
                master_weight=0, low_threshold=low, med_threshold=2, high_threshold=2, source=own.public_key
            )
        town.apply(made, self.key, self.issuer, own)
        town.allow(own.public_key)
        return own.public_key

    def sets(self, *flags: AuthorizationFlag) -> None:
        """On its own account."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # stellar_sdk warns of what its own reader makes of it
            for flag in flags:
                self.town.apply([SetOptions(set_flags=flag)], self.key)

    def publishes(self, locks: bool = True, **twists: Any) -> str:
        """A round like the town's, of its own model, its pay locked if `locks`; its CID."""
        town = self.town
        if town.horizon.account(self.issuer.public_key) is None:
            self.sets_up()
        folder = town.shelf.get(town.cid, bundle.ROUND_LIMITS)
        ledger = town.horizon.head().sequence + 1
        document = Round(
            **{
                **town.round.model_dump(),
                "model": str(self.dlm()),
                "initiator": self.account,
                "figure": None,
                "ledger": ledger,
                **twists,
            }
        )
        if "pledge" not in twists:
            until = pay.until(document) + document.number
            locked = Pledge(amount=200 * UNIT, reward=REWARD, until=until)
            document = document.model_copy(update={"pledge": locked})
        files: dict[str, bytes | Path] = {name: folder / name for name in (bundle.WEIGHTS, bundle.GRAPH)}
        laid = bundle.lay(town.folder / "rogue", {**files, bundle.ROUND: document.to_bytes()})
        cid: Cid = town.store.put(laid)
        pays = [pledge.create(document, document.pledge.amount)] if document.pledge is not None and locks else []
        town.offer(self.key, self.dlm(), cid.digest, also=pays)
        return str(cid)


def _source(operation: Operation) -> str | None:
    return operation.source.account_id if operation.source is not None else None
