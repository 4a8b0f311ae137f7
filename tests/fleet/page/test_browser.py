"""The page in a real browser with a thousand vehicles: quick to paint, never stuck, right on a phone."""

from __future__ import annotations

import json
import random
import shutil
from collections.abc import Iterator

import pytest

from agent.fleet.loopback import LoopbackBroker, LoopbackLink
from agent.fleet.page.access import Access
from agent.fleet.page.server import FleetPage
from agent.fleet.status import EVERY
from agent.fleet.topics import whole_fleet
from agent.host.clock import ManualClock, SystemClock
from agent.host.systemd import Notifier
from tests.fleet.brokers import until
from tests.fleet.page.serving import served
from tests.fleet.page.street import Car, honest, hostile
from tools.chromium import PROGRAMS, Chromium, chromium

pytestmark = pytest.mark.slow
pytest.importorskip("websockets.sync.client", reason="the browser is driven over a websocket")

TOKEN = "a-token-of-some-length"
FRAME_STEPS = 8
"""FRAME_MS of page.js in steps, and one on each side."""
STEPS = """
let looks = 0;
performance.now = () => (looks += 1);
window.touched = [];
const row = (node) => (node.nodeType === 1 ? node : node.parentElement)?.closest("tr");
document.addEventListener("DOMContentLoaded", () => {
  for (const body of document.querySelectorAll("tbody"))
    new MutationObserver((list) => touched.push(new Set(list.flatMap(({ target, addedNodes, removedNodes }) =>
      [target, ...addedNodes, ...removedNodes].map(row).filter(Boolean))).size))
      .observe(body, { subtree: true, childList: true, characterData: true });
});
"""
MEASURE = """JSON.stringify({
  painted: performance.getEntriesByName("first-contentful-paint")[0].startTime,
  online: document.querySelector("#counts div:nth-child(3) dd")?.textContent,
  sideways: document.documentElement.scrollWidth > innerWidth,
  files: performance.getEntriesByType("resource").filter((r) => !r.name.includes("/live")).length,
  bytes: performance.getEntriesByType("resource").reduce((sum, r) => sum + r.decodedBodySize, 0),
  foreign: performance.getEntriesByType("resource").map((r) => r.name).filter((n) => !n.startsWith(location.origin)),
})"""
SHOW_MORE = (
    """for (const name of ["vehicles", "contributions", "payments"]) document.getElementById(`${name}-more`).click()"""
)
ROWS = "document.querySelectorAll('tbody tr').length"
TOUCHED = """
window.touched = [];
new MutationObserver((list) => list.forEach(({ target }) => touched.push(target.className || target.id)))
  .observe(document.getElementById("vehicle-rows"), { subtree: true, childList: true, characterData: true });
"""


def thousand(broker: LoopbackBroker) -> list[Car]:
    luck, clock = random.Random(7), ManualClock(SystemClock().now())
    cars = [Car(broker, clock, f"car-{number:04d}") for number in range(1000)]
    for number, car in enumerate(cars):
        car.live((hostile if number % 17 == 0 else honest)(number)[: luck.randrange(1, 12)])
        car.say(*(["The camera gives black frames."] if number % 41 == 0 else []))
    return cars


class Town:
    """A page that shows a thousand vehicles, in a browser that is logged in."""

    def __init__(self, browser: Chromium, address: str, page: FleetPage, cars: list[Car]) -> None:
        self.browser, self.address, self.page, self.cars = browser, address, page, cars

    def visit(self, width: int, height: int, scheme: str = "light") -> None:
        self.browser.visit(self.address, width, height, scheme)
        self.rest()

    def say(self, some: list[Car], *troubles: str) -> None:
        """Each of them says so, and the page shows it."""
        heard = self.page.dashboard.messages
        for car in some:
            car.clock.sleep(EVERY)
            car.say(*troubles)
        until(lambda: self.page.dashboard.messages >= heard + len(some))
        self.rest()

    def rest(self) -> None:
        """Until all that the board knows now is drawn."""
        version = self.page.dashboard.version
        until(lambda: int((self.browser.value("document.body?.dataset.drawn") or "-0").split("-")[1]) >= version, 60)


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    broker, clock = LoopbackBroker(), SystemClock()
    ears = LoopbackLink(broker, whole_fleet(), max_waiting=100_000)
    cars, access = thousand(broker), Access(TOKEN, clock)
    page = FleetPage(ears, access, clock, Notifier({}))
    if not any(map(shutil.which, PROGRAMS)):
        pytest.skip("no Chromium here (apt-get install chromium)")
    with served(page) as address, chromium(tmp_path_factory.mktemp("chromium")) as browser:
        until(lambda: len(page.dashboard.vehicles) == 1000)
        browser.call("Network.setCookie", name="milepost", value=access.login(TOKEN, ""), url=address)
        yield Town(browser, address, page, cars)
        assert browser.complaints == []


SCREENS = pytest.mark.parametrize(
    ("width", "height", "scheme"), [(1280, 900, "light"), (1280, 900, "dark"), (390, 844, "light")]
)


@SCREENS
def test_a_thousand_vehicles_are_painted_from_little_and_fit_the_screen(
    town: Town, width: int, height: int, scheme: str
) -> None:
    """What is painted first waits for a few small files and for no vehicle (`python -m tools.bench page` times it)."""
    town.visit(width, height, scheme)
    seen = json.loads(town.browser.value(MEASURE))
    assert seen["files"] <= 8
    assert seen["bytes"] < 64 * 1024
    assert seen["painted"]
    assert seen["online"] == "1000 of 1000"
    assert not seen["sideways"]
    assert seen["foreign"] == []


@SCREENS
def test_a_thousand_vehicles_in_motion_touch_few_rows_in_one_task(
    town: Town, width: int, height: int, scheme: str
) -> None:
    """A frame draws for so many milliseconds and then lets the page breathe. By a clock that moves a millisecond each
    time it is looked at, that is so many steps, and a step is one row."""
    browser = town.browser
    script = browser.call("Page.addScriptToEvaluateOnNewDocument", source=STEPS)["identifier"]
    town.visit(width, height, scheme)
    browser.value(SHOW_MORE)
    until(lambda: browser.value(ROWS) >= 300)
    for number in range(3):
        town.say(town.cars[:200], f"Trouble {number}.")
    assert "Trouble 2." in browser.value("document.getElementById('vehicle-rows').textContent")
    town.say(town.cars[:200])
    browser.call("Page.removeScriptToEvaluateOnNewDocument", identifier=script)
    assert 1 < browser.value("Math.max(...touched)") <= FRAME_STEPS


def test_what_did_not_change_is_not_drawn_again(town: Town) -> None:
    def touched() -> list[str]:
        return json.loads(town.browser.value("JSON.stringify(touched.splice(0))"))

    town.visit(1280, 900)
    town.browser.value(TOUCHED)
    town.say(town.cars[900:901])  # healthy as before, and far down the list
    assert touched() == []
    town.say(town.cars[500:501], "No fix from gpsd for 60 s.")  # it rises among those in need, and another makes room
    assert set(touched()) == {"vehicle-rows"}
    town.say(town.cars[500:501], "The camera is gone.")
    assert touched() == ["doing"]
    town.say(town.cars[500:501])


def test_a_round_that_does_worse_on_a_cars_own_roads_is_marked(town: Town) -> None:
    marked = "document.querySelector('#contribution-rows .trouble')?.textContent"
    town.visit(1280, 900)
    town.browser.value(SHOW_MORE)
    assert until(lambda: town.browser.value(marked)) == "worse: 8.25 here, was 7.50"
    assert "8.25 here, was 9.00" in town.browser.value("document.body.textContent")


def test_a_vehicle_has_a_page_of_its_own(town: Town) -> None:
    browser = town.browser
    browser.visit(f"{town.address}/vehicle/north/car-0017", 1280, 900)
    until(lambda: browser.value("document.querySelectorAll('#vehicle-rows tr').length") == 1)
    until(lambda: "0.1.0 on x86-cpu" in browser.value("document.getElementById('about').textContent"))
    assert browser.value("document.title") == "car-0017 · Milepost"
