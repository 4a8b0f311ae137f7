"""A camera that is plugged in late, pulled in mid-drive and plugged in again: a real server, killed and started."""

from __future__ import annotations

import socket
import subprocess
from collections.abc import Callable, Iterator

import pytest

from agent.core.jobs.contribution import JobState
from tests.market.town import STEERING, Town, found
from tests.sense.test_camera import Serve
from tests.sense.test_camera import port as port
from tests.sense.test_camera import serve as serve
from tests.vehicle.test_daemon import Ride
from tests.vehicle.test_daemon import ride as ride
from tools.localnet.server import Localnet

PICTURE = "testsrc=size=160x120:rate=25"
WHOLE = ["opened", "chosen", "fetched", "arrived", "trained", "stored", "signed", "entered"]

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module", params=[None, "rear"])
def town(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    """Its round asks for that view."""
    task = STEERING.model_copy(update={"view": request.param})
    with Localnet() as net:
        yield found(net, tmp_path_factory.mktemp("town"), task=task)


@pytest.fixture
def idle() -> Iterator[socket.socket]:
    """Where a camera would be, if anybody asked for it."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.setblocking(False)
        yield listener


def pull(plug: subprocess.Popen) -> None:
    plug.kill()
    plug.wait()


def test_a_camera_may_be_plugged_in_pulled_and_plugged_in_again_while_the_car_drives(
    ride: Callable[..., Ride], serve: Serve, port: int, idle: socket.socket, town: Town
) -> None:
    """It is one camera of two, the first or the other; the one that no round asks for is not even opened."""
    shown, hidden = (f"http://127.0.0.1:{place}/eye#fps=10" for place in (port, idle.getsockname()[1]))
    front, rear = (hidden, shown) if town.round.task.view == "rear" else (shown, hidden)
    one = ride(camera={"source": front, "others": [{"view": "rear", "source": rear}]})
    one.wheel.drives = True
    one.until_it_is(JobState.TRAINING)
    one.until(lambda: "is not there" in one.troubles)
    plug = serve(PICTURE)
    for _ in range(2):
        before = one.frames
        one.until(lambda: one.frames > before + 3 and not one.troubles)  # noqa: B023
        pull(plug)
        one.until(lambda: f"127.0.0.1:{port}" in one.troubles and "Is it plugged in?" in one.troubles)
        plug = serve(PICTURE)
    before = one.frames
    one.until(lambda: one.frames > before and not one.troubles)
    one.wheel.drives = False
    one.until_it_is(JobState.ENTERED)
    assert one.kinds == WHOLE
    with pytest.raises(BlockingIOError):
        idle.accept()


def test_a_camera_that_stays_pulled_costs_only_what_it_would_have_seen(
    ride: Callable[..., Ride], serve: Serve, port: int
) -> None:
    source = f"http://127.0.0.1:{port}/eye#fps=10"
    one = ride(camera={"source": source, "others": [{"view": "rear", "source": source}]})
    one.wheel.drives = True
    one.until_it_is(JobState.TRAINING)
    plug = serve(PICTURE)
    one.until(lambda: one.frames > 3)
    pull(plug)
    one.until(lambda: "is not there" in one.troubles)
    one.wheel.drives = False
    one.until_it_is(JobState.ENTERED)
    assert one.kinds == WHOLE
    assert "is not there" not in one.troubles  # parked, nobody looks through it
