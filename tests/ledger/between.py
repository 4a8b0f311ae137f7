"""A server between us and localnet, as bad as a real Horizon can be: it forgets, it is late, it makes things up."""

from __future__ import annotations

import json
import re
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Said = tuple[int, bytes, dict[str, str]]
"""Status, body, headers."""
Answer = Callable[[Said], Said]
"""What is answered instead of what localnet said."""
KEPT = ("content-type", "latest-ledger", "retry-after")


def problem(status: int, kind: str, title: str, **headers: str) -> Answer:
    """Horizon's own error document."""
    document = {"type": f"https://stellar.org/horizon-errors/{kind}", "title": title, "status": status, "detail": title}
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return lambda _: (status, json.dumps(document).encode(), named)


MISSING = problem(404, "not_found", "Resource Missing")
GONE = problem(410, "before_history", "Data Requested Is Before Recorded History")


def changed(change: Callable[[Any], Any]) -> Answer:
    """The true answer's document, changed."""

    def answer(said: Said) -> Said:
        return said[0], json.dumps(change(json.loads(said[1]))).encode(), said[2]

    return answer


class Between:
    def __init__(self, behind: str) -> None:
        self.behind, self.asked = behind, list[str]()
        self.url = ""
        self._rules: list[tuple[re.Pattern[str], Answer]] = []

    def on(self, pattern: str, answer: Answer) -> None:
        """From now on this is the answer to paths like that; the newest rule counts."""
        self._rules.insert(0, (re.compile(pattern), answer))

    def late(self, pattern: str, path: str) -> None:
        """What `path` says now is the answer to paths like that, whatever happens: a replica that stands still."""
        said = self._ask("GET", path, None)
        self.on(pattern, lambda _: said)

    def remembers(self, elder: int) -> None:
        """History begins there: the root says so, look-ups and pages leave out what was before."""
        self.on(r"^/$", changed(lambda root: {**root, "history_elder_ledger": elder}))
        self.on(r"^/(accounts|claimable_balances)/\w+/(transactions|operations)\b", changed(lambda p: _since(p, elder)))
        self.on(r"^/transactions/\w+$", lambda said: said if _ledger(said) >= elder else MISSING(said))
        self.on(r"^/ledgers/(\d+)$", lambda said: said if _ledger(said) >= elder else GONE(said))

    def well(self) -> None:
        """No rules any more."""
        self._rules.clear()

    def answer(self, method: str, path: str, body: bytes | None) -> Said:
        if method == "GET":
            self.asked.append(path)
        said = self._ask(method, path, body)
        rule = next((answer for pattern, answer in self._rules if pattern.search(path)), None)
        return rule(said) if rule else said

    def _ask(self, method: str, path: str, body: bytes | None) -> Said:
        request = urllib.request.Request(self.behind + path, body, method=method)
        try:
            with urllib.request.urlopen(request, timeout=20) as answer:
                return answer.status, answer.read(), _kept(answer.headers)
        except urllib.error.HTTPError as error:
            return error.code, error.read(), _kept(error.headers)


def _kept(headers: Any) -> dict[str, str]:
    return {name: value for name, value in headers.items() if name.lower() in KEPT}


def _ledger(said: Said) -> int:
    document = json.loads(said[1])
    return int(document.get("ledger") or document.get("sequence") or 1 << 31)


def _since(page: Any, elder: int) -> Any:
    if "_embedded" in page:
        records = page["_embedded"]["records"]
        page["_embedded"]["records"] = [r for r in records if int(r["paging_token"]) >> 32 >= elder]
    return page


@contextmanager
def between(behind: str) -> Iterator[Between]:
    made = Between(behind)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self._do("GET")

        def do_POST(self) -> None:
            self._do("POST")

        def _do(self, method: str) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            status, body, headers = made.answer(method, self.path, self.rfile.read(length) if length else None)
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        made.url = f"http://127.0.0.1:{server.server_port}"
        try:
            yield made
        finally:
            server.shutdown()
            thread.join()
