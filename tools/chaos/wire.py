"""A party's line to Horizon: real HTTP to the town's localnet, bent on the way as its weather says.

What is asked twice between two ledgers is answered once: the town's state changes when a ledger closes and at no other
time, and a run's worth lies in its ledgers.
"""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs, urlsplit

import requests
from requests.adapters import HTTPAdapter
from requests.structures import CaseInsensitiveDict
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
AWAY = ("<html><body>Bad Gateway</body></html>", "text/html")


class Exchange:
    """What all lines share: the answers since the last close, and where a late replica is."""

    def __init__(self) -> None:
        self.answers: dict[str, requests.Response] = {}
        self.replica = ""
        self.head = 0
        self.requests = 0


class Line(Horizon):
    """A Horizon for one party."""

    def __init__(self, url: str, passphrase: str, exchange: Exchange, weather: Weather) -> None:
        super().__init__(url, passphrase)
        self._wire = Wire(url, exchange, weather)
        self._weather = weather

    def hand_in(self, envelope: str) -> None:
        self._weather.burn()
        super().hand_in(envelope)
        self._weather.burn()

    def _sdk(self) -> Server:
        is_new = self._server is None
        server = super()._sdk()
        if is_new:
            server._client._session.mount("http://", self._wire)  # type: ignore[union-attr]
        return server


class Wire(HTTPAdapter):
    """requests' transport."""

    def __init__(self, url: str, exchange: Exchange, weather: Weather) -> None:
        super().__init__(max_retries=0)
        self._url, self._exchange, self._weather = url, exchange, weather

    def send(self, request: requests.PreparedRequest, *args: Any, **options: Any) -> requests.Response:
        dice, faults = self._weather.dice, self._weather.horizon
        struck = {fault for fault in FAULTS if fault in faults and dice.random() < ROLL}
        if "timeouts" in struck:
            if request.method == "POST" and dice.random() < 0.5:
                super().send(request, *args, **options)  # it arrives; nobody hears so
            raise requests.ConnectionError("the line is cut")
        if "errors" in struck:
            return _answer(request, dice.choice((429, 500, 502, 503, 504)), *AWAY)
        if request.method != "GET":
            return super().send(request, *args, **options)
        if "late" in struck and self._exchange.replica:
            request = request.copy()
            request.url = (request.url or "").replace(self._url, self._exchange.replica)
        found = self._get(request, *args, **options)
        for fault in ("proxy", "garbage", "unknown"):
            if fault in struck:
                found = _BENT[fault](request, found)
        return _shortened(request, found, self._exchange.head) if "short" in faults else found

    def _get(self, request: requests.PreparedRequest, *args: Any, **options: Any) -> requests.Response:
        url = request.url or ""
        known = self._exchange.answers.get(url)
        if known is None:
            self._exchange.requests += 1
            answer = super().send(request, *args, **options)
            known = _answer(request, answer.status_code, answer.text, "")
            known.headers = answer.headers
            if answer.status_code in (200, 404, 410):
                self._exchange.answers[url] = known
        copy = _answer(request, known.status_code, known.text, "")
        copy.headers = known.headers
        return copy


def _answer(request: requests.PreparedRequest, status: int, text: str, kind: str) -> requests.Response:
    made = requests.Response()
    made.status_code, made.url, made.request, made.encoding = status, request.url or "", request, "utf-8"
    made.headers = CaseInsensitiveDict({"Content-Type": kind})
    made.raw = io.BytesIO(text.encode())
    made._content = text.encode()
    made._content_consumed = True  # type: ignore[attr-defined]
    return made


def _problem(request: requests.PreparedRequest, status: int, kind: str, title: str) -> requests.Response:
    body = {"type": f"https://stellar.org/horizon-errors/{kind}", "title": title, "status": status, "detail": title}
    return _answer(request, status, json.dumps(body), "application/problem+json")


def _is_history(request: requests.PreparedRequest) -> bool:
    return urlsplit(request.url or "").path.rpartition("/")[2] in ("transactions", "operations")


def _proxy(request: requests.PreparedRequest, found: requests.Response) -> requests.Response:
    if not _is_history(request):
        return found
    return _answer(request, 404, '{"error": "no such route", "status": 404}', "application/json")


def _rewritten(found: requests.Response, change: Callable[[list[dict[str, Any]]], None]) -> requests.Response:
    """The answer with its records changed, where it has any."""
    if found.status_code != 200:
        return found
    body = json.loads(found.text)
    change(body["_embedded"]["records"] if "_embedded" in body else [body])
    made = _answer(found.request, 200, json.dumps(body), "application/json")
    made.headers = found.headers
    return made


def _garbage(request: requests.PreparedRequest, found: requests.Response) -> requests.Response:
    def change(records: list[dict[str, Any]]) -> None:
        for record in records:
            if "result_xdr" in record:
                record["result_xdr"] = "AAA="

    return _rewritten(found, change)


def _unknown(request: requests.PreparedRequest, found: requests.Response) -> requests.Response:
    """The oldest transaction of a page holds an operation that no SDK of today knows."""

    def change(records: list[dict[str, Any]]) -> None:
        told = [record for record in records if "envelope_xdr" in record]
        if len(told) > 1:
            oldest = min(told, key=lambda record: int(record["ledger"]))
            oldest["envelope_xdr"] = oldest["envelope_xdr"][:60] + "////" + oldest["envelope_xdr"][64:]

    return _rewritten(found, change) if _is_history(request) else found


def _shortened(request: requests.PreparedRequest, found: requests.Response, head: int) -> requests.Response:
    """As a Horizon says it that was set up a minute ago: 410 for what is asked from before, silence for the rest."""
    elder, where = max(1, head - RECENT), urlsplit(request.url or "")
    parts = where.path.strip("/").split("/")
    if where.path == "/":
        return _rewritten(found, lambda records: [r.update(history_elder_ledger=elder) for r in records] and None)
    if parts[0] == "ledgers" and len(parts) == 2 and parts[1].isdigit() and int(parts[1]) < elder:
        return _problem(request, 410, "before_history", "Data Requested Is Before Recorded History")
    cursor = parse_qs(where.query).get("cursor", [""])[0]
    if _is_history(request) and cursor.isdigit() and int(cursor) >> 32 < elder and "order=asc" in where.query:
        return _problem(request, 410, "before_history", "Data Requested Is Before Recorded History")
    if parts[0] == "transactions" and len(parts) == 2 and found.status_code == 200:
        old = int(json.loads(found.text)["ledger"]) < elder
        return _problem(request, 404, "not_found", "Resource Missing") if old else found
    if not _is_history(request):
        return found

    def change(records: list[dict[str, Any]]) -> None:
        records[:] = [record for record in records if int(record["paging_token"]) >> 32 >= elder]

    return _rewritten(found, change)


_BENT = {"proxy": _proxy, "garbage": _garbage, "unknown": _unknown}
