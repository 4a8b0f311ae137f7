"""A record's transaction: made by one function, so that a validator signs only what it would have built itself
(PROTOCOL section 6), and read back from what others propose."""

from __future__ import annotations

from collections.abc import Iterable

from stellar_sdk import ManageData, ManageSellOffer, SetOptions, TransactionEnvelope

from agent.core.agenda import LEAST_FEE
from agent.core.cid import Cid
from agent.core.documents import SettlementRecord
from agent.core.ids import AccountId, TxHash
from agent.core.ledger import Account, Offer, Stake
from agent.core.money import Stroops, stroops
from agent.core.moves import Proposed
from agent.core.round import Round
from agent.errors import Malformed
from agent.ledger.envelope import Opened, build, opened
from agent.market import handing_over, settlement
from agent.market.publish import ISSUED


def envelope(
    made: SettlementRecord,
    cid: Cid,
    round_: Round,
    account: Account,
    offers: list[Offer],
    passphrase: str,
    max_time: int,
    fee: Stroops = LEAST_FEE,
    topped_up: Stroops | None = None,
    pays: Stake | None = None,
) -> str:
    """The unsigned transaction (base64 XDR). `fee` per operation, and `topped_up`, the standing offer's amount, as
    proposed by another. `pays`: the balance of the round's pledge that pays what is accepted."""
    standing = settlement.standing_offer(round_, account, offers, ISSUED)
    operations = settlement.operations(made, cid.digest, round_, standing, pays)
    offered = _offered(operations)
    if topped_up is not None and offered is not None and offered <= topped_up <= ISSUED:
        # Vehicles redeem all the time, so two validators may see different amounts unredeemed. More than is needed
        # does no harm: nobody has VLM but those who were paid it. Less would leave somebody unpaid.
        standing = settlement.StandingOffer(standing.offer_id, standing.unredeemed + topped_up - offered)
        operations = settlement.operations(made, cid.digest, round_, standing, pays)
    return build(
        account.id,
        account.sequence,
        [*(handing_over.operations(account, made.committee) if made.committee is not None else ()), *operations],
        passphrase=passphrase,
        fee=fee,
        max_time=max_time,
        memo=cid.digest,
    ).to_xdr()


def proposed(text: str, passphrase: str, account: AccountId, members: Iterable[AccountId]) -> Proposed:
    """What a proposed transaction says. Raises Malformed unless a member has signed it."""
    read, fee = opened(text, passphrase), _fee(text, passphrase)
    if read.memo is None or not read.operations or read.source != account:
        raise Malformed(what="a proposal", why="it is no settlement")
    signers = frozenset(member for member in members if _has_signed(member, read))
    if not signers:
        raise Malformed(what="a proposal", why="nobody on the committee put it forward")
    return Proposed(
        hash=TxHash(read.hash.hex()),
        cid=Cid.v0(read.memo).text,
        stakes=tuple(settlement.claims(read, account)),
        signers=signers,
        max_time=read.max_time,
        fee=fee // len(read.operations),
        enrols=all(isinstance(operation, ManageData) for operation in read.operations),
        hands_over=any(isinstance(operation, SetOptions) for operation in read.operations),
        envelope=text,
    )


def topped_up(proposal: Opened) -> Stroops | None:
    """The standing offer's amount in a proposed transaction: it comes before what is paid of the pledge."""
    return _offered(proposal.operations)


def _offered(operations: Iterable[object]) -> Stroops | None:
    return next((stroops(o.amount) for o in operations if isinstance(o, ManageSellOffer)), None)


def _fee(text: str, passphrase: str) -> Stroops:
    try:
        return TransactionEnvelope.from_xdr(text, passphrase).transaction.fee
    except Exception as error:  # stellar_sdk raises whatever its reader meets, and does not read a fee bump here
        raise Malformed(what="a proposal", why=f"{type(error).__name__}: {str(error)[:120]}") from None


def _has_signed(member: AccountId, read: Opened) -> bool:
    """False too where the member's address is none: nobody holds its key."""
    try:
        return read.is_signed_by(member)
    except ValueError:
        return False
