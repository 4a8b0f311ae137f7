"""What leaves the car, and what does not."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agent.fleet.event_message import WITHHELD, describer, redacted
from agent.fleet.topics import VehicleTopics
from agent.journal import Event

SEED = "SBFZCHU5645DOKRWYBXVOXY2ELGJKFRX6VGGPRYUWHQ7PMXXJNDZFMKD"
describe = describer(VehicleTopics("north", "car"))


def test_an_event_is_told_with_its_job_kind_and_facts() -> None:
    event_message = describe(Event(4, "trip-1", "entered", {"ledger": 12, "transaction": "ab" * 32}, 1.23456))
    assert event_message is not None
    assert event_message.topic == "milepost/v1/north/car/event/entered"
    assert event_message.body == {
        "job": "trip-1",
        "kind": "entered",
        "at": 1.235,
        "data": {"ledger": 12, "transaction": "ab" * 32},
    }


@pytest.mark.parametrize(
    "name",
    [
        "latitude_deg",
        "lon",
        "gps",
        "position",
        "start_location",
        "secret",
        "seed",
        "key",
        "mqtt_password",
        "envelope",
    ],
)
def test_a_private_name_keeps_its_value_in_the_car(name: str) -> None:
    assert redacted({"deep": [{name: "48.137"}]}) == {"deep": [{name: WITHHELD}]}


def test_words_that_only_look_private_pass() -> None:
    facts = {
        "samples": 3,
        "platform": "x86",
        "frames": 12,
        "along": 1,
        "keyword": "k",
        "samples_per_second": 1.5,
    }
    assert redacted(facts) == facts


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=12,
)
private = st.sampled_from([SEED, f"key {SEED}", "48.13712, 11.57540", "-33.8567;151.2152"])


@settings(suppress_health_check=[HealthCheck.too_slow])  # a busy machine is no failure
@given(json_values, private, st.text())
def test_a_secret_seed_or_coordinates_never_pass_wherever_they_stand(value: Any, secret: str, name: str) -> None:
    for hiding in ({name: [value, secret]}, [{secret: value}], {name: {name: {"x": secret}}}):
        assert secret not in json.dumps(redacted(hiding))


def test_an_event_too_large_for_a_message_is_told_without_its_data() -> None:
    event_message = describe(Event(1, "j", "chosen", {"candidates": [{"n": "x" * 900}] * 60}, 0.0))
    assert event_message is not None
    assert event_message.body["data"] == {"withheld": "more than 32768 bytes"}


def test_a_kind_with_strange_signs_is_still_one_topic_level() -> None:
    event_message = describe(Event(1, "j", "a/b #+", {}, 0.0))
    assert event_message is not None
    assert event_message.topic == "milepost/v1/north/car/event/a-b---"
