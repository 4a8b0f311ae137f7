"""A model's three books, on which a credit becomes pay (the paper's Figure 3): the committee gives DLM for VLM, the
initiator and its pledge give XLM for DLM, and the cars promise DLC for VLM with every entry.

Offers are the ledger's, and so are their sellers. Who of them is who is the initiator's word (its data entry names the
round, and the round its settlement account); a stranger may offer on each of the books.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction

from agent.core.ids import AccountId
from agent.core.ledger import Offer
from agent.core.money import XLM, Asset, Stroops
from agent.core.round import Round
from agent.ledger.horizon import Horizon
from agent.market import pledge
from agent.market.entry import credit_asset

MOST = 1_000
"""Offers that are looked at for each asset that is bought: strangers may put up as many as they like."""


@dataclass(frozen=True, slots=True)
class Named:
    """Whose offers are called by name."""

    initiator: AccountId | None = None
    settlement: AccountId | None = None

    def name(self, seller: AccountId) -> str:
        """`initiator`, `settlement` or, for anybody else, ''."""
        names = {self.initiator: "initiator", self.settlement: "settlement"}
        return names.get(seller, "")


@dataclass(frozen=True, slots=True)
class OrderBook:
    """The offers that give one asset for another, best first for whoever has the other: as the ledger takes them."""

    gives: str
    """An asset's code; of DLC there may be several, by issuer."""
    takes: str
    offers: tuple[Offer, ...]

    @staticmethod
    def each(offer: Offer) -> Fraction:
        """How much the offer gives for 1.0."""
        return 1 / offer.price


@dataclass(frozen=True, slots=True)
class Books:
    credit: OrderBook
    """DLM for VLM."""
    pay: OrderBook
    """XLM for DLM."""
    bids: OrderBook
    """DLC for VLM."""
    locked: Stroops | None
    """XLM that are locked for entries of the newest round and not on a book yet; None: the round is not known, or it
    locks nothing."""
    is_whole: bool
    """False: there were more than MOST offers for one asset, and some may be missing."""


def books(horizon: Horizon, model: Asset, round_: Round | None, dlc: Asset | None = None) -> Books:
    """The model's books as the ledger has them now. `round_`: its newest. `dlc`: whose bids are its cars', where no
    round says it; None: anybody's. Raises Unavailable."""
    if round_ is not None:
        dlc = round_.stake_asset
    vlm = credit_asset(model)
    for_vlm, for_dlm = horizon.wanting(vlm, MOST), horizon.wanting(model, MOST)
    stakes = (o for o in for_vlm if o.selling == dlc or (dlc is None and o.selling.code == "DLC"))
    return Books(
        OrderBook(model.code, vlm.code, _ranked(o for o in for_vlm if o.selling == model)),
        OrderBook("XLM", model.code, _ranked(o for o in for_dlm if o.selling == XLM)),
        OrderBook("DLC", vlm.code, _ranked(stakes)),
        _locked(horizon, round_),
        max(len(for_vlm), len(for_dlm)) < MOST,
    )


def _locked(horizon: Horizon, round_: Round | None) -> Stroops | None:
    if round_ is None or round_.pledge is None:
        return None
    return pledge.left(horizon, round_)


def _ranked(offers: Iterable[Offer]) -> tuple[Offer, ...]:
    return tuple(sorted(offers, key=lambda offer: (offer.price, offer.id)))
