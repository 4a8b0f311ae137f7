"""The line to one Horizon server: an answer comes whole and bounded, or a sentence says why it did not.

Retries are off: a lost answer is "unknown" to the caller (`ledger.submission`), which asks again when it is ready to.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from agent.core import redact
from agent.core.ledger import FIRST, Head, Reach
from agent.core.plain import plain
from agent.errors import MilepostError
from agent.ledger import facts
from agent.troubles import HistoryTooShort as HistoryTooShort
from agent.troubles import LedgerLate, LedgerNotTrusted, distrusted
from agent.troubles import LedgerUnavailable as LedgerUnavailable
from agent.troubles import WrongNetwork as WrongNetwork

if TYPE_CHECKING:
    from stellar_sdk import Server
    from stellar_sdk.exceptions import NotFoundError

    from agent.ledger.transport import BoundedClient

ANSWER_BYTES = 8 << 20
LATE_LEDGERS = 12
"""How far apart the parts of one Horizon may be: a minute."""
PAGE = 200
"""Records on a page: as many as Horizon gives."""


@dataclass
class Cut:
    """How many records are asked for at once."""

    size: int


class Connection:
    """To one server. Safe for one thread at a time."""

    def __init__(self, url: str, passphrase: str, timeout: float) -> None:
        self.url = url.rstrip("/")
        self.shown = redact.shown(self.url)
        """For sentences: an address may hold a secret."""
        self.passphrase = passphrase
        self._timeout = timeout
        self._server: Server | None = None
        self._client: BoundedClient | None = None
        self._network = ""
        self.closed_at = 0
        """When the newest ledger closed that it told of; 0: of none yet."""
        self.known: Reach | None = None
        """What `reach` said last."""

    def __repr__(self) -> str:
        return f"<Horizon {self.shown}>"

    @property
    def latest(self) -> int:
        """The ledger as of which the last answer about state (account, offers, stakes, book) was given; 0 when it did
        not say. Two answers may come from two replicas, and one of them may be late."""
        return self._client.latest if self._client else 0

    @property
    def trouble(self) -> LedgerLate | None:
        """What an answer does not show by itself, as of the last ones."""
        if self._client is None or self._client.late <= LATE_LEDGERS:
            return None
        return LedgerLate(url=self.shown, most=LATE_LEDGERS)

    def elder(self) -> int:
        """The oldest ledger that the server's history still holds."""
        return self.reach().elder

    def reach(self) -> Reach:
        """How far the server's history goes. It moves on: ask after reading the history that it is to vouch for."""
        with self._mapped():
            root = self._sdk().root().call()
            self.known = Reach(int(root["history_elder_ledger"]), int(root["history_latest_ledger"]))
            self._network = str(root["network_passphrase"])
        return self.known

    def remembers(self, ledger: int) -> int:
        """The elder. Raises HistoryTooShort when what happened from a ledger on is not all here: then nothing that is
        not found was not so."""
        elder = self.elder()
        if elder > max(ledger, FIRST):
            raise HistoryTooShort(url=self.shown, elder=elder, wanted=ledger)
        return elder

    def check_network(self) -> None:
        """Raises WrongNetwork when the server's passphrase is not ours."""
        self.reach()
        if self._network != self.passphrase:
            raise WrongNetwork(url=self.shown, theirs=self._network, ours=self.passphrase)

    def _told(self, head: Head) -> Head:
        if self._client is not None:
            self._client.newest = max(self._client.newest, head.sequence)
        self.closed_at = max(self.closed_at, head.closed_at)
        return head

    def close(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None

    def _sdk(self) -> Server:
        if self._server is None:
            from stellar_sdk import Server

            from agent.ledger.transport import BoundedClient

            self._client = BoundedClient(self._timeout, ANSWER_BYTES)
            self._server = Server(self.url, self._client)
        return self._server

    def _one(self, call: Callable[[Server], Mapping[str, Any]]) -> Mapping[str, Any] | None:
        from stellar_sdk.exceptions import NotFoundError

        with self._mapped():
            try:
                return call(self._sdk())
            except NotFoundError as error:
                if _is_horizons(error):
                    return None
                raise

    def _pages(
        self,
        builder: Callable[[Server], Any],
        read: Callable[[Mapping[str, Any]], Any] | None = None,
        size: int = PAGE,
        *,
        of: str = "",
        back_to: int | None = None,
        on_from: int | None = None,
    ) -> Iterator[Any]:
        """Every record of a paged answer. Stops at an empty page and never follows a server's own links. `of`: the
        account whose history it is. HistoryTooShort, where the server's history begins later than: `back_to`, once
        the last page is over; `on_from`, before the first."""
        read, cut = read or facts.transaction, Cut(size)
        cursor: str | None = None
        while True:
            records = self._page(builder, cut, cursor)
            if records is None and of:
                self._without_history(of)
            with self._mapped():
                found = [read(record) for record in records or ()]
                token = str(records[-1]["paging_token"]) if records else cursor
            if on_from is not None and cursor is None:
                self.remembers(on_from)
            yield from found
            if len(found) < cut.size or token == cursor:
                break
            cursor = token
        if back_to is not None:
            self.remembers(back_to)

    def _page(self, builder: Callable[[Server], Any], cut: Cut, cursor: str | None) -> list[dict[str, Any]] | None:
        """One page; None when Horizon knows no such thing. A page that is too large is asked for in smaller cuts, since
        strangers choose how large the transactions are that they send to an account."""
        from stellar_sdk.exceptions import ContentSizeLimitExceededError, NotFoundError

        while True:
            with self._mapped():
                call = builder(self._sdk()).limit(cut.size)
                try:
                    return facts.records((call.cursor(cursor) if cursor else call).call())
                except NotFoundError as error:
                    if _is_horizons(error):
                        return None
                    raise
                except ContentSizeLimitExceededError:
                    if cut.size == 1:
                        raise
            cut.size = max(1, cut.size // 4)

    def _without_history(self, account_id: str) -> None:
        """The server knows no history of an account. That is an answer where it knows no such account either, or none
        that has changed since its history begins; anything else is one part of it that does not know of another."""
        record = self._one(lambda server: server.accounts().account_id(account_id).call())
        with self._mapped():
            changed = 0 if record is None else int(record["last_modified_ledger"])
        if changed and changed >= self.elder():
            raise LedgerUnavailable(url=self.shown, why=f"knows the account {account_id}, but none of its transactions")

    def _too_short(self, wanted: int) -> MilepostError:
        try:
            return HistoryTooShort(url=self.shown, elder=self.elder(), wanted=wanted)
        except MilepostError as error:
            return error

    @contextmanager
    def _mapped(self, wanted: int = 1) -> Iterator[None]:
        """Foreign errors become sentences. Whatever an HTTP server answers is never a refusal of what was asked about:
        a verdict must not hang on it.
        `wanted`: the oldest ledger that is asked about."""
        from stellar_sdk.exceptions import BaseHorizonError, BaseRequestError

        from agent.ledger.transport import Hushed

        try:
            yield
        except BaseHorizonError as error:
            if error.status == 410:
                raise self._too_short(wanted) from None
            said = f": {plain(str(error.detail or error.title))}" if error.title else ""
            raise LedgerUnavailable(url=self.shown, why=f"answered with status {error.status}{said[:200]}") from None
        except Hushed as error:
            why = f"asked for quiet, {error.seconds:.0f} s of it are left"
            raise LedgerUnavailable(url=self.shown, why=why) from None
        except BaseRequestError as error:
            if (doubt := distrusted(error)) is not None:
                raise LedgerNotTrusted(url=self.shown, why=doubt) from None
            raise LedgerUnavailable(url=self.shown, why=f"cannot be reached ({type(error).__name__})") from None
        except (ArithmeticError, LookupError, AttributeError, TypeError, ValueError, RecursionError) as error:
            why = f"answered with something that is not Horizon's ({type(error).__name__})"
            raise LedgerUnavailable(url=self.shown, why=why) from None


def _is_horizons(missing: NotFoundError) -> bool:
    """A proxy's own 404 says nothing about the ledger: taken for an answer, it could have an entry signed twice."""
    return (missing.type or "").endswith("/horizon-errors/not_found")
