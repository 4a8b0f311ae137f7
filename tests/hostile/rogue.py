"""An initiator that the same vehicles and validators follow as the town's own, and that means no good."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from stellar_sdk import AuthorizationFlag, Keypair, SetOptions, Signer
from stellar_sdk.operation import Operation

from agent.core.cid import Cid
from agent.core.documents import Round
from agent.core.money import UNIT, Asset
from agent.market import bundle, publish
from tests.market.town import Town


@dataclass
class Rogue:
    town: Town
    key: Keypair = field(default_factory=Keypair.random)
    code: str = "road"

    def __post_init__(self) -> None:
        if self.town.horizon.account(self.account) is None:
            self.town.net.fund(self.account)

    @property
    def account(self) -> str:
        return self.key.public_key

    def dlm(self, kind: str = "DLM") -> Asset:
        return Asset(kind + self.code, self.account)

    def sets_up(self, extra: Signer | None = None, low: int | None = None) -> str:
        """A settlement account with the town's committee, but for another signer or a low threshold of its own."""
        town, own = self.town, Keypair.random()
        members = [key.public_key for key in town.committee]
        made: list[Operation] = [
            *publish.settlement_account(self.account, own.public_key, 50 * UNIT),
            *publish.settlement_setup(self.account, own.public_key, town.dlc, self.dlm(), self.dlm("VLM"), members),
        ]
        if extra is not None:
            made.insert(-1, SetOptions(signer=extra, source=own.public_key))
        if low is not None:
            made[-1] = SetOptions(
                master_weight=0, low_threshold=low, med_threshold=2, high_threshold=2, source=own.public_key
            )
        town.apply(made, self.key, own)
        town.allow(own.public_key)
        return own.public_key

    def sets(self, *flags: AuthorizationFlag) -> None:
        """On its own account."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # stellar_sdk warns of what its own reader makes of it
            for flag in flags:
                self.town.apply([SetOptions(set_flags=flag)], self.key)

    def publishes(self, **twists: Any) -> str:
        """A round like the town's, of its own model; its CID."""
        town = self.town
        folder = town.shelf.get(town.cid, bundle.ROUND_LIMITS)
        ledger = town.horizon.head().sequence + 1
        document = Round(
            **{**town.round.model_dump(), "model": str(self.dlm()), "figure": None, "ledger": ledger, **twists}
        )
        files: dict[str, bytes | Path] = {name: folder / name for name in (bundle.WEIGHTS, bundle.GRAPH)}
        laid = bundle.lay(town.folder / "rogue", {**files, bundle.ROUND: document.to_bytes()})
        cid: Cid = town.store.put(laid)
        town.offer(self.key, self.dlm(), cid.digest)
        return str(cid)
