"""Finding the training offers of followed initiators and what they are for (PROTOCOL section 4).

An offer on the book says who sells how much XLM at which price. What it is *for* is in a data entry of the initiator's
account, which nobody but its signers can set: the digest of the round's bundle, the offer, and the ledger after which
the round is open. Both are state, so no history has to be read, and no payments to the initiator can bury them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from stellar_sdk import ManageData, ManageSellOffer

from agent.core.cid import Cid
from agent.core.ids import AccountId, CidText
from agent.core.ledger import Account, Offer, Transaction
from agent.core.money import XLM
from agent.core.round import Round
from agent.errors import Malformed, Refused
from agent.ledger.envelope import opened, own_asset
from agent.ledger.horizon import Horizon, LedgerUnavailable
from agent.market.bundle import Shelf
from agent.market.publish import DATA_PREFIX, WITHIN, Sign, data_name

ALL = 1_000_000
"""Operations of the initiator that are searched for the one that published a round."""


class NotPublished(Refused):
    """Offer {offer} of {initiator} is passed over: {why}"""


@dataclass(frozen=True, slots=True)
class Listing:
    """An offer whose purpose its initiator has put on the ledger: the public sign of a round. What a round pays is
    locked elsewhere (`market.pledge`)."""

    offer: Offer
    cid: CidText
    """CID of the round's bundle."""
    ledger: int
    """The round is open after it; until then its bundle is not to be had."""


def signs(initiator: Account) -> Mapping[str, Sign]:
    """The rounds that an initiator's data entries name, by the code of the model's DLM. What is none of ours is passed
    over."""
    found = {}
    for name, value in initiator.data.items():
        code = name.removeprefix(DATA_PREFIX)
        if name.startswith(DATA_PREFIX) and code.startswith("DLM") and (sign := Sign.read(value)):
            found[code] = sign
    return found


def training_offers(horizon: Horizon, initiator: AccountId) -> list[Offer]:
    """The initiator's offers that sell XLM for a DLM, newest first. Whether that is one of its own its issuer says."""
    return [
        offer for offer in horizon.offers(initiator) if offer.selling == XLM and offer.buying.code.startswith("DLM")
    ]


def listings(horizon: Horizon, initiator: AccountId) -> tuple[list[Listing], list[str]]:
    """What an initiator offers, and sentences about the offers that stand for nothing. Two requests. Raises
    Unavailable."""
    offers = training_offers(horizon, initiator)
    account = horizon.account(initiator) if offers else None
    found, passed_over = [], []
    for offer in offers:
        try:
            found.append(listing(account, offer, offers))
        except NotPublished as error:
            passed_over.append(str(error))
    return found, passed_over


def listing(initiator: Account | None, offer: Offer, offers: Sequence[Offer]) -> Listing:
    """One of an initiator's offers with the round it stands for. Raises NotPublished."""
    sign = signs(initiator).get(offer.buying.code) if initiator else None
    why = ""
    if sign is None:
        why = f"its account has no data entry {data_name(offer.buying)} that names a round"
    elif sign.offer and sign.offer != offer.id:
        why = f"its data entry names offer {sign.offer}"
    elif not sign.offer and sum(other.buying.code == offer.buying.code for other in offers) > 1:
        why = "its data entry names none of several offers"
    if sign is None or why:
        raise NotPublished(offer=offer.id, initiator=offer.seller, why=why)
    return Listing(offer, sign.cid, sign.ledger)


def is_dated_back(horizon: Horizon, round_: Round, cid: CidText) -> bool:
    """Whether a round was put on the ledger later than it says: what was entered meanwhile would be measured against a
    round that nobody knew of. Reads the initiator's transactions of the ledgers within which that must have happened.
    Raises Unavailable, HistoryTooShort."""
    since = max(1, round_.ledger - WITHIN)
    for transaction in horizon.history(round_.initiator, after=str(since << 32)):
        if transaction.ledger > round_.ledger:
            return True
        try:
            envelope = opened(transaction.envelope, horizon.passphrase)
        except Malformed:  # an operation that only a stranger would put there
            continue
        for made in envelope.operations:
            by = made.source.account_id if made.source else envelope.source
            if isinstance(made, ManageData) and (by, made.data_name) == (
                round_.initiator,
                data_name(round_.model_asset),
            ):
                sign = Sign.read(made.data_value or b"")
                if sign is not None and (sign.cid, sign.ledger) == (cid, round_.ledger):
                    return False
    if (latest := horizon.reach().latest) < round_.ledger:
        raise LedgerUnavailable(url=horizon.shown, why=f"knows history up to ledger {latest}, not {round_.ledger}")
    return True


def following(horizon: Horizon, shelf: Shelf, round_: Round, cid: CidText) -> list[Round] | None:
    """The rounds after this one, newest first, where the initiator's account stands by it to this day: it names that
    one, or one that follows from it. None where it does not. Raises Unavailable, Refused."""
    account, found = horizon.account(round_.initiator), list[Round]()
    sign = signs(account).get(round_.model_asset.code) if account else None
    step = sign.cid if sign else None
    while step is not None and step != cid:
        found.append(later := shelf.round(step))
        step = later.previous if later.model == round_.model and later.number > round_.number else None
    return found if step == cid else None


def publication(horizon: Horizon, round_: Round, cid: CidText) -> Transaction | None:
    """The transaction in which the round's initiator offered XLM for it, within the ledgers that the round names.
    Raises Unavailable."""
    offered, digest = (XLM, round_.model_asset), Cid.parse(cid).digest
    for transaction in horizon.offering(round_.initiator, ALL, max(1, round_.ledger - WITHIN)):
        if transaction.ledger > round_.ledger > 0:
            return None
        envelope = opened(transaction.envelope, horizon.passphrase)
        if envelope.memo != digest or not envelope.is_signed_by(round_.initiator):
            continue
        if any(
            isinstance(made, ManageSellOffer) and (own_asset(made.selling), own_asset(made.buying)) == offered
            for made in envelope.operations
        ):
            return transaction
    return None
