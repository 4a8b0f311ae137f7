"""The draw of a committee: anybody draws the same, each by its strength, and nobody twice."""

from __future__ import annotations

from collections import Counter
from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st
from stellar_sdk import Keypair

from agent.core.draw import drawn, strengths
from agent.core.registry import Member, Registry, contributed
from agent.errors import Malformed

ACCOUNTS = sorted(Keypair.from_raw_ed25519_seed(bytes([n]) * 32).public_key for n in range(12))
registries = st.dictionaries(st.sampled_from(ACCOUNTS), st.integers(0, 10**9), min_size=1)
seeds = st.binary(min_size=32, max_size=32).map(bytes.hex)


def members(samples: dict[str, int]) -> list[Member]:
    return [Member(account=account, bond="00" * 32, samples=samples[account]) for account in sorted(samples)]


@given(registries, seeds, st.integers(1, 20), st.randoms())
def test_anybody_draws_the_same_in_whatever_order_the_registry_comes(
    samples: dict[str, int], seed: str, size: int, dice
) -> None:
    shuffled = members(samples)
    dice.shuffle(shuffled)
    assert drawn(shuffled, seed, size) == drawn(members(samples), seed, size)


@given(registries, seeds, st.integers(1, 20))
def test_nobody_is_drawn_twice_and_nobody_who_is_not_there(samples: dict[str, int], seed: str, size: int) -> None:
    found = drawn(members(samples), seed, size)
    assert len(set(found)) == len(found) == min(size, len(samples))
    assert set(found) <= samples.keys()


@given(registries, seeds, st.integers(1, 11))
def test_the_next_in_line_stands_in(samples: dict[str, int], seed: str, size: int) -> None:
    assert drawn(members(samples), seed, size + 1)[:size] == drawn(members(samples), seed, size)


def test_each_is_drawn_first_by_its_strength() -> None:
    samples = {ACCOUNTS[0]: 6, ACCOUNTS[1]: 3, ACCOUNTS[2]: 0}
    strong = strengths(samples, samples)
    first = Counter(drawn(members(samples), sha256(b"%d" % n).hexdigest(), 2)[0] for n in range(3000))
    for account, strength in strong.items():
        assert abs(first[account] / 3000 - strength / 2) < 0.03


def test_whose_fleet_brought_all_is_in_a_committee_more_often_and_whose_brought_none_is_too() -> None:
    samples = dict.fromkeys(ACCOUNTS[:9], 0) | {ACCOUNTS[0]: 10_000}
    counts = Counter(
        account for n in range(2000) for account in drawn(members(samples), sha256(b"%d" % n).hexdigest(), 3)
    )
    assert counts[ACCOUNTS[0]] > 1200  # 1/3 where all are alike
    assert all(counts[account] > 350 for account in ACCOUNTS[:9])


def test_samples_count_for_the_validator_that_was_named_alone() -> None:
    assert contributed([("GA", 5), (None, 100), ("GB", 1), ("GA", 2)]) == {"GA": 7, "GB": 1}


@given(registries)
def test_a_registry_says_the_same_in_the_same_bytes_only(samples: dict[str, int]) -> None:
    made = Registry(initiator=ACCOUNTS[0], dlc=f"DLC:{ACCOUNTS[1]}", ledger=7, size=1, members=tuple(members(samples)))
    assert Registry.parse(made.to_bytes()) == made
    assert made.digest == Registry.parse(made.to_bytes()).digest


@pytest.mark.parametrize("twist", ["twice", "out of order", "too few"])
def test_what_could_be_drawn_in_two_ways_is_no_registry(twist: str) -> None:
    rows = members(dict.fromkeys(ACCOUNTS[:3], 0))
    rows = {"twice": [rows[0], *rows], "out of order": rows[::-1], "too few": rows[:1]}[twist]
    good = Registry(initiator=ACCOUNTS[0], dlc=f"DLC:{ACCOUNTS[1]}", ledger=7, size=1, members=(rows[0],))
    wrong = good.model_copy(update={"members": tuple(rows), "size": 2})
    with pytest.raises(Malformed):
        Registry.parse(wrong.to_bytes())
