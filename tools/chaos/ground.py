"""What everybody stands on: localnet, its clock, content, broker, and transactions that are not a daemon's."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path

from stellar_sdk import (
    ChangeTrust,
    FeeBumpTransactionEnvelope,
    Keypair,
    Payment,
    TransactionBuilder,
    TransactionEnvelope,
)
from stellar_sdk.operation import Operation

from agent.content.folder import FolderStore
from agent.core.ids import AccountId
from agent.core.money import UNIT, Asset, Stroops, text
from agent.errors import MilepostError, Refused
from agent.ledger.envelope import Signed, build, result_code, sdk_asset, signed
from agent.ledger.keys import account_of
from agent.market import publish
from tools.chaos.bent_line import BentHorizon, Exchange
from tools.chaos.doors import ShakyBroker, TownClock, Weather
from tools.localnet.server import Localnet

DLC_PRICE = Fraction(1, 2)
"""XLM for one DLC, as the operator sells it."""
DLC_EACH: Stroops = 1_000 * UNIT
AFTER_S = 2
"""Ledger seconds until a transaction that is handed in is in a ledger."""


class Foiled(MilepostError):
    """The ledger took no part in it: {why}"""


class Ground:
    def __init__(self, net: Localnet, folder: Path, dice: random.Random) -> None:
        self.net, self.folder, self.dice = net, folder, dice
        self.exchange = Exchange()
        self.exchange.replica = net.replica_url
        self.store = FolderStore(folder / "content")
        self.broker = ShakyBroker(dice)
        self.operator = self.key()
        self.dlc = Asset("DLC", account_of(self.operator))
        self.line = self.calm()
        """Nobody's: nothing ever goes wrong on it."""
        self.clock = TownClock(self.line.head().closed_at)
        self.closed: list[Callable[[], None]] = []
        """Called after each ledger."""

    def key(self) -> Keypair:
        return Keypair.from_raw_ed25519_seed(self.dice.randbytes(32))

    def calm(self) -> BentHorizon:
        return BentHorizon(self.net.url, self.net.passphrase, self.exchange, Weather(self.dice))

    @property
    def now(self) -> int:
        return int(self.clock.now())

    def close(self, seconds: int) -> None:
        """A ledger, and the time until it."""
        answer = self.net.close_ledger(close_time=self.now + seconds)
        self._turned(int(answer["ledger"]), int(answer["close_time"]))
        for each in self.closed:
            each()

    def caught_up(self) -> None:
        """Others have closed ledgers."""
        self.exchange.answers.clear()
        head = self.line.head()
        self._turned(head.sequence, head.closed_at)

    def _turned(self, ledger: int, closed_at: int) -> None:
        self.exchange.answers.clear()
        self.exchange.head = ledger
        self.clock.turn_to(closed_at)

    # --- accounts

    def found(self) -> None:
        """The operator's account and its market."""
        self.fund(self.operator)
        self.apply(publish.operator_account(self.dlc, 1_000_000 * UNIT, DLC_PRICE), self.operator)

    def fund(self, *keys: Keypair) -> None:
        """On the ledger, with 10,000 XLM each."""
        self.net.fund(*(account_of(key) for key in keys))
        self.caught_up()

    def enrol(self, *keys: Keypair) -> None:
        """Funded, and with DLC."""
        self.fund(*keys)
        dlc = sdk_asset(self.dlc)
        self.apply([ChangeTrust(dlc, source=account_of(key)) for key in keys], *keys)
        self.allow(*(account_of(key) for key in keys))
        self.apply([Payment(account_of(key), dlc, text(DLC_EACH)) for key in keys], self.operator)

    def allow(self, *accounts: AccountId) -> None:
        self.apply(publish.authorise(self.dlc, accounts), self.operator)

    # --- transactions

    def signed(self, operations: Sequence[Operation], *keys: Keypair, memo: bytes | None = None) -> Signed:
        """Under the first key's account."""
        account = self.line.account(account_of(keys[0]))
        if account is None:
            raise Foiled(why=f"{account_of(keys[0])} is not on the ledger")
        envelope = build(
            account.id,
            account.sequence,
            operations,
            passphrase=self.net.passphrase,
            fee=1000,
            max_time=self.now + 120,
            memo=memo,
        )
        return signed(envelope, *keys)

    def apply(self, operations: Sequence[Operation], *keys: Keypair, memo: bytes | None = None) -> Signed:
        """In a ledger, and successful, when it returns. Raises Foiled."""
        made = self.signed(operations, *keys, memo=memo)
        self.hand_in(made.envelope, made.hash)
        return made

    def bump(self, made: Signed, key: Keypair) -> None:
        """The same transaction in a fee bump that the key pays for. Raises Foiled."""
        inner = TransactionEnvelope.from_xdr(made.envelope, self.net.passphrase)
        bumped: FeeBumpTransactionEnvelope = TransactionBuilder.build_fee_bump_transaction(
            key, 2000, inner, self.net.passphrase
        )
        bumped.sign(key)
        self.line._sdk().submit_transaction_async(bumped, skip_memo_required_check=True)
        self.close(AFTER_S)
        if self.line.find(made.hash) is None:
            raise Foiled(why="the fee bump is in no ledger")

    def hand_in(self, envelope: str, its_hash: str) -> None:
        try:
            self.line.hand_in(envelope)
        except Refused as error:
            raise Foiled(why=str(error)) from None
        self.close(AFTER_S)
        found = self.line.find(its_hash)
        if found is None or not found.successful:
            raise Foiled(why="it is in no ledger" if found is None else result_code(found.result))
