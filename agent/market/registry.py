"""An operator's registry of validators, read off the ledger, and whether a round's committee was drawn from it.

A validator is in it by its bond: DLC in a claimable balance that it can claim from a moment on, and the operator at
once. Nobody but the two can move it, and the validator not before a notice is over, so the registry of two weeks ago is
still there to be seen: no history has to be read. What the validator says of itself is in a data entry of its account,
and decides nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from stellar_sdk import Claimant, ClaimPredicate, CreateAccount, CreateClaimableBalance, ManageData, SetOptions
from stellar_sdk.operation import Operation

from agent.core.draw import drawn
from agent.core.fields import MOST_STALENESS
from agent.core.ids import AccountId, CidText, StakeId
from agent.core.ledger import Head, Stake, Transaction
from agent.core.money import UNIT, Asset, Stroops, text
from agent.core.registry import MOST_MEMBERS, SEQUENCE_BITS, Member, Registry, contributed
from agent.core.round import Round
from agent.errors import Malformed, Unavailable
from agent.ledger.envelope import balance_id, opened, own_amount, sdk_asset
from agent.ledger.horizon import HistoryTooShort, Horizon
from agent.market.bundle import Shelf
from agent.market.publish import WITHIN

DRAW, STATEMENT = "milepost/draw", "milepost/validator"
"""Data entries: an announcement's, its registry's digest; a validator's, samples and kinds of its private set."""
LEAST_BOND: Stroops = 100 * UNIT
NOTICE_S = 14 * 86_400
"""Who is drawn has a bond that stays for at least so long."""
SPARE_S = 3600
"""A registry is announced at most so long after it was read."""
MOST_BALANCES = 10_000
"""Balances that the operator may claim, and that are looked at. Each costs whoever makes it 1.0 XLM of reserve."""
WINDOW_ROUNDS = 8
"""Rounds whose lineages count for a draw: nobody grows strong for ever."""
MOST_ROUNDS = 64
"""That a draw is followed back."""
KINDS = ("steering", "classification", "detection")
"""Of tasks. The last stroops of a bond, by 8, say which of them its validator judges: 1, 2 and 4 each."""
ANNOUNCEMENT_XLM: Stroops = UNIT * 3 // 2
"""What the ledger keeps of an announcement for ever: an account and a data entry."""


class Unreadable(Unavailable):
    """The registry of {dlc}: there are more than {most} balances that its operator may claim."""


@dataclass(frozen=True, slots=True)
class Bond:
    """A validator's, unclaimed."""

    id: StakeId
    account: AccountId
    amount: Stroops
    since: int
    """The ledger of its last change: it was there from that one on."""
    until: int
    """Unix seconds from which the validator may take it back."""
    by: AccountId
    """Who made it. Only its own is a validator's word that it wants to be drawn."""

    @property
    def kinds(self) -> tuple[str, ...]:
        """Kinds of tasks that it judges."""
        return tuple(kind for place, kind in enumerate(KINDS) if self.amount >> place & 1)

    def serves(self, kind: str, at: int) -> bool:
        """Whether it stands for a draw at ledger time `at`, of a committee for tasks of a kind."""
        return self.amount >= LEAST_BOND and kind in self.kinds and self.until >= at + NOTICE_S


def amount(least: Stroops, kinds: Iterable[str]) -> Stroops:
    """A bond's: `least`, and the stroops that say its kinds."""
    return least - least % 8 + sum(1 << KINDS.index(kind) for kind in kinds)


def bond(validator: AccountId, dlc: Asset, stroops: Stroops, until: int) -> CreateClaimableBalance:
    back = ClaimPredicate.predicate_not(ClaimPredicate.predicate_before_absolute_time(until))
    claimants = [Claimant(dlc.issuer), Claimant(validator, back)]
    return CreateClaimableBalance(sdk_asset(dlc), text(stroops), claimants)


def statement(samples: int, kinds: Sequence[str]) -> bytes:
    return f"{samples} {','.join(kinds)}".encode()


def stated(data: bytes | None) -> str:
    """What a validator says of its private set, for people; '' where that is nothing."""
    said = (data or b"").decode("ascii", "replace").split(" ")
    if len(said) != 2 or not said[0].isdecimal() or not set(said[1].split(",")) <= set(KINDS):
        return ""
    return f"{said[0]} samples, {said[1].replace(',', ' and ')}"


def bonds(horizon: Horizon, dlc: Asset) -> list[Bond]:
    """Everything of a bond's form, the oldest change first. Raises Unavailable."""
    found = list(horizon.stakes(dlc.issuer, dlc, MOST_BALANCES + 1))
    if len(found) > MOST_BALANCES:
        raise Unreadable(dlc=dlc, most=MOST_BALANCES)
    return [made for stake in found if (made := _bond(stake, dlc)) is not None]


def _bond(stake: Stake, dlc: Asset) -> Bond | None:
    if stake.at_once != (dlc.issuer,) or len(stake.claimants) != 2 or len(stake.not_before) != 1:
        return None
    (account, until) = next(iter(stake.not_before.items()))
    return Bond(stake.id, account, stake.amount, stake.last_modified, until, stake.sponsor)


def standing(found: Iterable[Bond], kind: str, head: Head) -> dict[AccountId, Bond]:
    """Who could be drawn now, by account: one bond each."""
    mine = {each.account: each for each in found if each.by == each.account and each.serves(kind, head.closed_at)}
    return dict(sorted(mine.items())[:MOST_MEMBERS])


# --- the announcement


def announce(registry: Registry, announcement: AccountId) -> list[Operation]:
    """Signed by the initiator and, once and never again, by the announcement's own key."""
    return [
        CreateAccount(announcement, text(ANNOUNCEMENT_XLM), source=registry.initiator),
        ManageData(DRAW, registry.digest, source=announcement),
        SetOptions(master_weight=0, low_threshold=1, med_threshold=1, high_threshold=1, source=announcement),
    ]


def seed(horizon: Horizon, ledger: int) -> Head:
    """The ledger whose hash drew. Raises HistoryTooShort where nobody remembers it any more; Unavailable."""
    try:
        return horizon.ledger(ledger)
    except HistoryTooShort:
        if horizon.archive is None:
            raise
        return horizon.archive.ledger(ledger)


def undrawn(horizon: Horizon, shelf: Shelf, round_: Round) -> str:
    """Why a round's committee is not the one that was drawn, as a sentence, or '': also where it was named.
    Raises HistoryTooShort, Unavailable."""
    draw = round_.draw
    if draw is None:
        return ""
    registry, dlc = draw.registry, round_.stake_asset
    if any(one.samples for one in registry.members) and (why := miscounted(shelf, round_)):
        return why
    if (registry.initiator, registry.dlc) != (round_.initiator, str(dlc)):
        return "its committee was drawn for another initiator, or from another operator's registry"
    account = horizon.account(draw.announcement)
    if account is None or not account.is_locked or account.data.get(DRAW) != registry.digest:
        return "the registry that its committee was drawn from was not announced"
    if account.sequence != draw.ledger << SEQUENCE_BITS:
        return f"its draw was announced in ledger {account.sequence >> SEQUENCE_BITS}, and not in {draw.ledger}"
    if not 0 < draw.ledger - registry.ledger <= WITHIN:
        return f"the registry of ledger {registry.ledger} was announced in ledger {draw.ledger}"
    then = seed(horizon, draw.ledger)
    if sorted(drawn(registry.members, then.hash, registry.size)) != sorted(round_.committee):
        return f"its committee is not the one that ledger {draw.ledger} drew"
    found, kind, members = bonds(horizon, dlc), round_.task.kind, {one.account: one for one in registry.members}
    for each in found:
        here = each.since <= registry.ledger and each.by == each.account
        if here and each.serves(kind, then.closed_at) and each.account not in members and len(members) < MOST_MEMBERS:
            return f"{each.account} was enrolled, and left out of the draw"
    by_id = {each.id: each for each in found}
    for one in registry.members:
        mine = by_id.get(one.bond) or _gone(horizon, one, dlc, draw.ledger)
        if mine is None or mine.account != one.account or not mine.serves(kind, then.closed_at - SPARE_S):
            return f"{one.account} was drawn from, and not enrolled"
    return ""


def miscounted(shelf: Shelf, round_: Round) -> str:
    """Why a round's draw counts other samples than the lineages of the rounds before it say, as a sentence, or ''.
    Looks back to the first round with this draw. Raises Unavailable."""
    draw, step = round_.draw, round_.previous
    if draw is None:
        return ""
    for _ in range(MOST_ROUNDS):
        before = shelf.round(step) if step is not None else None
        if before is None or before.draw != draw:
            brought = contributions(shelf, step)
            if all(one.samples == brought.get(one.account, 0) for one in draw.registry.members):
                return ""
            return "its draw counts samples that nobody's fleet was credited for"
        step = before.previous
    return f"its committee was drawn more than {MOST_ROUNDS} rounds ago"


def contributions(shelf: Shelf, newest: CidText | None) -> Mapping[AccountId, int]:
    """D_i: samples by validator, by the lineages of a round and those before it in the window. Only what drawn
    committees alone have judged counts: one that was named credits whom its initiator likes. Raises Unavailable."""
    rounds: dict[int, Round] = {}
    step = newest
    while step is not None and len(rounds) <= WINDOW_ROUNDS + MOST_STALENESS:
        round_ = shelf.round(step)
        if round_.draw is None:
            break
        rounds[round_.number], step = round_, round_.previous
    counted = []
    for number, round_ in [*rounds.items()][:WINDOW_ROUNDS]:
        before = rounds.get(number - 1)
        if before is not None and all(n in rounds for n in range(max(0, before.number - before.staleness), number)):
            counted += [(part.validator, part.samples or 0) for part in round_.lineage]
    return contributed(counted)


def _gone(horizon: Horizon, member: Member, dlc: Asset, ledger: int) -> Bond | None:
    """A bond that was there before a ledger, and was claimed only after it, as history has it. None: it was not.
    Raises HistoryTooShort where that is forgotten."""
    memory = horizon.archive or horizon
    touched = memory.touching(member.bond)
    if not touched:
        memory.remembers(1)
        return None
    made, later = touched[0], touched[1:]
    if made.ledger >= ledger or any(each.ledger < ledger for each in later):
        return None
    return next((each for each in _made(memory, made, dlc) if each.id == member.bond), None)


def _made(horizon: Horizon, transaction: Transaction, dlc: Asset) -> Iterator[Bond]:
    """The bonds that a transaction made."""
    try:
        envelope = opened(transaction.envelope, horizon.passphrase)
    except Malformed:
        return
    for index, made in enumerate(envelope.operations):
        if not isinstance(made, CreateClaimableBalance) or len(made.claimants) != 2:
            continue
        owner = made.claimants[1]
        until = getattr(getattr(owner.predicate, "not_predicate", None), "abs_before", None)
        account, stroops = AccountId(owner.destination), own_amount(made.amount)
        if isinstance(until, int):
            wanted = bond(account, dlc, stroops, until)
            if made.to_xdr_object().body.to_xdr() == wanted.to_xdr_object().body.to_xdr():
                stake = balance_id(envelope.source, envelope.sequence, index)
                yield Bond(stake, account, stroops, transaction.ledger, until, AccountId(envelope.source))
