"""Horizon, through stellar_sdk: typed facts out, sentences for errors.

The same code talks to the public network and to localnet; only URL and passphrase differ. Retries are off: a lost
answer is "unknown" to the caller (`ledger.submission`), which asks again when it is ready to. Answers are bounded.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice, takewhile
from typing import TYPE_CHECKING, Any

from agent.core import redact
from agent.core.ledger import (
    BALANCE_V0,
    FIRST,
    Account,
    Action,
    Head,
    Offer,
    Reach,
    Stake,
    Transaction,
    Way,
)
from agent.core.money import Asset, Stroops, text
from agent.core.plain import plain
from agent.errors import BAD_CONFIG, MilepostError, Refused, Unavailable
from agent.ledger import facts

if TYPE_CHECKING:
    from stellar_sdk import Server
    from stellar_sdk.exceptions import NotFoundError

    from agent.ledger.transport import BoundedClient

ANSWER_BYTES = 8 << 20
PAGE = 200
TRANSACTIONS_PAGE = 50
"""A settlement of 32 entries takes 100 KB where a server sends its meta along: a page of them stays within bounds."""


class LedgerUnavailable(Unavailable):
    """Horizon at {url} {why}. Nothing is lost: the work waits. Check the network, or ledger.horizon."""


class HistoryTooShort(Unavailable):
    """{url} remembers from ledger {elder} on, and what happened from ledger {wanted} on is needed: that it shows
    nothing earlier says nothing. Nothing is lost: the work waits. Name a Horizon that remembers more, as
    ledger.horizon or ledger.archive."""


class WrongNetwork(MilepostError):
    """Horizon at {url} serves the network {theirs!r}, but ledger.passphrase is {ours!r}. Nothing was signed."""

    exit_code = BAD_CONFIG


class Horizon:
    """One Horizon server. Safe for one thread at a time."""

    def __init__(self, url: str, passphrase: str, timeout: float = 20, archive: Horizon | None = None) -> None:
        """`archive`: another one that remembers more, for those who read history."""
        self.archive = archive
        self.url = url.rstrip("/")
        self.shown = redact.shown(self.url)
        """For sentences: an address may hold a secret."""
        self.passphrase = passphrase
        self._timeout = timeout
        self._server: Server | None = None
        self._client: BoundedClient | None = None
        self._is_ours = False
        self._network = ""
        self.known: Reach | None = None
        """What `reach` said last."""
        self._filters_by_both = True

    def __repr__(self) -> str:
        return f"<Horizon {self.shown}>"

    def head(self) -> Head:
        """The newest closed ledger. The first look also makes sure that this is the network we sign for: raises
        WrongNetwork."""
        if not self._is_ours:
            self.check_network()
            self._is_ours = True
        with self._mapped():
            record = facts.records(self._sdk().ledgers().order(desc=True).limit(1).call())[0]
            return facts.head(record)

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

    @property
    def latest(self) -> int:
        """The ledger as of which the last answer about state (account, offers, stakes, book) was given; 0 when it did
        not say. Two answers may come from two replicas, and one of them may be late."""
        return self._client.latest if self._client else 0

    def ledger(self, sequence: int) -> Head:
        """One ledger of the past. Raises HistoryTooShort, Unavailable."""
        with self._mapped(sequence):
            return facts.head(self._sdk().ledgers().ledger(sequence).call())

    def account(self, account_id: str) -> Account | None:
        record = self._one(lambda server: server.accounts().account_id(account_id).call())
        with self._mapped():
            return None if record is None else facts.account(record)

    def offers(self, seller: str) -> list[Offer]:
        """The seller's open offers, newest first."""
        with self._mapped():
            call = self._sdk().offers().for_account(seller).order(desc=True).limit(PAGE).call
            return [facts.offer(record) for record in facts.records(call())]

    def find(self, transaction_hash: str) -> Transaction | None:
        """The transaction if a ledger holds it, failed or not; None if none does yet."""
        record = self._one(lambda server: server.transactions().transaction(transaction_hash).call())
        with self._mapped():
            return None if record is None else facts.transaction(record)

    def recall(self, transaction_hash: str, ledger: int = FIRST) -> Transaction | None:
        """As `find`, for what is older than a submission: the archive is asked too, and None is a "no". Where no
        history that was asked goes back to `ledger`, the first that may hold it, HistoryTooShort."""
        found = self.find(transaction_hash)
        if found is None and self.archive is not None:
            return self.archive.recall(transaction_hash, ledger)
        if found is None:
            self._must_reach(ledger)
        return found

    def offering(self, seller: str, most: int, since: int | None = None) -> Iterator[Transaction]:
        """The transactions that set an offer of the seller: newest first, or with `since` oldest first from that ledger
        on; as far as `most` of its operations go. Among an account's operations, unlike its transactions, are none that
        only traded with it. Raises HistoryTooShort where history ends before the answer does."""

        def builder(server: Server) -> Any:
            call = server.operations().for_account(seller)
            # Where a ledger begins among all operations: SEP-35.
            return call.order(desc=True) if since is None else call.order(desc=False).cursor(since << 32)

        operations = self._pages(
            builder, facts.set_by, 20, of=seller, back_to=FIRST if since is None else None, on_from=since
        )
        for transaction in islice(operations, most):
            if transaction and (found := self.find(transaction)):
                yield found

    def history(
        self,
        account_id: str,
        *,
        newest_first: bool = False,
        after: str | None = None,
        failed: bool = False,
        since: int | None = None,
    ) -> Iterator[Transaction]:
        """The account's successful transactions, from a cursor on; with `failed` all that a ledger holds. With `since`
        (newest first) they end at that ledger, and all from there on are among them. Raises HistoryTooShort when the
        cursor, or `since`, is older than what the server remembers: it leaves out the rest without a word."""
        behind = int(after) >> 32 if after else None

        def builder(server: Server) -> Any:
            return _transactions_of(server, account_id, newest_first, failed, after)

        back_to, on_from = (since, None) if newest_first else (None, behind)
        pages = self._pages(builder, size=TRANSACTIONS_PAGE, of=account_id, back_to=back_to, on_from=on_from)
        return takewhile(lambda made: since is None or made.ledger >= since, pages)

    def page(self, account_id: str, *, newest_first: bool, after: str, size: int) -> tuple[list[Transaction], bool]:
        """One page of the account's successful transactions from a cursor on, and whether it was the last one that the
        server has: which says nothing about what was before its `elder`. May be smaller than `size` where the
        transactions are large."""
        cut = _Cut(size)
        records = self._page(lambda server: _transactions_of(server, account_id, newest_first, False, after), cut, None)
        if records is None:
            self._without_history(account_id)
            return [], True
        with self._mapped():
            return [facts.transaction(record) for record in records], len(records) < cut.size

    def touching(self, stake_id: str) -> list[Transaction]:
        """The transactions that made or claimed a claimable balance, oldest first, as far as history is remembered.
        Works after it is gone."""
        return list(self._pages(lambda server: server.transactions().for_claimable_balance(BALANCE_V0 + stake_id)))

    def actions(self, *, stake: str = "", transaction: str = "") -> list[Action]:
        """The operations of a transaction, or those that made, claimed or clawed back a claimable balance, oldest
        first, as far as history is remembered."""

        def builder(server: Server) -> Any:
            call = server.operations()
            return call.for_claimable_balance(BALANCE_V0 + stake) if stake else call.for_transaction(transaction)

        return list(self._pages(builder, facts.action))

    def stakes(self, claimant: str, asset: Asset | None = None) -> Iterator[Stake]:
        """The unclaimed balances that an account may claim, of one asset or of all, oldest change first. By asset it is
        one request however many strangers' balances there are; a Horizon that cannot filter by both is asked for
        all."""

        def builder(server: Server) -> Any:
            return server.claimable_balances().for_claimant(claimant)

        if asset is None:
            yield from self._pages(builder, facts.stake)
            return
        if self._filters_by_both:
            try:
                yield from list(self._pages(lambda server: builder(server).for_asset(_sdk_asset(asset)), facts.stake))
                return
            except LedgerUnavailable:
                found = [stake for stake in self._pages(builder, facts.stake) if stake.asset == asset]
                self._filters_by_both = False
        else:
            found = [stake for stake in self._pages(builder, facts.stake) if stake.asset == asset]
        yield from found

    def stake(self, stake_id: str) -> Stake | None:
        """One claimable balance while it is unclaimed."""
        record = self._one(lambda server: server.claimable_balances().claimable_balance(BALANCE_V0 + stake_id).call())
        with self._mapped():
            return None if record is None else facts.stake(record)

    def cost(self, buy: Asset, amount: Stroops, pay: Asset) -> Way | None:
        """The cheapest way to buy exactly `amount`, or None when nobody sells so many: what is on the book in small
        pieces, or at other prices, counts as it would be taken."""
        with self._mapped():
            ways = self._sdk().strict_receive_paths([_sdk_asset(pay)], _sdk_asset(buy), text(amount)).call()
            found = [facts.way(record, "source_amount") for record in facts.records(ways)]
            return min(found, key=lambda way: (way.amount, len(way.path)), default=None)

    def proceeds(self, sell: Asset, amount: Stroops, take: Asset) -> Way | None:
        """The best way to sell exactly `amount`, or None when nobody takes so many."""
        with self._mapped():
            ways = self._sdk().strict_send_paths(_sdk_asset(sell), text(amount), [_sdk_asset(take)]).call()
            found = [facts.way(record, "destination_amount") for record in facts.records(ways)]
            return max(found, key=lambda way: (way.amount, -len(way.path)), default=None)

    def bid(self, most: Stroops) -> Stroops:
        """What to bid for each operation so that one of the next ledgers takes it: twice what nine of ten paid lately,
        but no less than the base fee and no more than `most`. What is bid above the base fee is only paid in a rush."""
        with self._mapped():
            stats = self._sdk().fee_stats().call()
            base, paid = int(stats["last_ledger_base_fee"]), int(stats["fee_charged"]["p90"])
            return min(max(base, 2 * paid), most)

    def hand_in(self, envelope: str) -> None:
        """Give a signed envelope (base64 XDR) to the network and do not wait: whether it applies is `find`'s to say.

        Idempotent by hash. An admission error is not an answer either (the same envelope may be queued elsewhere); it
        is raised as Refused for the log, and the caller goes on asking until the envelope can no longer apply.
        """
        from stellar_sdk.exceptions import BadRequestError, BadResponseError

        from agent.ledger.envelope import parsed

        with self._mapped():
            try:
                made = parsed(envelope, self.passphrase)
                self._sdk().submit_transaction_async(made, skip_memo_required_check=True)
            except (BadRequestError, BadResponseError) as error:
                status = facts.status(error.message)
                if status in ("DUPLICATE", "TRY_AGAIN_LATER"):
                    return
                if status == "ERROR":
                    raise Refused(what="the transaction", why=facts.admission_code(error.message)) from None
                raise

    def check_network(self) -> None:
        """Raises WrongNetwork when the server's passphrase is not ours."""
        self.reach()
        if self._network != self.passphrase:
            raise WrongNetwork(url=self.shown, theirs=self._network, ours=self.passphrase)

    def close(self) -> None:
        if self.archive is not None:
            self.archive.close()
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

    def _too_short(self, wanted: int) -> MilepostError:
        try:
            return HistoryTooShort(url=self.shown, elder=self.elder(), wanted=wanted)
        except MilepostError as error:
            return error

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
        read, cut = read or facts.transaction, _Cut(size)
        cursor: str | None = None
        while True:
            records = self._page(builder, cut, cursor)
            if records is None and of:
                self._without_history(of)
            with self._mapped():
                found = [read(record) for record in records or ()]
                token = str(records[-1]["paging_token"]) if records else cursor
            if on_from is not None and cursor is None:
                self._must_reach(on_from)
            yield from found
            if len(found) < cut.size or token == cursor:
                break
            cursor = token
        if back_to is not None:
            self._must_reach(back_to)

    def _page(self, builder: Callable[[Server], Any], cut: _Cut, cursor: str | None) -> list[dict[str, Any]] | None:
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

    def remembers(self, ledger: int) -> None:
        """Raises HistoryTooShort when what happened from a ledger on is not all here: then nothing that is not found
        was not so."""
        self._must_reach(ledger)

    def _must_reach(self, ledger: int) -> None:
        elder = self.elder()
        if elder > max(ledger, FIRST):
            raise HistoryTooShort(url=self.shown, elder=elder, wanted=ledger)

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
            raise LedgerUnavailable(url=self.shown, why=f"cannot be reached ({type(error).__name__})") from None
        except (ArithmeticError, LookupError, AttributeError, TypeError, ValueError, RecursionError) as error:
            why = f"answered with something that is not Horizon's ({type(error).__name__})"
            raise LedgerUnavailable(url=self.shown, why=why) from None


@dataclass
class _Cut:
    """How many records are asked for at once."""

    size: int


def _is_horizons(missing: NotFoundError) -> bool:
    """A proxy's own 404 says nothing about the ledger: taken for an answer, it could have an entry signed twice."""
    return (missing.type or "").endswith("/horizon-errors/not_found")


def _transactions_of(server: Server, account_id: str, newest_first: bool, failed: bool, after: str | None) -> Any:
    call = server.transactions().for_account(account_id).include_failed(failed).order(desc=newest_first)
    return call.cursor(after) if after else call


def _sdk_asset(asset: Asset) -> Any:
    from agent.ledger.envelope import sdk_asset

    return sdk_asset(asset)
