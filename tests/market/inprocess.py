"""Localnet's own engine in this process, without a server: a transaction in a ledger in a few milliseconds."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

from stellar_sdk import CreateAccount, Keypair, TransactionEnvelope
from stellar_sdk.operation import Operation

from agent.core.ids import AccountId, StakeId
from agent.core.ledger import Account, Line, Offer, Stake
from agent.core.money import XLM, Asset, Stroops
from agent.ledger.envelope import build
from tools.localnet.engine import NATIVE, Change, Envelope, LedgerState, close, genesis, network_id, root_keypair
from tools.localnet.engine import Asset as EngineAsset
from tools.localnet.engine import ClaimableBalance as EngineBalance
from tools.localnet.engine import Offer as EngineOffer
from tools.localnet.engine import TrustLine as EngineLine

PASSPHRASE = "In process ; 2026"


class Ledger:
    """What a Horizon would say, from the state itself."""

    def __init__(self, now: int) -> None:
        self.state = LedgerState()
        first = genesis(PASSPHRASE, close_time=now)
        self.state.commit(tuple(Change(entry.key, None, entry) for entry in first))

    @property
    def now(self) -> int:
        return self.state.header.close_time

    def fund(self, *keys: Keypair) -> None:
        self.apply([CreateAccount(key.public_key, "10000000") for key in keys], root_keypair(PASSPHRASE))

    # --- transactions

    def drawn_up(self, operations: Sequence[Operation], source: str) -> TransactionEnvelope:
        account = self.account(source)
        until = self.now + 240
        return build(source, account.sequence, operations, passphrase=PASSPHRASE, fee=100, max_time=until, memo=None)

    def hand_in(self, made: TransactionEnvelope, *keys: Keypair, after: int = 5) -> bool:
        """Whether it applied, in a ledger that closes `after` seconds from now."""
        for key in keys:
            made.sign(key)
        envelope = Envelope.decode(made.to_xdr(), network_id(PASSPHRASE))
        closed = close(self.state, [envelope], self.now + after)
        self.state.commit(closed.changes)
        return bool(closed.transactions) and closed.transactions[0].successful

    def apply(self, operations: Sequence[Operation], *keys: Keypair) -> bool:
        """Under the first key's account."""
        return self.hand_in(self.drawn_up(operations, keys[0].public_key), *keys)

    def pass_until(self, moment: int) -> None:
        self.state.commit(close(self.state, [], max(self.now + 1, moment)).changes)

    # --- what is there

    def account(self, id: str) -> Account:
        account = self.state.account(id)
        assert account is not None
        lines = {XLM: Line(account.balance, account.selling_liabilities)}
        for entry in self.state.owned_by(id):
            if isinstance(entry, EngineLine):
                lines[_own(entry.asset)] = Line(entry.balance, entry.selling_liabilities)
        return Account(AccountId(id), account.sequence, lines, {}, (0, 0, 0), subentries=account.subentries)

    def offers(self, seller: str) -> list[Offer]:
        found = [entry for entry in self.state.owned_by(seller) if isinstance(entry, EngineOffer)]
        return [_offer(entry) for entry in found]

    def stakes(self, claimant: str, asset: Asset) -> list[Stake]:
        found = [entry for entry in self.state if isinstance(entry, EngineBalance) and _own(entry.asset) == asset]
        return [_stake(entry) for entry in found if claimant in {each.destination for each in entry.claimants}]

    def balance(self, id: str, asset: Asset) -> Stroops:
        line = self.account(id).lines.get(asset)
        return line.balance if line is not None else 0


def _own(asset: EngineAsset) -> Asset:
    return XLM if asset == NATIVE else Asset(asset.code, AccountId(asset.issuer))


def _offer(made: EngineOffer) -> Offer:
    selling, buying, price = _own(made.selling), _own(made.buying), Fraction(made.n, made.d)
    return Offer(made.id, AccountId(made.seller), selling, buying, made.amount, price, made.last_modified)


def _stake(made: EngineBalance) -> Stake:
    """A moment is `("not", ("before", moment))`."""
    claimants = {AccountId(each.destination): each.predicate for each in made.claimants}
    return Stake(
        id=StakeId(made.id),
        asset=_own(made.asset),
        amount=made.amount,
        sponsor=AccountId(made.sponsor),
        claimants=tuple(claimants),
        at_once=tuple(each for each, predicate in claimants.items() if predicate == ("unconditional",)),
        last_modified=made.last_modified,
        not_before={each: predicate[1][1] for each, predicate in claimants.items() if predicate[0] == "not"},
    )
