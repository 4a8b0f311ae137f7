"""Who knows the token sees the fleet live; nobody can change anything."""

from __future__ import annotations

import http.client
import json
import urllib.parse
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from agent.content.folder import FolderStore
from agent.errors import CredentialError
from agent.fleet.loopback import LoopbackBroker, LoopbackLink
from agent.fleet.page.access import TRIES, Access, load_token, new_token
from agent.fleet.page.server import PART, PART_BYTES, STATIC, FleetPage, pieces
from agent.fleet.topics import whole_fleet
from agent.host.clock import ManualClock, SystemClock
from agent.host.systemd import Notifier
from tests.fleet.brokers import until
from tests.fleet.page.family import put_family
from tests.fleet.page.serving import served
from tests.fleet.page.street import Car, honest

TOKEN = "a-token-of-some-length"


class Browser:
    """Just enough of one."""

    def __init__(self, address: str) -> None:
        self.host = urllib.parse.urlsplit(address).netloc
        self.cookie = ""

    def ask(self, method: str, path: str, body: str | None = None, **headers: str) -> tuple[int, dict[str, str], str]:
        connection = http.client.HTTPConnection(self.host, timeout=60)
        connection.request(method, path, body, {"Cookie": self.cookie, **headers})
        answer = connection.getresponse()
        text = answer.read().decode()
        connection.close()
        return answer.status, {name.lower(): value for name, value in answer.getheaders()}, text

    def login(self, token: str = TOKEN) -> int:
        form = urllib.parse.urlencode({"token": token})
        status, headers, _ = self.ask("POST", "/login", form)
        self.cookie = headers.get("set-cookie", "").split(";")[0]
        return status

    def news(self, path: str = "/live", count: int = 1, last_id: str = "") -> list[dict[str, Any]]:
        """The first `count` pieces of news."""
        connection = http.client.HTTPConnection(self.host, timeout=60)
        connection.request("GET", path, headers={"Cookie": self.cookie, "Last-Event-ID": last_id})
        answer, found, self.last_id = connection.getresponse(), [], ""
        while len(found) < count:
            line = answer.readline().decode()
            if line.startswith("data: "):
                found.append(json.loads(line[6:]))
            if line.startswith("id: "):
                self.last_id = line[4:].strip()
        connection.close()
        return found


class Town:
    def __init__(self, folder: Path) -> None:
        self.broker, self.clock = LoopbackBroker(), SystemClock()
        self.car = Car(self.broker, ManualClock(self.clock.now()), "car-1")
        store = FolderStore(folder / "store")
        self.cids = put_family(store, folder / "made")
        ears = LoopbackLink(self.broker, whole_fleet(), max_waiting=10_000)
        self.page = FleetPage(
            ears, Access(TOKEN, self.clock), self.clock, Notifier({}), store, "https://ledger.example/tx/{hash}"
        )


@pytest.fixture
def town(tmp_path: Path) -> Town:
    return Town(tmp_path)


@pytest.fixture
def browser(town: Town) -> Iterator[Browser]:
    with served(town.page) as address:
        yield Browser(address)


def test_without_the_token_there_is_only_the_login_page(browser: Browser) -> None:
    for path in ("/", "/vehicle/north/car-1"):
        assert browser.ask("GET", path)[:2][1]["location"] == "/login"
    for path in ("/live", "/board.json"):
        assert browser.ask("GET", path)[0] == 401
    assert browser.login("wrong-token-of-some-length") == 401
    assert 'role="alert">That token was not taken' in browser.ask("POST", "/login", "token=wrong")[2]
    assert 'role="alert">' not in browser.ask("GET", "/login")[2]
    browser.cookie = "milepost=0000"
    assert browser.ask("GET", "/board.json")[0] == 401


def test_with_the_token_the_fleet_is_there(browser: Browser, town: Town) -> None:
    town.car.live(honest(1, round_cid=town.cids[4]))
    assert browser.login() == 303
    assert "HttpOnly" in browser.ask("POST", "/login", urllib.parse.urlencode({"token": TOKEN}))[1]["set-cookie"]
    assert "<title>Milepost fleet</title>" in browser.ask("GET", "/")[2]
    found = until(lambda: [b for b in [json.loads(browser.ask("GET", "/board.json")[2])] if b["counts"]["vehicles"]])[0]
    assert found["vehicles"][0]["status"] == "online"
    assert found["transactions"] == "https://ledger.example/tx/{hash}"


def test_much_news_comes_in_pieces_that_a_browser_reads_one_by_one() -> None:
    cards = {
        kind: [f"{kind} {n}" for n in range(count)] for kind, count in (("vehicles", 600), ("jobs", 1), ("rounds", 0))
    }
    whole = {**cards, "payments": ["p"], "version": 9, "first": True, "counts": {"vehicles": 600}}
    parts = pieces(whole)
    assert [part["first"] for part in parts] == [True, False, False]
    assert [sum(len(part[kind]) for kind in (*cards, "payments")) for part in parts] == [PART, PART, 602 - 2 * PART]
    for kind in (*cards, "payments"):
        assert [card for part in parts for card in part[kind]] == whole[kind]
    assert all(part["counts"] == whole["counts"] for part in parts)
    long = pieces({**whole, "vehicles": [{"about": "x" * 30_000}] * 20, "jobs": [], "payments": []})
    assert [len(part["vehicles"]) for part in long] == [4] * 5
    assert max(len(json.dumps(part)) for part in long) < PART_BYTES + 1000
    nothing = {**whole, "vehicles": [], "jobs": [], "payments": [], "first": False}
    assert pieces(nothing) == [nothing]


@pytest.mark.slow
def test_rounds_and_their_ancestors_are_read_from_the_store(browser: Browser, town: Town) -> None:
    town.car.live(honest(1, round_cid=town.cids[4]))
    browser.login()

    def figures() -> list[str]:
        rounds = json.loads(browser.ask("GET", "/board.json")[2])["rounds"]
        return sorted(card["figure"] for card in rounds if card["figure"])

    assert until(lambda: len(figures()) == 5)
    assert figures() == ["6.21", "6.4", "6.9", "7.42", "9.81"]


def test_news_comes_live_and_only_what_changed(browser: Browser, town: Town) -> None:
    browser.login()
    town.car.say()
    until(lambda: town.page.dashboard.vehicles)
    (whole,) = browser.news()
    assert whole["first"] is True
    town.car.live(honest(1)[:3])
    until(lambda: town.page.dashboard.jobs)
    (more,) = browser.news(last_id=browser.last_id)
    assert more["first"] is False
    assert more["jobs"][0]["state"] == "training"
    (other,) = browser.news("/live?vehicle=north%2Fnobody")
    assert other["vehicles"] == []
    (restarted,) = browser.news(last_id="another-7")
    assert restarted["first"] is True


def test_a_script_may_use_the_token_as_a_bearer(browser: Browser) -> None:
    assert browser.ask("GET", "/board.json", Authorization=f"Bearer {TOKEN}")[0] == 200
    assert browser.ask("GET", "/board.json", Authorization="Bearer nonsense")[0] == 401


def test_nothing_on_the_page_changes_anything(browser: Browser) -> None:
    browser.login()
    for method in ("POST", "PUT", "DELETE", "PATCH"):
        for path in ("/", "/board.json", "/live", "/vehicle/north/car-1"):
            assert browser.ask(method, path)[0] == 405


def test_every_answer_forbids_foreign_assets_and_framing(browser: Browser) -> None:
    for path in ("/login", "/", "/assets/page.js", "/assets/rows.js", "/board.json", "/nothing"):
        headers = browser.ask("GET", path)[1]
        if path != "/nothing":
            assert "default-src 'none'" in headers["content-security-policy"]
    assert browser.ask("GET", "/assets/..%2fserver.py")[0] == 404
    assert browser.ask("GET", "/assets/index.html")[0] == 404


def test_a_login_of_a_megabyte_is_refused(browser: Browser) -> None:
    assert browser.ask("POST", "/login", "token=" + "x" * 1_000_000)[0] == 401


def test_health_says_whether_the_broker_is_there(browser: Browser, town: Town) -> None:
    assert json.loads(browser.ask("GET", "/healthz")[2]) == {"broker": True}
    town.broker.stop()
    assert json.loads(browser.ask("GET", "/healthz")[2]) == {"broker": False}


def test_whoever_guesses_is_told_so_for_a_minute() -> None:
    clock = ManualClock()
    access = Access(TOKEN, clock)
    for _ in range(TRIES):
        assert access.login("wrong", "192.0.2.1") is None
    assert not access.weary("192.0.2.1")
    access.login("wrong", "192.0.2.1")
    assert access.weary("192.0.2.1")
    clock.sleep(61)
    assert not access.weary("192.0.2.1")


def test_a_token_others_can_read_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "fleet-token"
    token = new_token(path)
    assert load_token(path) == token
    assert path.stat().st_mode & 0o777 == 0o600
    path.chmod(0o644)
    with pytest.raises(CredentialError, match="chmod 600"):
        load_token(path)
    path.chmod(0o600)
    path.write_text("short")
    with pytest.raises(CredentialError, match="at least 16"):
        load_token(path)
    with pytest.raises(CredentialError):
        load_token(tmp_path / "nowhere")


def test_the_page_names_no_other_host() -> None:
    for path in STATIC.iterdir():
        text = path.read_text().replace("http://www.w3.org/2000/svg", "")
        assert "http://" not in text and "https://" not in text, path.name
        assert "innerHTML" not in text, path.name
