"""Gates: a table of names and predicates, with a band between shutting and opening."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.core.gates import GATES, GateLimits, Work, barred, look
from agent.ports import Conditions

LIMITS = GateLimits(
    pause_above_c=85,
    resume_below_c=75,
    pause_below_volts=11.8,
    resume_above_volts=12.4,
    disk_free_mb=1024,
    pause_above_load=0.9,
    resume_below_load=0.7,
    metered="wait",
)
FINE = Conditions(
    temperature_c=50,
    battery_volts=13.8,
    ignition=True,
    disk_free_bytes=50_000_000_000,
    cpu_load=0.1,
    metered=False,
)

BAND = [
    # gate, the condition, beyond the first threshold, between the two, beyond the second
    ("temperature", "temperature_c", 86, 80, 74),
    ("battery", "battery_volts", 11.7, 12.0, 12.5),
    ("disk", "disk_free_bytes", 1_000_000_000, 1_100_000_000, 2_000_000_000),
    ("load", "cpu_load", 0.95, 0.8, 0.6),
]


def test_a_machine_that_is_fine_works() -> None:
    assert look((), FINE, LIMITS) == frozenset()


@pytest.mark.parametrize(("gate", "field", "bad", "between", "good"), BAND)
def test_a_gate_shuts_at_one_threshold_and_opens_at_another(
    gate: str, field: str, bad: float, between: float, good: float
) -> None:
    def at(closed: frozenset[str], value: float | None) -> frozenset[str]:
        return look(closed, replace(FINE, **{field: value}), LIMITS)

    assert at(frozenset(), between) == frozenset()
    shut = at(frozenset(), bad)
    assert shut == {gate}
    assert at(shut, between) == {gate}
    assert at(shut, None) == {gate}
    assert at(shut, good) == frozenset()


@given(st.lists(st.floats(11, 13), max_size=30))
def test_a_battery_that_wavers_within_the_band_never_flaps(volts: list[float]) -> None:
    closed: frozenset[str] = frozenset()
    for value in volts:
        before, closed = closed, look(closed, replace(FINE, battery_volts=value), LIMITS)
        if LIMITS.pause_below_volts <= value <= LIMITS.resume_above_volts:
            assert closed == before


def test_what_cannot_be_known_stops_nothing() -> None:
    assert look((), Conditions(), LIMITS) == frozenset()


def test_with_the_ignition_off_the_car_does_not_train() -> None:
    assert look((), replace(FINE, ignition=False), LIMITS) == {"ignition"}


def test_a_metered_link_bars_transfers_and_not_training() -> None:
    closed = look((), replace(FINE, metered=True), LIMITS)
    assert [gate.name for gate in barred(closed, Work.TRANSFERS)] == ["link"]
    assert barred(closed, Work.TRAINING) == ()


def test_an_owner_may_allow_metered_links() -> None:
    assert look((), replace(FINE, metered=True), replace(LIMITS, metered="use")) == frozenset()


def test_an_operators_hold_bars_everything_until_it_is_lifted() -> None:
    closed = look((), replace(FINE, held=True), LIMITS)
    assert all(barred(closed, work) for work in Work)
    assert look(closed, FINE, LIMITS) == frozenset()


def test_every_gate_says_what_it_waits_for() -> None:
    assert len({gate.name for gate in GATES}) == len(GATES)
    assert all(gate.why.endswith(".") and gate.bars for gate in GATES)
