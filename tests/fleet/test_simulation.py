"""The simulated fleet keeps the promises of the real one: its links hold the contract, and it goes the whole way."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent.fleet.broker import Broker
from agent.ports import Message
from tests.fleet.brokers import Mosquitto, until
from tools.simulation.asyncio_link import AsyncioLink


class Loop:
    """An asyncio loop in a thread: WireLinks live in one."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self.loop.run_forever)
        self._thread.start()

    def run(self, link: AsyncioLink) -> AsyncioLink:
        asyncio.run_coroutine_threadsafe(link.run(), self.loop)
        return link

    def close(self, *links: AsyncioLink) -> None:
        for link in links:
            self.loop.call_soon_threadsafe(link.close)

        async def rest() -> None:
            await asyncio.gather(*asyncio.all_tasks() - {asyncio.current_task()}, return_exceptions=True)

        asyncio.run_coroutine_threadsafe(rest(), self.loop).result(20)
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join()
        self.loop.close()


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Mosquitto]:
    broker = Mosquitto(tmp_path)
    yield broker
    broker.close()


def test_a_wire_link_delivers_confirms_and_survives_a_broker_that_dies(broker: Mosquitto) -> None:
    loop = Loop()
    page = broker.link("page", ["event/#", "status"])
    car = loop.run(
        AsyncioLink(Broker("127.0.0.1", broker.port), "car", ["to/car"], Message("status", b"offline", retain=True))
    )
    until(lambda: page.connected and car.connected)
    first = car.publish(Message("event/x", b"1"))
    page.publish(Message("to/car", b"hello"))
    until(lambda: car.acknowledged() == [first])
    assert until(car.receive) == [Message("to/car", b"hello")]
    broker.kill()
    until(lambda: not car.connected and not page.connected)
    second = car.publish(Message("event/x", b"2"))
    broker.revive()
    until(lambda: car.acknowledged() == [second])
    loop.close(car)
    assert not car.connected


@pytest.mark.slow
def test_a_small_simulated_fleet_goes_the_whole_way_with_nothing_lost_or_doubled() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tools.fleet_sim", "--vehicles", "20", "--json"],
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert done.returncode == 0, done.stderr
    figures = json.loads(done.stdout.splitlines()[-1])
    assert (figures["entered"], figures["settled"], figures["closed"]) == (20, 20, 20)
    assert (figures["lost"], figures["doubled"]) == (0, 0)
    assert figures["event_to_page_p99_s"] < 5
    assert figures["messages_per_second"] > 50
