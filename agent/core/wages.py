"""What validators earn (PROTOCOL, "Validators' pay"): the fee of each settled entry, in equal shares, for a vote that
agreed with the outcome.

Rules
  1. A forfeited stake is never theirs: nobody earns by turning down.
  2. What a fee's division leaves goes stroop by stroop to the first of them in the order of their accounts: all that is
     earned of a fee is that fee.
  3. It is owed by the record and paid by one of its own, once the round is over: a settlement of 31 entries has no
     operation to spare.
  4. Who cannot be paid then has had its chance: it is shared among vehicles, like what was forfeited.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence

from agent.core.documents import SettledEntry, Vote, Wage, Wages
from agent.core.ids import AccountId
from agent.core.money import Stroops
from agent.core.verdict import of_one_figure


def earned(entry: SettledEntry, votes: Sequence[Vote]) -> dict[AccountId, Stroops]:
    """Validator → what it earns of an entry's fee. Where something of the vehicle's own doing decided, and no vote, all
    whose figures agree do."""
    counted = of_one_figure(votes)
    agreed = sorted({vote.validator for vote in counted if vote.outcome == entry.outcome})
    workers = agreed or sorted({vote.validator for vote in counted})
    if not entry.fee or not workers:
        return {}
    each, left = divmod(entry.fee, len(workers))
    return {worker: each + (place < left) for place, worker in enumerate(workers)}


def owed(before: Wages | None, more: Iterable[dict[AccountId, Stroops]], newest: int) -> Wages | None:
    """With what was earned now, while round `newest` is the newest."""
    total = Counter(before.due if before is not None else {})
    for earnings in more:
        total.update(earnings)
    due = {validator: amount for validator, amount in sorted(total.items()) if amount}
    return Wages(round=before.round if before is not None else newest, due=due) if due else None


def payable(wages: Wages | None, receives: Callable[[AccountId, Stroops], bool]) -> tuple[Wage, ...]:
    """Whom of those it is owed to it can be paid, in the order of their accounts."""
    due = sorted(wages.due.items()) if wages is not None else []
    return tuple(Wage(validator=who, amount=amount) for who, amount in due if receives(who, amount))
