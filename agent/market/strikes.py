"""What became of a vehicle's stakes, and its strikes among them, counted on the ledger (PROTOCOL section 7).

A strike is a transaction of another account that claimed a vehicle's stake and paid nothing back for it. All stakes in
the same DLC count, on whatever model: a liar takes its strikes along. Vehicle and validators count the same ones: both
read the vehicle's own transactions and what became of each stake in them.

Anybody can send payments to a vehicle, and each is a transaction in its account's history: 100,000 cost 1 XLM. So what
was read is kept and never read again, a turn reads so many pages and no more, and who has not read far enough waits.
What nobody needs to understand is not parsed: where an envelope holds an operation that this program does not know,
Horizon's own reading of it is asked.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal
from weakref import WeakKeyDictionary

from stellar_sdk import CreateClaimableBalance

from agent.core.ids import AccountId, StakeId, TxHash
from agent.core.ledger import Transaction
from agent.core.money import Asset, Stroops
from agent.core.round import Round
from agent.core.stake import stake_due
from agent.errors import Malformed, Unavailable
from agent.ledger.connection import PAGE
from agent.ledger.envelope import balance_id, opened, own_asset
from agent.ledger.horizon import HistoryTooShort, Horizon, LedgerUnavailable

CLAIM = "claim_claimable_balance"
CLAWBACK = "clawback_claimable_balance"
GRACE_LEDGERS = 60
"""A strike settled less than this before an entry is not held against it: the entry may have been on its way."""
MOST_QUESTIONS = 25
"""Pages, and looks at what became of a stake, that one count may cost. The next one goes on from there."""


class StillCounting(Unavailable):
    """The strikes of {vehicle} are not counted yet: {why}. Much was paid to it, or it staked often; nothing is lost,
    and the next look goes on from there."""


Fate = Literal["accepted", "idle", "forfeited", "silent", "clawed", "open"]
"""silent: its vehicle took it back, since nobody had judged. open: it stands."""


@dataclass(frozen=True, slots=True)
class Ended:
    """How a stake ended."""

    fate: Fate
    ledger: int
    by: str
    """Who claimed it."""


@dataclass(frozen=True, slots=True)
class Fated:
    """One stake, with what became of it; None: nothing yet, as far as is known."""

    ledger: int
    """That it was made in."""
    ended: Ended | None


@dataclass
class StrikeCount:
    """What was read of one vehicle's transactions: all from ledger `since` on, up to the one at `newest`."""

    newest: str = ""
    oldest: str = ""
    """Cursors of the transactions read."""
    since: int | None = None
    """None: nothing was read."""
    stakes: dict[StakeId, tuple[int, Asset]] = field(default_factory=dict)
    """Stake → the ledger that it was made in, and what it is in."""
    ended: dict[StakeId, Ended] = field(default_factory=dict)


_READ: WeakKeyDictionary[Horizon, dict[str, StrikeCount]] = WeakKeyDictionary()


def due(horizon: Horizon, round_: Round, vehicle: AccountId, ledger: int, grace: int = 0) -> Stroops:
    """The stake a vehicle must put down for an entry in `ledger`. Validators give `grace` ledgers: a strike that was
    settled while the entry was on its way is not held against it. Raises Unavailable."""
    since, until = ledger - round_.stake.window_ledgers, ledger - grace
    counted = strikes(horizon, vehicle, round_.stake_asset, since, until)
    is_new = round_.stake.newcomer is not None and not _is_known(horizon, round_, vehicle, ledger, grace)
    return stake_due(round_.stake, counted, is_new)


def _is_known(horizon: Horizon, round_: Round, vehicle: AccountId, ledger: int, grace: int) -> bool:
    """Whether this round's own settlement account accepted anything of the vehicle's in the window: what others did may
    be its own doing. A vehicle, which gives no grace, counts what is still within the window when its entry arrives,
    and was there so long before that validators count it."""
    since = ledger - round_.stake.window_ledgers + GRACE_LEDGERS - grace
    found = fates(horizon, vehicle, round_.stake_asset, since, ledger - GRACE_LEDGERS)
    ended = [each.ended for each in found if each.ended is not None and each.ended.ledger < ledger]
    return any(each.fate == "accepted" and each.by == round_.settlement for each in ended)


def strikes(horizon: Horizon, vehicle: AccountId, dlc: Asset, since: int, until: int) -> int:
    """Stakes in this DLC that the vehicle made since ledger `since` and that were forfeited before ledger `until`.
    Where history is too short, the archive is asked. Raises StillCounting, HistoryTooShort, Unavailable."""
    found = [each.ended for each in fates(horizon, vehicle, dlc, since, until) if each.ended is not None]
    return sum(each.fate == "forfeited" and each.ledger < until for each in found)


def fates(horizon: Horizon, vehicle: AccountId, dlc: Asset, since: int, until: int) -> list[Fated]:
    """What became of each stake in this DLC that the vehicle made from ledger `since` on and before `until`. Raises as
    `strikes`."""
    try:
        return _counted(horizon, vehicle, dlc, since, until)
    except HistoryTooShort:
        if horizon.archive is None:
            raise
        return _counted(horizon.archive, vehicle, dlc, since, until)


def _counted(horizon: Horizon, vehicle: AccountId, dlc: Asset, since: int, until: int) -> list[Fated]:
    readings = _READ.setdefault(horizon, {})
    reading, left = readings.setdefault(vehicle, StrikeCount()), _Left(vehicle, MOST_QUESTIONS)
    begun_at = reading.newest
    _read_on(horizon, reading, left)
    reach = horizon.reach()
    if begun_at and reach.elder > int(begun_at) >> 32:  # what came between the cursor and the elder is forgotten
        reading = readings[vehicle] = StrikeCount(ended=reading.ended)
    _read_back(horizon, reading, since, left)
    if reach.latest < until - 1:
        why = f"knows history up to ledger {reach.latest}, and {until - 1} is needed"
        raise LedgerUnavailable(url=horizon.shown, why=why)
    for stake, (ledger, asset) in list(reading.stakes.items()):
        if stake not in reading.ended and asset == dlc and since <= ledger < until:
            left.take(f"what became of {stake[:12]} was not asked yet")
            ended = _ended(horizon, vehicle, stake)
            if ended is not None:
                reading.ended[stake] = ended
    return [
        Fated(ledger, reading.ended.get(stake))
        for stake, (ledger, asset) in reading.stakes.items()
        if asset == dlc and since <= ledger < until
    ]


@dataclass
class _Left:
    """Questions that this count may still ask."""

    vehicle: AccountId
    questions: int

    def take(self, why: str) -> None:
        if self.questions == 0:
            raise StillCounting(vehicle=self.vehicle, why=why)
        self.questions -= 1


def _read_on(horizon: Horizon, reading: StrikeCount, left: _Left) -> None:
    """Towards now."""
    is_over = not reading.newest
    while not is_over:
        left.take("its newest transactions are not read yet")
        found, is_over = horizon.page(left.vehicle, newest_first=False, after=reading.newest, size=PAGE)
        _keep(horizon, reading, left.vehicle, found)
        if found:
            reading.newest = found[-1].cursor


def _read_back(horizon: Horizon, reading: StrikeCount, since: int, left: _Left) -> None:
    """Towards the beginning, as far as is needed."""
    while reading.since is None or reading.since > since:
        left.take(f"they are read back to ledger {reading.since}, and {since} is needed")
        found, is_over = horizon.page(left.vehicle, newest_first=True, after=reading.oldest, size=PAGE)
        _keep(horizon, reading, left.vehicle, found)
        if found:
            reading.newest = reading.newest or found[0].cursor
            reading.oldest = found[-1].cursor
            reading.since = found[-1].ledger + 1
        if is_over:
            elder = horizon.remembers(since)
            if found or reading.newest:
                reading.since = min(since, elder)
            return


def _keep(horizon: Horizon, reading: StrikeCount, vehicle: AccountId, found: list[Transaction]) -> None:
    for transaction in found:
        if transaction.source == vehicle:
            for index, asset in _balances(horizon, transaction):
                stake = balance_id(vehicle, transaction.sequence, index)
                reading.stakes[stake] = (transaction.ledger, asset)


def _balances(horizon: Horizon, transaction: Transaction) -> Iterator[tuple[int, Asset]]:
    """(operation, asset) of each claimable balance that a transaction made."""
    try:
        envelope = opened(transaction.envelope, horizon.passphrase)
    except Malformed:
        for action in horizon.actions(transaction.hash):
            if action.kind == "create_claimable_balance" and action.asset is not None:
                yield action.index, action.asset
        return
    for index, operation in enumerate(envelope.operations):
        if isinstance(operation, CreateClaimableBalance):
            yield index, own_asset(operation.asset)


def _ended(horizon: Horizon, vehicle: AccountId, stake: StakeId) -> Ended | None:
    """None while it has not, as far as is known."""
    for action in horizon.actions_on(stake):
        if action.kind == CLAWBACK:
            return Ended("clawed", action.ledger, action.source)
        if action.kind == CLAIM and action.source == vehicle:
            return Ended("silent", action.ledger, vehicle)
        if action.kind == CLAIM:
            fate = _judged(horizon, vehicle, stake, action.transaction)
            return Ended(fate, action.ledger, action.source)
    return None


def _judged(horizon: Horizon, vehicle: AccountId, stake: StakeId, transaction: TxHash) -> Fate:
    """By what was paid to the vehicle after its stake was claimed, before the next one was."""
    is_its = False
    fate: Fate = "forfeited"
    for action in horizon.actions(transaction):
        if action.kind == CLAIM:
            is_its = action.balance == stake
        elif is_its and action.kind == "payment" and action.to == vehicle:
            is_credit = action.asset is not None and action.asset.code.startswith("VLM")
            fate = "accepted" if is_credit or fate == "accepted" else "idle"
    return fate
