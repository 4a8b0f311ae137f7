from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from paho.mqtt.client import topic_matches_sub

from agent.errors import Malformed
from agent.fleet.topics import Address, VehicleTopics, address, market, matches, whole_fleet

TOPICS = VehicleTopics("north", "car-7")


def test_every_topic_of_a_vehicle_reads_back_to_where_it_came_from() -> None:
    assert TOPICS.status == "milepost/v1/north/car-7/status"
    assert address(TOPICS.status) == Address("north", "car-7", "status")
    assert address(TOPICS.event("opened")) == Address("north", "car-7", "event", "opened")
    assert address(TOPICS.command("hold")) == Address("north", "car-7", "cmd", "hold")
    assert address(TOPICS.reply("hold")) == Address("north", "car-7", "reply", "hold")
    assert matches(TOPICS.commands, TOPICS.command("hold"))


@pytest.mark.parametrize("name", ["", "a/b", "+", "#", "a b", "x" * 65, "market/", "-x", "å"])
def test_a_name_that_is_not_one_level_is_refused(name: str) -> None:
    with pytest.raises(Malformed):
        VehicleTopics("north", name)
    with pytest.raises(Malformed):
        VehicleTopics(name, "car")


def test_no_fleet_may_stand_where_validators_talk() -> None:
    with pytest.raises(Malformed, match="validators"):
        VehicleTopics("market", "car")
    assert address(market("GABC") + "/vote/x") is None


@pytest.mark.parametrize(
    "topic", ["", "milepost/v1", "milepost/v2/a/b/state", "x/v1/a/b/state", "milepost/v1/a//state"]
)
def test_what_is_no_vehicles_topic_is_nobodys(topic: str) -> None:
    assert address(topic) is None


def test_a_page_hears_status_state_and_events_of_its_fleet_alone() -> None:
    heard = [TOPICS.status, TOPICS.state, TOPICS.event("x")]
    assert all(any(matches(pattern, topic) for pattern in whole_fleet("north")) for topic in heard)
    assert not any(matches(pattern, TOPICS.command("hold")) for pattern in whole_fleet())
    assert not any(matches(pattern, TOPICS.status) for pattern in whole_fleet("south"))


levels = st.lists(st.sampled_from(["a", "b", "", "$x"]), min_size=1, max_size=4).map("/".join)
patterns = st.tuples(
    st.lists(st.sampled_from(["a", "b", "", "+"]), min_size=1, max_size=4), st.sampled_from(["", "/#"])
).map(lambda parts: "/".join(parts[0]) + parts[1])


@settings(suppress_health_check=[HealthCheck.too_slow])  # a busy machine is no failure
@given(patterns, levels)
def test_patterns_match_as_they_do_for_paho(pattern: str, topic: str) -> None:
    if pattern and topic:
        assert matches(pattern, topic) == topic_matches_sub(pattern, topic)
