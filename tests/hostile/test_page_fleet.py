"""The fleet page among vehicles and visitors that wish it ill."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agent.core.plain import plain
from agent.fleet.page.access import ADDRESSES, TRIES, Access
from agent.fleet.page.dashboard import MAX_JOBS, MAX_PAYMENTS, MAX_ROUNDS, Dashboard
from agent.fleet.page.shelf import CardShelf
from agent.fleet.page.table import table
from agent.host.clock import ManualClock
from agent.ports import Message

TOKEN = "a-token-of-some-length"
HUGE = 10**400


def hear(
    dashboard: Dashboard, channel: str, body: dict[str, Any], vehicle: str = "car-1", retain: bool = False
) -> None:
    dashboard.take(Message(f"milepost/v1/north/{vehicle}/{channel}", json.dumps(body).encode(), retain), 0.0)


def event(kind: str, seq: int, job: str = "j", **facts: Any) -> dict[str, Any]:
    return {"job": job, "kind": kind, "data": facts, "at": 1.0, "journal": "j", "seq": seq, "after": seq - 1}


@pytest.mark.parametrize("channel", ["status", "state", "event/opened"])
@pytest.mark.parametrize("name", ["at", "every", "seq", "after"])
def test_a_number_without_end_is_dropped_and_the_next_message_heard(channel: str, name: str) -> None:
    """(ii) {"at": 10^400} ended the task that listens, and again after each restart where it was retained."""
    dashboard = Dashboard()
    whole = {"status": "online", "session": "s", "healthy": True, "troubles": [], **event("opened", 1)}
    hear(dashboard, channel, {**whole, name: HUGE}, retain=True)
    assert (dashboard.dropped, dashboard.vehicles) == (1, {})
    hear(dashboard, channel, whole)
    assert list(dashboard.vehicles) == ["north/car-1"]


def test_amounts_that_no_ledger_holds_are_not_added_up() -> None:
    """(jj) Eleven `paid` of 4,300 nines, and every answer failed."""
    dashboard = Dashboard()
    for seq in range(1, 12):
        hear(dashboard, "event/closed", event("closed", seq, f"job-{seq}", paid=int("9" * 4300)))
    assert dashboard.dropped == 11
    hear(dashboard, "event/closed", event("closed", 11, "job-11", paid="9" * 4300))
    hear(dashboard, "event/closed", event("closed", 12, "job-12", paid=str(2**63)))
    hear(dashboard, "event/closed", event("closed", 13, "job-13", paid=str(2**63 - 1)))
    assert json.loads(json.dumps(dashboard.since(0)))["counts"]["paid"] == str(2**63 - 1)


def test_one_vehicle_that_names_rounds_without_end_buries_only_its_own() -> None:
    """(kk) It filled all 2,000 places, and no round of anybody was shown any more."""
    dashboard = Dashboard()
    hear(dashboard, "event/chosen", event("chosen", 1, round="of-the-fleet", model="DLM:G"), "honest")
    for seq in range(1, 2 * MAX_ROUNDS):
        hear(dashboard, "event/chosen", event("chosen", seq, f"j{seq}", round=f"none-{seq}"), "hostile")
    assert len(dashboard.rounds) == MAX_ROUNDS
    hear(dashboard, "event/chosen", event("chosen", 2, "j2", round="the-next", model="DLM:G"), "honest")
    assert {"of-the-fleet", "the-next"} <= set(dashboard.rounds)
    assert len(dashboard.rounds) == MAX_ROUNDS


def test_one_vehicle_that_opens_jobs_without_end_buries_only_its_own() -> None:
    """(kk) The jobs of the others were the oldest, and went first."""
    dashboard = Dashboard()
    hear(dashboard, "event/opened", event("opened", 1), "honest")
    for seq in range(1, MAX_JOBS + 500):
        hear(dashboard, "event/opened", event("opened", seq, f"j{seq}"), "hostile")
    assert len(dashboard.jobs) == MAX_JOBS
    assert "north/honest/j" in dashboard.jobs


def test_payments_of_ever_new_assets_are_added_up_as_others() -> None:
    """(kk) `payments` had no bound."""
    dashboard = Dashboard()
    for seq in range(1, 3001):
        hear(dashboard, "event/closed", event("closed", seq, f"j{seq}", model=f"DLM{seq}:issuer-{seq}", paid=1))
    assert len(dashboard.payments) <= MAX_PAYMENTS + 1
    assert sum(card.amount for card in dashboard.payments.values()) == 3000 == dashboard.paid


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 40)), max_size=200), st.integers(1, 12))
def test_a_shelf_is_bounded_and_who_took_less_than_a_share_loses_nothing(put: list[tuple[int, int]], most: int) -> None:
    """(kk) Whatever the order in which cards come."""
    shelf: CardShelf[int] = CardShelf(most)
    owned: dict[str, set[str]] = {}
    for owner, card in put:
        key = f"{owner}/{card}"
        shelf.put(key, card, str(owner))
        owned.setdefault(str(owner), set()).add(key)
        assert len(shelf) <= most
        assert key in shelf
    for mine in owned.values():
        if len(mine) * len(owned) <= most:
            assert mine <= set(shelf)


def test_wrong_tokens_lock_nobody_out() -> None:
    """(ll) Ten wrong ones a minute, from anywhere, and nobody could log in."""
    access = Access(TOKEN, ManualClock())
    for _ in range(10 * TRIES):
        assert access.login("wrong", "192.0.2.1") is None
    assert access.weary("192.0.2.1")
    assert not access.weary("192.0.2.2")
    for address in ("192.0.2.1", "192.0.2.2"):  # the first may be the proxy that everybody comes through
        assert access.admits(access.login(TOKEN, address))


def test_addresses_are_counted_up_to_a_bound() -> None:
    """(ll) A network of a million addresses is no memory of a million."""
    access = Access(TOKEN, ManualClock())
    for number in range(ADDRESSES + 500):
        access.login("wrong", f"2001:db8::{number:x}")
    assert len(access._wrong) == ADDRESSES


ESCAPES = "\x1b]0;gone\x07\x1b[2J\x9b31m\u202egnp\r\n"


def test_what_a_vehicle_says_moves_no_cursor() -> None:
    """(nn) A reason, a trouble, a name: all of it is shown in a terminal too."""
    dashboard = Dashboard()
    hear(dashboard, "state", {"healthy": False, "troubles": [f"No fix.{ESCAPES}"], "software": ESCAPES})
    hear(
        dashboard,
        "event/rejected",
        event("rejected", 1, f"trip{ESCAPES}", reason=ESCAPES, model=f"{ESCAPES}:{ESCAPES}"),
    )
    hear(dashboard, "event/chosen", event("chosen", 2, "k", round=ESCAPES, model=ESCAPES, hash=ESCAPES))
    assert dashboard.dropped == 0

    def texts(value: Any) -> list[str]:
        if isinstance(value, dict):
            return [text for pair in value.items() for part in pair for text in texts(part)]
        return [text for part in value for text in texts(part)] if isinstance(value, list | tuple) else [str(value)]

    assert all(plain(text) == text for text in texts(dashboard.since(0)))
    from rich.console import Console

    console = Console(width=200, record=True, force_terminal=False)
    with console.capture() as shown:
        console.print(table(dashboard, 0.0))
    assert all(plain(line) == line for line in shown.get().splitlines())


anything = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(st.characters(exclude_categories=()))
    | st.sampled_from([HUGE, -HUGE, "9" * 4300, 2**63, "\x1b[2J"]),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=6,
)
NAMES = ("status", "session", "healthy", "troubles", "jobs", "trip", "training", "every", "at", "job", "kind", "data")
FACTS = ("model", "number", "round", "stake", "returned", "paid", "credit", "reason", "hash", "shadow")
bodies = st.builds(
    lambda body, facts, seq: {
        **{"status": "online", "session": "s", "healthy": True, "troubles": []},
        **{**event("opened", 1), "seq": seq, "data": facts},
        **body,
    },
    st.dictionaries(st.sampled_from(NAMES), anything, max_size=2),
    st.dictionaries(st.sampled_from(FACTS), anything),
    st.integers() | st.integers(0, 9),
)
kinds = st.sampled_from(["chosen", "accepted", "rejected", "idle", "closed", "x"])


@pytest.mark.slow
@settings(suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.tuples(st.sampled_from(["status", "state", "event/x"]), bodies, kinds), max_size=6))
def test_nothing_that_is_said_breaks_an_answer(said: list[tuple[str, dict[str, Any], str]]) -> None:
    """(ii)(jj) Whatever comes, the board answers, in JSON that a browser reads, and each number fits."""
    dashboard = Dashboard()
    for channel, body, kind in said:
        hear(dashboard, channel, {"kind": kind, **body})
    answer = json.dumps(dashboard.since(0), allow_nan=False)
    assert len(answer) < 200_000
    table(dashboard, 0.0)
