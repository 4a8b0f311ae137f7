"""The transaction that settles a record, built by the speaker, rebuilt by each validator, and read back by vehicles.

PROTOCOL section 6. Per entry: the stake is claimed; accepted and idle entries get it back less the fee; accepted ones
are paid their credit in VLM. Once: the standing offer of DLM for VLM at 1:1 is topped up to all unredeemed credit, a
balance of the round's pledge is claimed, what was earned of it is put on offer for DLM and the rest is locked again,
and the account's data entry names the record: the chain's end is ledger state, which outlives all history.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction

from stellar_sdk import ClaimClaimableBalance, ManageData, ManageSellOffer, Payment
from stellar_sdk.operation import Operation

from agent.core import pay
from agent.core.documents import Outcome, SettlementRecord
from agent.core.ids import AccountId, StakeId
from agent.core.ledger import BALANCE_V0, Account, Offer, Stake, Transaction
from agent.core.money import UNIT, XLM, Stroops, text
from agent.core.round import Round
from agent.ledger.envelope import Opened, opened, own_amount, own_asset, sdk_asset, sdk_price
from agent.ledger.horizon import Horizon
from agent.ledger.receipt import refused_claims, refused_payments
from agent.market import pledge
from agent.market.records import ENTRY

PAYEES_DOING = ("PAYMENT_NO_DESTINATION", "PAYMENT_NO_TRUST", "PAYMENT_LINE_FULL")
"""Codes of a payment that fails by what the account that is to be paid has done itself."""
PAYEES = (*PAYEES_DOING, "PAYMENT_NOT_AUTHORIZED")
"""... or by what an issuer has done to it; never by the account that pays."""
SURPLUS: Stroops = UNIT
"""The standing offer covers so much more than is unredeemed: were it taken whole while a settlement is being signed, it
would be gone from the book, and the settlement that tops it up would fail."""


@dataclass(frozen=True, slots=True)
class StandingOffer:
    """The settlement account's standing offer, and what it has to cover."""

    offer_id: int
    """0: there is none yet."""
    unredeemed: Stroops
    """VLM that is out: issued to the settlement account once, less what it holds now."""


def standing_offer(round_: Round, settlement: Account, offers: list[Offer], issued: Stroops) -> StandingOffer:
    mine = [o for o in offers if o.selling == round_.model_asset and o.buying == round_.credit_asset]
    line = settlement.lines.get(round_.credit_asset)
    return StandingOffer(mine[0].id if mine else 0, max(0, issued - (line.balance if line else 0)))


def operations(
    record: SettlementRecord, digest: bytes, round_: Round, now: StandingOffer, pays: Stake | None = None
) -> list[Operation]:
    """The record's operations, in its order, and last the data entry with its digest. A record of shares, or of wages,
    is one payment each. `pays`: the balance of the round's pledge that what is accepted is paid from."""
    dlc, vlm, dlm = (sdk_asset(a) for a in (round_.stake_asset, round_.credit_asset, round_.model_asset))
    made: list[Operation] = [Payment(share.vehicle, dlc, text(share.amount)) for share in record.shares]
    made += [Payment(wage.validator, dlc, text(wage.amount)) for wage in record.paid or ()]
    credit = 0
    for entry in record.entries:
        made.append(ClaimClaimableBalance(BALANCE_V0 + entry.entry))
        if entry.outcome != "rejected" and entry.stake > entry.fee:
            made.append(Payment(entry.vehicle, dlc, text(entry.stake - entry.fee)))
        if entry.outcome == "accepted":
            made.append(Payment(entry.vehicle, vlm, text(entry.credit)))
            credit += entry.credit
    if credit:
        amount = text(now.unredeemed + credit + SURPLUS)
        made.append(ManageSellOffer(dlm, vlm, amount, sdk_price(Fraction(1)), offer_id=now.offer_id))
        made += _paid(earned(record, round_), round_, pays)
    made.append(ManageData(ENTRY, digest))
    return made


def earned(record: SettlementRecord, round_: Round) -> Stroops:
    """XLM that the record's accepted entries are due of the round's pledge; 0 where it has none."""
    reward = round_.pledge.reward if round_.pledge is not None else 0
    return sum(pay.due(entry.credit, reward) for entry in record.entries if entry.outcome == "accepted")


def _paid(amount: Stroops, round_: Round, pays: Stake | None) -> list[Operation]:
    """The balance claimed, the rest of it locked again, and a new offer of exactly so much: its amount follows from the
    record alone, so redemptions while it is being signed change nothing. Taken whole, an offer is gone by itself."""
    if round_.pledge is None or pays is None:
        return []
    price = sdk_price(Fraction(UNIT, round_.pledge.reward))
    return [
        ClaimClaimableBalance(BALANCE_V0 + pays.id),
        *([pledge.create(round_, pays.amount - amount)] if pays.amount > amount else []),
        ManageSellOffer(sdk_asset(XLM), sdk_asset(round_.model_asset), text(amount), price),
    ]


@dataclass(frozen=True, slots=True)
class StakeOutcome:
    """What a settlement did about one stake."""

    outcome: Outcome
    credit: Stroops
    returned: Stroops


def read(envelope: Opened, settlement: AccountId) -> Mapping[StakeId, StakeOutcome]:
    """Stake id → what became of it. The payments that follow a claim, up to the next claim, belong to it."""
    done: dict[StakeId, StakeOutcome] = {}
    for _, operation, stake in _by_stake(envelope, settlement):
        if not stake:
            continue
        if isinstance(operation, ClaimClaimableBalance):
            done[stake] = StakeOutcome("rejected", 0, 0)
        elif own_asset(operation.asset).code.startswith("VLM"):
            done[stake] = StakeOutcome("accepted", own_amount(operation.amount), done[stake].returned)
        else:
            outcome: Outcome = "accepted" if done[stake].outcome == "accepted" else "idle"
            done[stake] = StakeOutcome(outcome, done[stake].credit, own_amount(operation.amount))
    return done


def claims(envelope: Opened, settlement: AccountId) -> list[StakeId]:
    """The stakes that a transaction claims, in its order."""
    return [s for _, operation, s in _by_stake(envelope, settlement) if isinstance(operation, ClaimClaimableBalance)]


def failures(envelope: Opened, settlement: AccountId, result: str) -> Mapping[str, str]:
    """Stake id → code, for the entries that made a settlement fail: a claim or a payment that the ledger refused; of a
    share, the vehicle's account → code. Everybody can read it off the ledger, which holds failed transactions too.
    Raises Malformed."""
    payments, claimed, found = refused_payments(result), refused_claims(result), dict[str, str]()
    for index, operation, stake in _by_stake(envelope, settlement):
        if isinstance(operation, ClaimClaimableBalance) and index in claimed:
            found[stake] = claimed[index]
        elif isinstance(operation, Payment) and payments.get(index) in PAYEES:
            found[stake or operation.destination.account_id] = payments[index]
    return found


def _by_stake(
    envelope: Opened, settlement: AccountId
) -> Iterator[tuple[int, ClaimClaimableBalance | Payment, StakeId]]:
    """(index, operation, stake) of each claim and each payment. '': a payment that follows no claim."""
    stake = StakeId("")
    for index, operation in enumerate(envelope.operations):
        if (operation.source.account_id if operation.source else envelope.source) != settlement:
            continue
        if isinstance(operation, ManageSellOffer):
            return  # what follows is the pledge
        if isinstance(operation, ClaimClaimableBalance):
            stake = StakeId(operation.balance_id.removeprefix(BALANCE_V0))
        elif not isinstance(operation, Payment):
            stake = StakeId("")
            continue
        yield index, operation, stake


@dataclass(frozen=True, slots=True)
class SettlingTransaction:
    """The transaction that settled a stake."""

    transaction: Transaction
    memo: bytes | None
    settled: StakeOutcome


def settling(horizon: Horizon, stake: StakeId, settlement: AccountId) -> SettlingTransaction | None:
    """How a stake was settled, or None while it is not, or when its vehicle took it back. A stake is claimed once."""
    for transaction in horizon.touching(stake):
        if transaction.source == settlement:
            envelope = opened(transaction.envelope, horizon.passphrase)
            found = read(envelope, settlement).get(stake)
            if found is not None:
                return SettlingTransaction(transaction, envelope.memo, found)
    return None
