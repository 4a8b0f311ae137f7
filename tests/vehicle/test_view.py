"""Several cameras: a round says which view it is learnt from, and one camera is on at a time."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from agent.compose.vehicle import survey
from agent.core.jobs.contribution import JobState
from agent.core.round import Task
from agent.host.config import load
from agent.vehicle.view import NoSuchView, wanted
from tests.market.town import STEERING, Town, found
from tests.vehicle.test_daemon import Ride
from tests.vehicle.test_daemon import ride as ride
from tests.vehicle.test_offers import Car
from tools.localnet.server import Localnet

REAR = STEERING.model_copy(update={"view": "rear"})


@pytest.fixture(scope="module")
def town(net: Localnet, tmp_path_factory: pytest.TempPathFactory) -> Town:
    return found(net, tmp_path_factory.mktemp("town"), task=REAR)


@pytest.mark.parametrize(("view", "taken"), [(None, "front"), ("front", "front"), ("rear", "rear")])
def test_the_first_camera_is_taken_where_a_round_asks_for_none(view: str | None, taken: str) -> None:
    assert wanted(Task(kind="steering", view=view), ("front", "rear")) == taken


def test_a_view_that_the_car_has_not_is_said_with_those_it_has() -> None:
    with pytest.raises(NoSuchView, match=r"the view left was refused: the cameras of this car look front, rear\."):
        wanted(Task(kind="steering", view="left"), ("front", "rear"))


@pytest.mark.slow
def test_a_car_without_the_view_passes_the_offer_over(town: Town, tmp_path: Path) -> None:
    seen = survey(load(Car(town, town.driver(), tmp_path).config()))
    assert "the cameras of this car look front. The offer is passed over." in seen.ranked[0].lost


@pytest.mark.slow
def test_a_round_is_learnt_from_the_camera_it_asks_for(ride: Callable[..., Ride]) -> None:
    """The front camera is not there, and nobody misses it."""
    rear = {"view": "rear", "source": "road:?seconds=600&fps=10"}
    one = ride(camera={"source": "v4l2:/dev/video99", "others": [rear]})
    one.wheel.drives = True
    one.until_it_is(JobState.TRAINING)
    one.until(lambda: one.frames > 3)
    assert "video99" not in one.troubles
    one.wheel.drives = False
    one.until_it_is(JobState.ENTERED)
