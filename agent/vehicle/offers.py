"""Every training offer that this vehicle could take, with its numbers: for `choose`, `sign` and `milepost offers`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from fractions import Fraction

from agent.core import experience
from agent.core.choice import Candidate, Means, Ranked, rank
from agent.core.experience import Deed
from agent.core.ids import AccountId, CidText
from agent.core.jobs.contribution import Job, JobState
from agent.core.ledger import BASE_RESERVE, Account, Head, Way
from agent.core.money import UNIT, XLM, Asset, Stroops
from agent.core.round import Round
from agent.errors import Malformed, Refused, Unavailable
from agent.ledger.horizon import HistoryTooShort, Horizon, LedgerUnavailable
from agent.market import attested, entry, listing, pledge, registry, round_accounts, strikes
from agent.market.bundle import Shelf
from agent.market.listing import Listing
from agent.market.lying import Lying, price
from agent.vehicle.settings import Preferences

OPERATIONS = 10
"""Operations of an entry and a closing together, at most: what fees are reckoned with."""
CLOSING_OPERATIONS = 4
"""Of a closing alone."""
NOT_ENTERED = (JobState.CHOSEN, JobState.TRAINING, JobState.ARRIVED, JobState.TRAINED, JobState.STORED, JobState.SIGNED)
"""Jobs whose entry the ledger does not hold yet."""


@dataclass(frozen=True, slots=True)
class Survey:
    """What was found: ranked candidates, best first, and what was passed over before that, with the reason."""

    ranked: tuple[Ranked, ...]
    passed_over: tuple[str, ...]
    lying: Mapping[CidText, Lying] = field(default_factory=dict)
    """Whether lying pays on a candidate's round, where that was looked at."""

    @property
    def winner(self) -> Candidate | None:
        return self.ranked[0].candidate if self.ranked and not self.ranked[0].lost else None


@dataclass(frozen=True, slots=True)
class Promised:
    """What a vehicle's other open jobs will still take of its account."""

    xlm: Stroops = 0
    dlc: Stroops = 0


def promised(jobs: Iterable[Job], account: Account, bid: Stroops) -> Promised:
    """Entries that are not on the ledger need their reserve, stake and fees; those that are, only fees for the end."""
    xlm, dlc, opened = 0, 0, set(account.lines)
    for job in jobs:
        if job.state in NOT_ENTERED:
            credit = entry.credit_asset(Asset.parse(job.choice.model))
            xlm += (3 + (credit not in opened)) * BASE_RESERVE + OPERATIONS * bid
            dlc += job.stake + job.fee
            opened.add(credit)
        elif job.state is not JobState.OPENED:
            xlm += CLOSING_OPERATIONS * bid
    return Promised(xlm, dlc)


@dataclass(frozen=True, slots=True)
class Shown:
    """Where a round was seen."""

    cid: CidText
    offer: int
    """The sign on the book; it says nothing about what is paid."""
    since: int = 0
    """Ledger of its last change."""


@dataclass(frozen=True, slots=True)
class VehicleView:
    """What offers are reckoned with: the ledger as it is, and what the vehicle knows of itself."""

    horizon: Horizon
    preferences: Preferences
    account: Account
    head: Head
    bid: Stroops
    """For each operation, in stroops."""
    deeds: Sequence[Deed] = ()
    """What its trips came to, oldest first."""
    promised: Promised = field(default_factory=Promised)

    @property
    def means(self) -> Means:
        wants = self.preferences
        return Means(
            xlm=max(0, self.account.free(XLM) - self.promised.xlm),
            max_stake=wants.max_stake,
            buy_budget=wants.buy_budget,
            min_pay=wants.min_pay,
            fees=OPERATIONS * self.bid,
            odds=experience.odds(wants.accept_probability, self.deeds),
        )

    def candidate(self, sign: Shown, round_: Round, unfit: str, steps: int | None = None) -> Candidate:
        """Numbers of an entry for a round. `steps`: those that were made, where that is known: else a trip comes first.
        Raises Unavailable, Refused."""
        dlc, planned = round_.stake_asset, round_.recipe.steps
        stake = strikes.due(self.horizon, round_, self.account.id, self.head.sequence)
        missing = max(0, stake + round_.stake.fee - max(0, self.account.free(dlc) - self.promised.dlc))
        bought = self.horizon.cost(dlc, missing, XLM) if missing else Way(0)
        expected = experience.steps(self.deeds, round_.model, planned) if steps is None else steps
        return Candidate(
            offer=sign.offer,
            initiator=round_.initiator,
            model=round_.model,
            round=round_.number,
            cid=sign.cid,
            since=sign.since,
            reward=round_.pledge.reward if round_.pledge is not None else 0,
            budget=max(0, pledge.free(self.horizon, round_)),
            stake=stake,
            fee=round_.stake.fee,
            stake_price=price(self.horizon, dlc, stake + round_.stake.fee),
            missing=missing,
            cost=None if bought is None else bought.amount,
            reserve=entry.reserve(round_.credit_asset, self.account),
            planned=planned,
            steps=min(expected, planned),
            share=experience.work(expected, planned) * experience.quality(self.deeds, round_.model),
            privacy=round_.privacy,
            unfit=unfit
            or uncarried(self.account, round_)
            or pledge.too_short(round_, self.head.closed_at, trip=steps is None),
        )


def survey(view: VehicleView, shelf: Shelf, unfit: Callable[[Round, CidText], str]) -> Survey:
    """Look at every followed initiator's offers. Raises Unavailable when ledger or store cannot be asked."""
    found, passed_over = listings(view.horizon, view.preferences.initiators)
    candidates = []
    for offered in found:
        if view.head.sequence < offered.ledger:  # its bundle is kept back until then
            passed_over.append(f"Round {offered.cid} opens after ledger {offered.ledger}.")
            continue
        try:
            round_ = shelf.round(offered.cid)
            _same_model(offered, round_, view.preferences.operator)
            against = untrusted(view.preferences, view.horizon, shelf, offered.cid, round_)
            shown = Shown(offered.cid, offered.offer.id, offered.offer.last_modified)
            candidates.append(view.candidate(shown, round_, against or unfit(round_, offered.cid)))
        except LedgerUnavailable:
            raise
        except (Refused, Unavailable) as error:  # one bundle that nobody has must not keep the others' offers away
            passed_over.append(str(error))
    return Survey(tuple(rank(candidates, view.means)), tuple(passed_over))


def untrusted(preferences: Preferences, horizon: Horizon, shelf: Shelf, cid: CidText, round_: Round) -> str:
    """Why this vehicle should stake nothing on a round, whatever it pays, or ''. Raises Unavailable; HistoryTooShort
    where the ledger that drew its committee is forgotten and the owner takes none but drawn ones."""
    if why := unwilling(preferences, round_):
        return why
    settlement = horizon.account(round_.settlement)
    return (
        round_accounts.look(horizon, round_, settlement)
        or _undrawn(preferences, horizon, shelf, round_)
        or attested.lacking(settlement, shelf, cid, round_)
    )


def _undrawn(preferences: Preferences, horizon: Horizon, shelf: Shelf, round_: Round) -> str:
    try:
        return registry.undrawn(horizon, shelf, round_)
    except HistoryTooShort:
        if preferences.committees == "drawn":
            raise
        return ""


def unwilling(preferences: Preferences, round_: Round) -> str:
    """Why this vehicle's owner does not want to take part in a round, or ''."""
    if round_.privacy == "open" and not preferences.open_rounds:
        return "its updates become public, and market.open_rounds is false"
    if preferences.committees == "drawn":
        return "" if round_.draw else "its initiator named its committee, and market.committees is drawn"
    if preferences.committees != "named" and (others := set(round_.committee) - {*preferences.committees}):
        return f"{', '.join(sorted(others))} is on its committee, and none of market.committees"
    return ""


def uncarried(account: Account, round_: Round) -> str:
    """Why the account's lines cannot carry an entry or what comes back of it, or ''."""
    line = account.lines.get(round_.credit_asset)
    if line is not None and not line.authorized:
        return f"its issuer does not let this account hold {round_.credit_asset.code}"
    if line is not None and line.clawback:
        return f"its issuer may take back what this account holds of {round_.credit_asset.code}"
    if line is not None and line.room < 2 * UNIT:
        return f"this account's line of {round_.credit_asset.code} has no room for a bid and a credit"
    return ""


def listings(horizon: Horizon, initiators: Sequence[AccountId]) -> tuple[list[Listing], list[str]]:
    """Verified offers, and sentences about those that are not."""
    found, passed_over = [], []
    for initiator in initiators:
        offered, others = listing.listings(horizon, initiator)
        found += offered
        passed_over += others
    return found, passed_over


def _same_model(offered: Listing, round_: Round, operator: AccountId | None) -> None:
    if (round_.model_asset, round_.initiator) != (offered.offer.buying, offered.offer.seller):
        why = f"the offer buys {offered.offer.buying}, its round is for {round_.model} of {round_.initiator}"
        raise Malformed(what=f"the round {offered.cid}", why=why)
    if round_.ledger != offered.ledger:
        why = f"it opens after ledger {round_.ledger}, and is on offer for ledger {offered.ledger}"
        raise Malformed(what=f"the round {offered.cid}", why=why)
    if operator is None or round_.stake_asset != Asset("DLC", operator):
        raise Malformed(what=f"the round {offered.cid}", why="its stake is not the DLC of market.operator")


def numbers(candidate: Candidate, net: int, lost: str) -> dict[str, object]:
    """For the journal and as JSON: fractions as text."""
    plain = {k: str(v) if isinstance(v, Fraction) else v for k, v in asdict(candidate).items()}
    return {**plain, "net": net, "lost": lost}
