"""Vehicles that stake, and settlement accounts that take or give back, with nothing else around them."""

from __future__ import annotations

from collections.abc import Sequence

from stellar_sdk import Asset as SdkAsset
from stellar_sdk import ChangeTrust, Claimant, ClaimClaimableBalance, ClaimPredicate, CreateClaimableBalance, Keypair
from stellar_sdk import Payment as Pay
from stellar_sdk.operation import Operation

from agent.core.ledger import BALANCE_V0
from agent.core.money import Asset
from agent.ledger.envelope import Signed, build, signed, stake_id
from agent.ledger.horizon import Horizon
from tools.localnet.server import Localnet


class Road:
    """One operator's DLC, a vehicle that has some, and two settlement accounts of one key each."""

    def __init__(self, net: Localnet) -> None:
        self.net, self.horizon = net, Horizon(net.url, net.passphrase)
        self.operator, self.vehicle, self.one, self.other = (Keypair.random() for _ in range(4))
        net.fund(*(k.public_key for k in (self.operator, self.vehicle, self.one, self.other)))
        self.dlc = Asset("DLC", self.operator.public_key)
        self.sdk_dlc = SdkAsset("DLC", self.operator.public_key)
        for key in (self.vehicle, self.one, self.other):
            self.apply([ChangeTrust(self.sdk_dlc)], key)
        self.apply([Pay(self.vehicle.public_key, self.sdk_dlc, "1000")], self.operator)

    @property
    def now(self) -> int:
        return self.horizon.head().sequence

    def signed(self, operations: Sequence[Operation], key: Keypair) -> Signed:
        account = self.horizon.account(key.public_key)
        assert account is not None
        until = self.horizon.head().closed_at + 100
        made = build(
            account.id,
            account.sequence,
            operations,
            passphrase=self.net.passphrase,
            fee=100,
            max_time=until,
            memo=None,
        )
        return signed(made, key)

    def apply(self, operations: Sequence[Operation], key: Keypair) -> Signed:
        made = self.signed(operations, key)
        self.horizon.hand_in(made.envelope)
        self.net.close_ledger()
        found = self.horizon.find(made.hash)
        assert found is not None
        assert found.successful
        return made

    def stake(self, settled_by: Keypair, *before: Operation) -> str:
        not_yet = ClaimPredicate.predicate_not(ClaimPredicate.predicate_before_absolute_time(1 << 40))
        claimants = [Claimant(settled_by.public_key), Claimant(self.vehicle.public_key, not_yet)]
        made = self.apply([*before, CreateClaimableBalance(self.sdk_dlc, "10", claimants)], self.vehicle)
        return stake_id(made.envelope, self.net.passphrase, len(before))

    def settle(self, settled_by: Keypair, *stakes: str, back: str = "") -> None:
        """Without `back` they are forfeited."""
        operations: list[Operation] = []
        for stake in stakes:
            operations.append(ClaimClaimableBalance(BALANCE_V0 + stake))
            if back:
                operations.append(Pay(self.vehicle.public_key, self.sdk_dlc, back))
        self.apply(operations, settled_by)

    def rain(self, transactions: int) -> None:
        """A stranger's payments of a stroop each, a hundred in a transaction."""
        stranger = Keypair.random()
        self.net.fund(stranger.public_key)
        for _ in range(transactions):
            self.apply([Pay(self.vehicle.public_key, SdkAsset.native(), "0.0000001")] * 100, stranger)
