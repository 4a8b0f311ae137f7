"""What a run came to: from the books, not from the daemons' words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from agent.core.cid import Cid
from agent.core.documents import SettlementRecord
from agent.core.ids import AccountId
from agent.core.money import UNIT, XLM, Stroops
from agent.errors import MilepostError
from agent.ledger.envelope import opened
from agent.market.entry import ROUNDED
from tools.chaos.books import Stake, contributors
from tools.chaos.town import FEE, REVIEW_S, Town

FRIENDBOT: Stroops = 10_000 * UNIT
ZEROS = (
    "honest_stakes_lost",
    "honest_unpaid",
    "doubled",
    "strikes_on_honest",
    "purse_lost_stroops",
    "daemons_died",
    "untyped",
    "stalled_entries",
)


@dataclass
class Report:
    seed: int
    honest_entries: int = 0
    honest_stakes_lost: int = 0
    """Claimed by anybody, and not given back less the fee."""
    honest_unpaid: int = 0
    """Good work that earned nothing, or whose credit is no lumens yet, or that cost more than it earned."""
    doubled: int = 0
    """Stakes beyond the first for the same contribution."""
    strikes_on_honest: int = 0
    """Stakes that a settlement account took whole."""
    purse_lost_stroops: int = 0
    daemons_died: int = 0
    untyped: int = 0
    stalled_entries: int = 0
    """Not settled by their committee within the review window, and trips that never came to an end."""
    hostile_profit_xlm: float = 0.0
    kinds: dict[str, dict[str, Any]] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        return asdict(self)

    @property
    def faults(self) -> list[str]:
        """Sentences; without any, the run went as it should."""
        found = [f"{name} is {getattr(self, name)}" for name in ZEROS if getattr(self, name)]
        for name, kind in self.kinds.items():
            if kind["profit_xlm"] > 0 and not kind["open"]:
                found.append(f"{name} earned {kind['profit_xlm']} XLM")
        return found


def book(town: Town, seed: int, kinds: Mapping[str, dict[str, Any]], lying_profit: Stroops) -> Report:
    """At the end of a run, when what is under way has had its time."""
    entered = town.books.of(town.honest)
    made = Report(seed, honest_entries=len(entered), kinds=dict(kinds))
    stakes = [s for s in entered if s.ended_by != "clawback"]
    lost = [s for s in stakes if s.ended_by and s.ended_by != s.maker and s.returned < s.amount - FEE]
    made.honest_stakes_lost = len(lost)
    made.strikes_on_honest = sum(s.ended_by in s.claimants and not s.returned for s in lost)
    made.stalled_entries = sum(not s.ended_by or s.ended_at >= s.entered_at + REVIEW_S for s in stakes)
    gone = {s.id for s in entered} - {s.id for s in stakes}
    made.stalled_entries += sum(car.stuck(gone) for car in town.cars)
    made.honest_unpaid = sum(not s.credit or not _worth(town, s) for s in stakes) + _unredeemed(town, stakes)
    made.honest_unpaid += _kept_from_owners(town, stakes)
    memos = [(s.maker, s.memo) for s in entered]
    made.doubled = len(memos) - len(set(memos))
    made.purse_lost_stroops = _purses(town)
    made.daemons_died, made.untyped = town.tally.died, town.tally.untyped
    profit = lying_profit + sum(round(kind["profit_xlm"] * UNIT) for kind in kinds.values())
    made.hostile_profit_xlm = profit / UNIT
    return made


def _worth(town: Town, stake: Stake) -> bool:
    """Whether what was paid is more than what it cost."""
    return stake.credit * 40 > 2 * (stake.amount - stake.returned) / 4


def sore(town: Town) -> list[str]:
    """Each honest stake that did not fare as it should, for people who look for the cause."""
    names: dict[str, str] = {car.account: car.name for car in town.cars}
    houses: dict[str, str] = {account: house.name for account, house in town.settlements.items()}
    found = []
    for s in town.books.of(town.honest):
        if s.ended_by == "clawback":
            continue
        if s.credit and _worth(town, s) and s.ended_at <= s.entered_at + REVIEW_S:
            continue
        by = houses.get(s.ended_by, names.get(s.ended_by, s.ended_by[:8])) or "nobody"
        to = next((houses[c] for c in s.claimants if c in houses), s.claimants[0][:8])
        after = s.ended_at - s.entered_at if s.ended_by else 0
        found.append(
            f"{names[s.maker]}'s entry {s.id[:16]} at {to} in ledger {s.ledger}: ended by {by} after {after} s,"
            f" {s.returned} of {s.amount} back, credit {s.credit}"
        )
    return found


def _unredeemed(town: Town, stakes: list[Stake]) -> int:
    """Accepted entries whose VLM their vehicle still has, the newest first."""
    waiting = 0
    for house in town.houses:
        for maker in sorted(town.honest):
            left = town.books.balance(maker, house.vlm)
            for stake in reversed(stakes):
                if left > 0 and stake.maker == maker and stake.credit_asset == house.vlm:
                    left -= stake.credit
                    waiting += 1
    return waiting


def _kept_from_owners(town: Town, stakes: list[Stake]) -> int:
    """Owners who have less than what their cars' work was credited, less what rounding takes of each closing."""
    rewards = {house.vlm: house.plan.reward_stroops for house in town.houses}
    short = 0
    for car in town.cars:
        credited = [(s.credit, s.credit_asset) for s in stakes if s.maker == car.account]
        earned = [credit * rewards[vlm] // UNIT for credit, vlm in credited if vlm in rewards]
        left = sum(town.books.balance(car.account, vlm) * reward // UNIT for vlm, reward in rewards.items())
        if car.owner != car.account:
            has = town.books.balance(car.owner, XLM) - FRIENDBOT
            short += has < sum(earned) - left - ROUNDED * len(earned)
    return short


def _purses(town: Town) -> Stroops:
    """DLC that is not where the forfeited stakes should be: paid to who never worked there, gone from the newest
    record, or frozen."""
    lost = 0
    everybody = list(town.books.stakes.values())
    for house in town.houses:
        settlement = house.settlement
        worked = contributors(everybody, settlement)
        shares = [share for share in town.books.shares if share.settlement == settlement]
        lost += sum(share.amount for share in shares if share.to not in worked)
        forfeited = sum(
            s.amount for s in everybody if s.ended_by == settlement and s.asset == town.ground.dlc and not s.returned
        )
        due = forfeited - sum(share.amount for share in shares)
        record = _newest(town, settlement)
        if record is None:
            lost += due
            continue
        lost += max(0, due - record.purse.forfeited)
        if record.purse.round > town.round_of(house)[1].number:
            lost += record.purse.forfeited
    return lost


def _newest(town: Town, settlement: AccountId) -> SettlementRecord | None:
    for transaction in town.ground.line.history(settlement, newest_first=True):
        memo = opened(transaction.envelope, town.ground.net.passphrase).memo
        if transaction.source == settlement and memo is not None:
            try:
                return town.shelf.record(Cid.v0(memo).text)
            except MilepostError:
                return None
    return None
