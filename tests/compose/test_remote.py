"""Over the air a vehicle can be made more careful, and nothing else."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.compose.remote import CHANGEABLE, settle
from agent.core.gates import BANDS
from agent.host.sections import Config, Gates, Mqtt

OWN = Config(gates=Gates(metered="use"), mqtt=Mqtt(metric_s=60))


def refused(key: str, wish: Any) -> str:
    settled = settle(OWN, {key: wish})
    assert settled.config == OWN
    assert settled.taken == {}
    return settled.refused[key]


def test_gates_may_become_stricter_and_figures_more_or_less_frequent() -> None:
    wishes = {
        "gates.pause_above_c": 70,
        "gates.resume_below_c": 60.5,
        "gates.pause_below_volts": 12.1,
        "gates.resume_above_volts": 12.9,
        "gates.disk_free_mb": 4096,
        "gates.metered": "wait",
        "mqtt.metric_s": 600,
    }
    settled = settle(OWN, wishes)
    assert (settled.taken, settled.refused) == (wishes, {})
    assert settled.config.gates.pause_above_c == 70
    assert settled.config.mqtt.metric_s == 600
    assert {key: settled.outcome.settings[key] for key in wishes} == wishes
    assert settle(OWN, {}).config == OWN


@pytest.mark.parametrize(
    ("key", "wish"),
    [
        ("gates.pause_above_c", 95),
        ("gates.resume_below_c", 80),
        ("gates.pause_below_volts", 9),
        ("gates.resume_above_volts", 12),
        ("gates.disk_free_mb", 0),
        ("gates.pause_above_load", 1.0),
        ("gates.resume_below_load", 0.8),
    ],
)
def test_no_gate_may_become_laxer_than_the_vehicles_owner_has_it(key: str, wish: float) -> None:
    assert "the vehicle's own" in refused(key, wish)


def test_no_wish_spends_the_owners_money_on_a_metered_link() -> None:
    own = Config()
    assert settle(own, {"gates.metered": "use"}).refused["gates.metered"].startswith("Over the air")


@pytest.mark.parametrize(
    "key",
    [
        "market.max_stake", "market.min_pay", "market.initiators", "market.operator", "ledger.horizon",
        "ledger.passphrase", "agent.key_file", "agent.state_dir", "mqtt.host", "mqtt.discovery", "camera.source",
        "trip.geofences", "train.past_mb", "gates", "gates.", ".", "gates.__class__", "__init__.x", "mqtt.tls.ca",
    ],
)  # fmt: skip
def test_neither_money_ledger_keys_places_nor_the_link_itself_can_be_changed(key: str) -> None:
    assert refused(key, "x") == "It cannot be changed over the air."


@pytest.mark.parametrize("wish", ["70", True, -1, 10**400, 1e300])
def test_a_value_of_the_wrong_kind_is_refused(wish: Any) -> None:
    assert refused("gates.pause_above_c", wish).endswith(".")


def test_a_band_that_would_be_upside_down_is_refused_and_says_what_to_wish_for() -> None:
    sentence = refused("gates.pause_above_c", 70)
    assert sentence == "gates.resume_below_c would be 75, above gates.pause_above_c with 70: wish for both."


def test_one_refused_setting_does_not_take_the_others_along() -> None:
    settled = settle(OWN, {"gates.pause_above_c": 80, "market.max_stake": "9"})
    assert (settled.taken, list(settled.refused)) == ({"gates.pause_above_c": 80}, ["market.max_stake"])


values = st.floats(allow_nan=False) | st.integers() | st.booleans() | st.sampled_from(["wait", "use", "x"])
wishes = st.dictionaries(st.sampled_from([*CHANGEABLE, "market.max_stake", "mqtt.port"]), values)


@given(wishes)
def test_whatever_is_wished_the_vehicle_is_never_less_careful_and_its_configuration_stays_good(
    wished: dict[str, Any],
) -> None:
    settled = settle(OWN, wished)
    assert settled.taken.keys() | settled.refused.keys() == wished.keys()
    assert not settled.taken.keys() & settled.refused.keys()
    after, own = settled.config, OWN
    assert Config.model_validate(after.model_dump()) == after
    assert after.gates.pause_above_c <= own.gates.pause_above_c
    assert after.gates.pause_below_volts >= own.gates.pause_below_volts
    assert after.gates.disk_free_mb >= own.gates.disk_free_mb
    assert all(getattr(after.gates, low) <= getattr(after.gates, high) for low, high in BANDS)
    same = {"agent", "ledger", "market", "content", "camera", "odometer", "trip", "train", "machine", "validator"}
    assert all(getattr(after, section) == getattr(own, section) for section in same)
    assert settle(OWN, settled.taken) == settle(OWN, json.loads(json.dumps(settled.taken)))
    assert settle(OWN, settled.taken).refused == {}
