"""A party's line to Horizon: real HTTP to the town's localnet, bent on the way as its weather says.

What is asked twice between two ledgers is answered once: the town's state changes when a ledger closes and at no other
time, and a run's worth lies in its ledgers.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import requests
from stellar_sdk import Server

from agent.ledger.horizon import Horizon
from tools.chaos.doors import Weather

FAULTS = ("errors", "timeouts", "short", "late", "garbage", "unknown", "proxy")
"""5xx and 429 · lost requests and lost answers · history that begins shortly before now · some answers from a replica
that is behind · result_xdr that is none · an old envelope that nobody can read · another server's 404."""
ROLL = 0.25
"""Chance that a request meets a fault of the weather."""
RECENT = 8
"""Ledgers that a short history holds."""
AWAY = "<html><body>Bad Gateway</body></html>"


class Exchange:
    """What all lines share: the answers since the last close, and where a late replica is."""

    def __init__(self) -> None:
        self.answers: dict[str, Answer] = {}
        self.replica = ""
        self.head = 0
        self.requests = 0
        self.session = requests.Session()
        self.session.trust_env = False  # loopback needs no proxy, and asking for one takes longer than the answer


class BentHorizon(Horizon):
    """A Horizon for one party."""

    def __init__(self, url: str, passphrase: str, exchange: Exchange, weather: Weather) -> None:
        super().__init__(url, passphrase)
        self._wire = BentSession(self.url, exchange, weather)
        self._weather = weather

    def hand_in(self, envelope: str) -> None:
        self._weather.burn()
        super().hand_in(envelope)
        self._weather.burn()

    def _sdk(self) -> Server:
        is_new = self._server is None
        server = super()._sdk()
        if is_new:
            server._client._session = self._wire  # type: ignore[attr-defined]
        return server


@dataclass(frozen=True)
class Answer:
    """As much of a `requests.Response` as stellar_sdk looks at."""

    url: str
    status_code: int
    text: str
    headers: Mapping[str, str] = field(default_factory=dict)
    encoding: str = "utf-8"

    def iter_content(self, chunk_size: int, decode_unicode: bool) -> Iterator[bytes]:
        yield self.text.encode()

    def close(self) -> None:
        return


class BentSession:
    """In the place of the SDK's `requests.Session`."""

    def __init__(self, url: str, exchange: Exchange, weather: Weather) -> None:
        self._url, self._exchange, self._weather = url, exchange, weather

    def get(self, url: str, params: Mapping[str, str] | None = None, **options: Any) -> Answer:
        struck = self._struck()
        whole = f"{url}?{urlencode(sorted((params or {}).items()))}" if params else url
        if "timeouts" in struck:
            raise requests.ConnectionError("the line is cut")
        if "errors" in struck:
            return self._error(whole)
        if "late" in struck and self._exchange.replica:
            whole = whole.replace(self._url, self._exchange.replica)
        found = self._asked(whole)
        for fault in ("proxy", "garbage", "unknown"):
            if fault in struck:
                found = _BENT[fault](found)
        return _shortened(found, self._exchange.head) if "short" in self._weather.horizon else found

    def post(self, url: str, data: Any = None, json: Any = None, **options: Any) -> Answer:
        struck = self._struck()
        if "errors" in struck:
            return self._error(url)
        if "timeouts" in struck and self._weather.dice.random() < 0.5:
            raise requests.ConnectionError("it never arrives")
        answer = self._exchange.session.post(url, data=data, json=json, timeout=60)
        if "timeouts" in struck:
            raise requests.ConnectionError("it arrives, and nobody hears so")
        return Answer(url, answer.status_code, answer.text, dict(answer.headers))

    def close(self) -> None:
        return

    def _struck(self) -> set[str]:
        dice, faults = self._weather.dice, self._weather.horizon
        return {fault for fault in FAULTS if fault in faults and dice.random() < ROLL}

    def _error(self, url: str) -> Answer:
        return Answer(url, self._weather.dice.choice((429, 500, 502, 503, 504)), AWAY, {"Content-Type": "text/html"})

    def _asked(self, url: str) -> Answer:
        known = self._exchange.answers.get(url)
        if known is None:
            self._exchange.requests += 1
            answer = self._exchange.session.get(url, timeout=60)
            known = Answer(url, answer.status_code, answer.text, dict(answer.headers))
            if answer.status_code in (200, 404, 410):
                self._exchange.answers[url] = known
        return known


def _problem(url: str, status: int, kind: str, title: str) -> Answer:
    body = {"type": f"https://stellar.org/horizon-errors/{kind}", "title": title, "status": status, "detail": title}
    return Answer(url, status, json.dumps(body), {"Content-Type": "application/problem+json"})


def _is_history(url: str) -> bool:
    return urlsplit(url).path.rpartition("/")[2] in ("transactions", "operations")


def _proxy(found: Answer) -> Answer:
    if not _is_history(found.url):
        return found
    return Answer(found.url, 404, '{"error": "no such route", "status": 404}', {"Content-Type": "application/json"})


def _rewritten(found: Answer, change: Callable[[list[dict[str, Any]]], None]) -> Answer:
    """The answer with its records changed, where it has any."""
    if found.status_code != 200:
        return found
    body = json.loads(found.text)
    change(body["_embedded"]["records"] if "_embedded" in body else [body])
    return replace(found, text=json.dumps(body))


def _garbage(found: Answer) -> Answer:
    def change(records: list[dict[str, Any]]) -> None:
        for record in records:
            if "result_xdr" in record:
                record["result_xdr"] = "AAA="

    return _rewritten(found, change)


def _unknown(found: Answer) -> Answer:
    """The oldest transaction of a page holds an operation that no SDK of today knows."""

    def change(records: list[dict[str, Any]]) -> None:
        told = [record for record in records if "envelope_xdr" in record]
        if len(told) > 1:
            oldest = min(told, key=lambda record: int(record["ledger"]))
            oldest["envelope_xdr"] = oldest["envelope_xdr"][:60] + "////" + oldest["envelope_xdr"][64:]

    return _rewritten(found, change) if _is_history(found.url) else found


def _shortened(found: Answer, head: int) -> Answer:
    """As a Horizon says it that was set up a minute ago: 410 for what is asked from before, silence for the rest."""
    elder, where = max(1, head - RECENT), urlsplit(found.url)
    parts = where.path.strip("/").split("/")
    if where.path in ("", "/"):
        return _rewritten(found, lambda records: records[0].update(history_elder_ledger=elder))
    if parts[0] == "ledgers" and len(parts) == 2 and parts[1].isdigit() and int(parts[1]) < elder:
        return _problem(found.url, 410, "before_history", "Data Requested Is Before Recorded History")
    cursor = parse_qs(where.query).get("cursor", [""])[0]
    if _is_history(found.url) and cursor.isdigit() and int(cursor) >> 32 < elder and "order=asc" in where.query:
        return _problem(found.url, 410, "before_history", "Data Requested Is Before Recorded History")
    if parts[0] == "transactions" and len(parts) == 2 and found.status_code == 200:
        old = int(json.loads(found.text)["ledger"]) < elder
        return _problem(found.url, 404, "not_found", "Resource Missing") if old else found
    if not _is_history(found.url):
        return found

    def change(records: list[dict[str, Any]]) -> None:
        records[:] = [record for record in records if int(record["paging_token"]) >> 32 >= elder]

    return _rewritten(found, change)


_BENT = {"proxy": _proxy, "garbage": _garbage, "unknown": _unknown}
