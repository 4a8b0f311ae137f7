"""Finding the training offers of followed initiators and believing only what they signed (PROTOCOL section 4).

An offer on the book says who sells how much XLM at which price. What it is *for* is in the memo of the transaction
that set it: the digest of the round's bundle, under the initiator's signature.
"""

from __future__ import annotations

from dataclasses import dataclass

from stellar_sdk import ManageSellOffer

from agent.core.cid import Cid
from agent.core.documents import Round
from agent.core.ledger import Offer, Transaction
from agent.core.money import XLM, Stroops, share
from agent.errors import Malformed, MilepostError, Refused
from agent.ledger.envelope import Opened, opened, own_asset
from agent.ledger.horizon import Horizon
from agent.ledger.receipt import offer_ids
from agent.market.publish import data_name

LOOK_AHEAD = 1000
"""Operations of the initiator that are searched for the one that set an offer, from the ledger on that it names."""
ALL = 1_000_000
"""Operations of the initiator that are searched for the one that published a round."""


class NotPublished(Refused):
    """Offer {offer} of {initiator} is passed over: {why}"""


@dataclass(frozen=True, slots=True)
class Listing:
    """An offer whose purpose its initiator signed."""

    offer: Offer
    cid: str
    """Of the round's bundle."""
    ledger: int
    """That which published it, and when it closed."""
    closed_at: int

    @property
    def reward(self) -> Stroops:
        """XLM for 1.0 VLM: VLM turns into DLM one to one, and DLM into XLM at the offer's price."""
        from agent.core.money import UNIT

        return share(UNIT, 1 / self.offer.price)


def training_offers(horizon: Horizon, initiator: str) -> list[Offer]:
    """The initiator's offers that sell XLM for one of its own DLM, newest first."""
    return [
        offer
        for offer in horizon.offers(initiator)
        if offer.selling == XLM and offer.buying.issuer == initiator and offer.buying.code.startswith("DLM")
    ]


def listing(horizon: Horizon, offer: Offer) -> Listing:
    """The offer with the round it stands for. Raises NotPublished, Unavailable."""
    try:
        found = _setting(horizon, offer)
    except MilepostError as error:
        if isinstance(error, Refused):
            raise NotPublished(offer=offer.id, initiator=offer.seller, why=str(error)) from None
        raise
    if found is None:
        raise NotPublished(offer=offer.id, initiator=offer.seller, why="the transaction that set it was not found")
    transaction, envelope = found
    if not envelope.is_signed_by(offer.seller):
        raise NotPublished(offer=offer.id, initiator=offer.seller, why="its transaction is not signed by the initiator")
    if envelope.memo is None:
        raise NotPublished(offer=offer.id, initiator=offer.seller, why="its transaction's memo is not a hash")
    return Listing(offer, str(Cid.v0(envelope.memo)), transaction.ledger, transaction.closed_at)


def publication(horizon: Horizon, round_: Round, cid: str, since: int = 0) -> Transaction | None:
    """The transaction in which the round's initiator offered XLM for it, searched back to ledger `since`. Raises
    Unavailable."""
    offered, digest = (XLM, round_.model_asset), Cid.parse(cid).digest
    for transaction in horizon.offering(round_.initiator, ALL):
        if transaction.ledger < since:
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


def _setting(horizon: Horizon, offer: Offer) -> tuple[Transaction, Opened] | None:
    """The first transaction that set the offer, from the ledger on that its seller's data entry names. So no payments
    to the seller can bury it, and no partial fill hides it."""
    account, name = horizon.account(offer.seller), data_name(offer.buying)
    said = b"" if account is None else account.data.get(name, b"")
    if not (said.isdigit() and len(said) <= 10):
        raise Malformed(what="the account", why=f"it has no data entry {name} that names a ledger")
    for transaction in horizon.offering(offer.seller, LOOK_AHEAD, int(said)):
        envelope = opened(transaction.envelope, horizon.passphrase)
        made = offer_ids(transaction.result)
        for index, operation in enumerate(envelope.operations):
            if isinstance(operation, ManageSellOffer) and offer.id in (operation.offer_id, made.get(index)):
                return transaction, envelope
    return None
