"""A localnet for tests and demos: the real server in its own process, on a free loopback port."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from .errors import UNAVAILABLE, LocalnetError

if TYPE_CHECKING:
    from .foreign import Kind

_STOP_SECONDS = 10
_HTTP_SECONDS = 60
_ROOT = Path(__file__).resolve().parents[__name__.count(".")]
"""The folder that `__package__` is imported from."""


class LocalnetFailed(LocalnetError):
    """Localnet did not start: it ended with exit code {code}. Its own words are above."""

    exit_code = UNAVAILABLE


class Localnet:
    """`with Localnet() as net:` a ledger that closes on demand, at `net.url`.

    state: a directory if the ledger is to outlive its process. close_every, fault, timeout, history, replica, surge:
    as on the command line; `replica_url` is the late address. After `kill()` or `stop()`, `start()` serves the same
    ledger at the same addresses again.
    """

    def __init__(
        self,
        state: Path | None = None,
        passphrase: str = "Milepost Test ; 2026",  # noqa: S107  the name of a network, no secret
        close_every: str = "manual",
        fault: str = "",
        timeout: str = "30s",
        history: int | None = None,
        replica: int | None = None,
        surge: int | None = None,
        options: Sequence[str] = (),
    ) -> None:
        self.passphrase = passphrase
        self.url = ""
        self.replica_url = ""
        self.root_seed = ""
        self._options = [
            *(
                "--passphrase",
                passphrase,
                "--close-every",
                close_every,
                "--fault",
                fault,
                "--timeout",
                timeout,
            ),
            *(("--state", str(state)) if state else ()),
            *(("--history", str(history)) if history is not None else ()),
            *(("--replica", str(replica)) if replica is not None else ()),
            *(("--surge", str(surge)) if surge is not None else ()),
            *options,
        ]
        self._port = self._replica_port = 0
        self._process: subprocess.Popen[str] | None = None

    def __repr__(self) -> str:
        return f"<Localnet {self.url or 'stopped'}>"

    def __enter__(self) -> Localnet:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Returns once requests are taken. Raises LocalnetFailed."""
        command = [
            sys.executable,
            "-m",
            __package__,
            "--json",
            "--port",
            str(self._port),
            "--replica-port",
            str(self._replica_port),
            *self._options,
        ]
        self._process = subprocess.Popen(command, cwd=_ROOT, stdout=subprocess.PIPE, text=True)
        line = self._process.stdout.readline() if self._process.stdout else ""
        if not line:
            raise LocalnetFailed(code=self._process.wait())
        facts = json.loads(line)
        self.url, self.root_seed = facts["url"], facts["root_seed"]
        self._port = int(self.url.rpartition(":")[2])
        if "replica_url" in facts:
            self.replica_url = facts["replica_url"]
            self._replica_port = int(self.replica_url.rpartition(":")[2])

    def stop(self) -> int:
        """End it as Ctrl-C does; returns its exit code. Idempotent."""
        return self._end(signal.SIGINT)

    def kill(self) -> None:
        """End it as a power cut of the process does, without notice."""
        self._end(signal.SIGKILL)

    def close_ledger(self, advance: int | None = None, close_time: int | None = None) -> dict[str, Any]:
        """Close a ledger, after setting its clock `advance` seconds on, or to a Unix time.

        Returns `{"ledger", "close_time", "waiting"}`.
        """
        asked = {"advance": advance, "close_time": close_time}
        query = urlencode({name: value for name, value in asked.items() if value is not None})
        return self._request("POST", f"/localnet/close?{query}")

    def forget(self, keep: int, replica: bool = False) -> int:
        """Remember the last `keep` ledgers of history and no more; at the late address where `replica` says so.

        Returns the elder ledger from now on.
        """
        answer = self._request("POST", f"/localnet/forget?keep={keep}", self.replica_url if replica else self.url)
        elder: int = answer["history_elder_ledger"]
        return elder

    def fault(self, fault: str = "", replica: bool = False) -> None:
        """These faults from now on, written as on the command line; at the late address where `replica` says so."""
        query = urlencode({"fault": fault})
        self._request("POST", f"/localnet/fault?{query}", self.replica_url if replica else self.url)

    def lag(self, ledgers: int) -> int:
        """Let the late address be so many ledgers late. It never goes back: to be later it stands still.

        Returns the ledger that it shows.
        """
        latest: int = self._request("POST", f"/localnet/lag?ledgers={ledgers}")["replica_latest_ledger"]
        return latest

    def surge(self, bid: int, door: bool = False, capacity: int | None = None) -> None:
        """Strangers who want whole ledgers bid `bid` stroops for an operation, until they bid 0.

        A lower bid waits in vain for four ledgers; with `door` it is refused at once, and who waits is put out.
        capacity: how many operations a ledger holds from now on.
        """
        asked = {"bid": str(bid), "door": str(door).lower(), **({"capacity": str(capacity)} if capacity else {})}
        self._request("POST", f"/localnet/surge?{urlencode(asked)}")

    def foreign(self, account: str, kind: Kind = "unknown") -> str:
        """Put a stranger's operation into the account's history, in the next ledger; returns the transaction's hash.

        "unknown": of a type that no SDK can read. "invoke_host_function": a smart contract's call.
        """
        found: str = self._request("POST", f"/localnet/foreign?account={account}&kind={kind}")["hash"]
        return found

    def fund(self, *accounts: str) -> None:
        """10,000 XLM from friendbot for each account that does not exist yet."""
        for account in accounts:
            self._request("GET", f"/friendbot?addr={account}")

    def get(self, path: str) -> dict[str, Any]:
        return self._request("GET", path)

    def _request(self, method: str, path: str, url: str = "") -> dict[str, Any]:
        request = urllib.request.Request((url or self.url) + path, method=method)  # noqa: S310  our own loopback URL
        with urllib.request.urlopen(request, timeout=_HTTP_SECONDS) as answer:  # noqa: S310
            found: dict[str, Any] = json.load(answer)
        return found

    def _end(self, how: signal.Signals) -> int:
        if self._process is None:
            return 0
        process, self._process = self._process, None
        process.send_signal(how)
        try:
            code = process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            code = process.wait()
        if process.stdout:
            process.stdout.close()
        return code
