"""Who gets room in a ledger that is too small, and what it costs."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from stellar_sdk import BumpSequence
from stellar_sdk.operation import Operation

from tools.localnet.engine import TODAY, Crowd
from tools.localnet.engine.market import QUEUE_LEDGERS, rate

NAMES = ("ann", "ben", "cid", "dan", "eve", "fay", "gus", "hal", "ivy", "jon")
# the fee for each operation, and how many operations, of one transaction of each
BIDS = st.lists(st.tuples(st.integers(100, 130), st.integers(1, 3)), min_size=1, max_size=len(NAMES))


def operations(number: int) -> list[Operation]:
    return [BumpSequence(0)] * number


@settings(max_examples=40)
@given(bids=BIDS, capacity=st.integers(3, 12), crowd=st.integers(0, 125))
def test_no_ledger_is_overfull_and_nobody_pays_more_than_he_bid(
    Town: Any, bids: list[tuple[int, int]], capacity: int, crowd: int
) -> None:
    town = Town(*NAMES, rules=TODAY, capacity=capacity)
    town.crowd = Crowd(crowd)
    for name, (fee, number) in zip(NAMES, bids, strict=False):
        town.admit(town.envelope(name, *operations(number), fee=fee))
        assert town.queue.operations <= QUEUE_LEDGERS * capacity
    closed = town.close().transactions
    assert sum(len(one.envelope.transaction.operations) for one in closed) <= capacity
    prices = {one.fee_charged / one.envelope.operations_charged for one in closed}
    assert len(prices) <= 1
    for one in closed:
        assert one.envelope.operations_charged * max(100, crowd) <= one.fee_charged <= one.envelope.fee_bid


@settings(max_examples=40)
@given(fees=st.lists(st.integers(100, 130), min_size=1, max_size=len(NAMES)), capacity=st.integers(1, 6))
def test_whoever_is_left_out_bid_less_than_all_who_got_in(Town: Any, fees: list[int], capacity: int) -> None:
    town = Town(*NAMES, rules=TODAY, capacity=capacity)
    offered = [town.envelope(name, *operations(1), fee=fee) for name, fee in zip(NAMES, fees, strict=False)]
    for envelope in offered:
        town.admit(envelope)
    taken = [one.envelope for one in town.close().transactions]
    assert len(taken) == min(capacity, len(offered))
    left = [rate(one) for one in offered if one not in taken]
    assert max(left, default=0) <= min(rate(one) for one in taken)


@settings(max_examples=20)
@given(fees=st.lists(st.integers(100, 130), min_size=2, max_size=6), capacity=st.integers(1, 3))
def test_an_accounts_order_goes_before_its_bids(Town: Any, fees: list[int], capacity: int) -> None:
    """Where an account's transactions may wait in a row, a high bid does not overtake what it must follow."""
    town = Town("ann", capacity=capacity)
    for ahead, fee in enumerate(fees):
        town.admit(town.envelope("ann", *operations(1), fee=fee, ahead=ahead))
    waiting = len(town.queue)
    sequences: list[int] = []
    while len(town.queue):
        sequences += [one.envelope.sequence for one in town.close().transactions]
    assert sequences == sorted(sequences)
    assert len(sequences) == waiting


def test_an_account_that_is_served_does_not_grow_old(Town: Any) -> None:
    town = Town("ann", capacity=1)
    for ahead in range(2):
        town.admit(town.envelope("ann", *operations(1), ahead=ahead))
    assert [len(town.close().transactions) for _ in range(2)] == [1, 1]


def test_who_must_go_takes_along_what_follows_him(Town: Any) -> None:
    town = Town("ann", "ben", capacity=1)
    for ahead, fee in enumerate((100, 110)):
        town.admit(town.envelope("ann", *operations(1), ahead=ahead, fee=fee))
    assert town.admit(town.envelope("ben", *operations(1), fee=105)).status == "PENDING"
    assert [one.source for one in town.queue] == [town["ben"].public_key]


def test_of_equal_bids_the_youngest_goes(Town: Any) -> None:
    town = Town("ann", "ben", "cid", capacity=1)
    for name, fee in (("ann", 100), ("ben", 100), ("cid", 101)):
        assert town.admit(town.envelope(name, *operations(1), fee=fee)).status == "PENDING"
    assert [one.source for one in town.queue] == [town[name].public_key for name in ("ann", "cid")]


def test_what_comes_after_somebody_had_to_go_must_bid_more_than_he_did(Town: Any) -> None:
    """Also where there is room again: otherwise many small ones would put out one that pays better."""
    town = Town("ann", "ben", "cid", rules=TODAY, capacity=2)
    town.admit(town.envelope("ann", *operations(4), fee=110))
    town.admit(town.envelope("ben", *operations(1), fee=120))
    assert len(town.queue) == 1
    refused = town.admit(town.envelope("cid", *operations(1), fee=110))
    assert (refused.status, refused.outbid) == ("ERROR", True)
    assert town.admit(town.envelope("cid", *operations(1), fee=111)).status == "PENDING"


def test_what_is_larger_than_the_queue_is_not_taken(Town: Any) -> None:
    town = Town("ann", "ben", rules=TODAY, capacity=2)
    town.admit(town.envelope("ben", *operations(1)))
    assert town.admit(town.envelope("ann", *operations(5), fee=1000)).status == "TRY_AGAIN_LATER"
    assert len(town.queue) == 1
