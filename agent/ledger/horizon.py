"""Horizon, through stellar_sdk: typed facts out, sentences for errors.

The same code talks to the public network and to localnet; only URL and passphrase differ. Retries are off: a lost
answer is "unknown" to the caller (`ledger.submission`), which asks again when it is ready to. Answers are bounded.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from fractions import Fraction
from itertools import islice, takewhile
from typing import TYPE_CHECKING, Any

from agent.core.ledger import BALANCE_V0, Account, Action, Flags, Head, Line, Offer, Reach, Stake, Transaction
from agent.core.money import MAX_STROOPS, XLM, Asset, stroops
from agent.errors import BAD_CONFIG, Malformed, MilepostError, Refused, Unavailable

if TYPE_CHECKING:
    from stellar_sdk import Server
    from stellar_sdk.exceptions import NotFoundError

    from agent.ledger.transport import BoundedClient

ANSWER_BYTES = 8 << 20
PAGE = 200
TRANSACTIONS_PAGE = 50
"""A settlement of 32 entries takes 100 KB where a server sends its meta along: a page of them stays within bounds."""

FIRST = 2
"""The first ledger that can hold a transaction: a history that begins there is whole."""


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
        self.passphrase = passphrase
        self._timeout = timeout
        self._server: Server | None = None
        self._client: BoundedClient | None = None
        self._is_ours = False
        self._filters_by_both = True

    def __repr__(self) -> str:
        return f"<Horizon {self.url}>"

    def head(self) -> Head:
        """The newest closed ledger. The first look also makes sure that this is the network we sign for: raises
        WrongNetwork."""
        if not self._is_ours:
            self.check_network()
            self._is_ours = True
        with self._mapped():
            record = _records(self._sdk().ledgers().order(desc=True).limit(1).call())[0]
            return _head(record)

    def elder(self) -> int:
        """The oldest ledger that the server's history still holds."""
        return self.reach().elder

    def reach(self) -> Reach:
        """How far the server's history goes. It moves on: ask after reading the history that it is to vouch for."""
        with self._mapped():
            root = self._sdk().root().call()
            return Reach(int(root["history_elder_ledger"]), int(root["history_latest_ledger"]))

    @property
    def latest(self) -> int:
        """The ledger as of which the last answer about state (account, offers, stakes, book) was given; 0 when it did
        not say. Two answers may come from two replicas, and one of them may be late."""
        return self._client.latest if self._client else 0

    def ledger(self, sequence: int) -> Head:
        """One ledger of the past. Raises HistoryTooShort, Unavailable."""
        with self._mapped(sequence):
            return _head(self._sdk().ledgers().ledger(sequence).call())

    def account(self, account_id: str) -> Account | None:
        record = self._one(lambda server: server.accounts().account_id(account_id).call())
        with self._mapped():
            return None if record is None else _account(record)

    def offers(self, seller: str) -> list[Offer]:
        """The seller's open offers, newest first."""
        with self._mapped():
            call = self._sdk().offers().for_account(seller).order(desc=True).limit(PAGE).call
            return [_offer(record) for record in _records(call())]

    def find(self, transaction_hash: str) -> Transaction | None:
        """The transaction if a ledger holds it, failed or not; None if none does yet."""
        record = self._one(lambda server: server.transactions().transaction(transaction_hash).call())
        with self._mapped():
            return None if record is None else _transaction(record)

    def offering(self, seller: str, most: int, since: int | None = None) -> Iterator[Transaction]:
        """The transactions that set an offer of the seller: newest first, or with `since` oldest first from that ledger
        on; as far as `most` of its operations go. Among an account's operations, unlike its transactions, are none that
        only traded with it. Raises HistoryTooShort where history ends before the answer does."""

        def builder(server: Server) -> Any:
            call = server.operations().for_account(seller)
            # Where a ledger begins among all operations: SEP-35.
            return call.order(desc=True) if since is None else call.order(desc=False).cursor(since << 32)

        operations = self._pages(
            builder, _set_by, 20, of=seller, back_to=FIRST if since is None else None, on_from=since
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
            return [_transaction(record) for record in records], len(records) < cut.size

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

        return list(self._pages(builder, _action))

    def stakes(self, claimant: str, asset: Asset | None = None) -> Iterator[Stake]:
        """The unclaimed balances that an account may claim, of one asset or of all, oldest change first. By asset it is
        one request however many strangers' balances there are; a Horizon that cannot filter by both is asked for
        all."""

        def builder(server: Server) -> Any:
            return server.claimable_balances().for_claimant(claimant)

        if asset is None:
            yield from self._pages(builder, _stake)
            return
        if self._filters_by_both:
            try:
                yield from list(self._pages(lambda server: builder(server).for_asset(_sdk_asset(asset)), _stake))
                return
            except LedgerUnavailable:
                found = [stake for stake in self._pages(builder, _stake) if stake.asset == asset]
                self._filters_by_both = False
        else:
            found = [stake for stake in self._pages(builder, _stake) if stake.asset == asset]
        yield from found

    def stake(self, stake_id: str) -> Stake | None:
        """One claimable balance while it is unclaimed."""
        record = self._one(lambda server: server.claimable_balances().claimable_balance(BALANCE_V0 + stake_id).call())
        with self._mapped():
            return None if record is None else _stake(record)

    def price(self, buy: Asset, pay: Asset) -> Fraction:
        """Best price of one `buy` in `pay` on the book, or 0 when nobody sells."""
        with self._mapped():
            book = self._sdk().orderbook(_sdk_asset(buy), _sdk_asset(pay)).limit(1).call()
            asks = book["asks"]
            return Fraction(int(asks[0]["price_r"]["n"]), int(asks[0]["price_r"]["d"])) if asks else Fraction(0)

    def hand_in(self, envelope: str) -> None:
        """Give a signed envelope (base64 XDR) to the network and do not wait: whether it applies is `find`'s to say.

        Idempotent by hash. An admission error is not an answer either (the same envelope may be queued elsewhere); it
        is raised as Refused for the log, and the caller goes on asking until the envelope can no longer apply.
        """
        from stellar_sdk import TransactionEnvelope
        from stellar_sdk.exceptions import BadRequestError, BadResponseError

        with self._mapped():
            parsed = TransactionEnvelope.from_xdr(envelope, self.passphrase)
            try:
                self._sdk().submit_transaction_async(parsed, skip_memo_required_check=True)
            except (BadRequestError, BadResponseError) as error:
                status = _status(error.message)
                if status in ("DUPLICATE", "TRY_AGAIN_LATER"):
                    return
                if status == "ERROR":
                    raise Refused(what="the transaction", why=_admission_code(error.message)) from None
                raise

    def check_network(self) -> None:
        """Raises WrongNetwork when the server's passphrase is not ours."""
        with self._mapped():
            theirs = str(self._sdk().root().call()["network_passphrase"])
        if theirs != self.passphrase:
            raise WrongNetwork(url=self.url, theirs=theirs, ours=self.passphrase)

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
            return HistoryTooShort(url=self.url, elder=self.elder(), wanted=wanted)
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
        read, cut = read or _transaction, _Cut(size)
        cursor: str | None = None
        while True:
            records = self._page(builder, cut, cursor)
            if records is None and of:
                self._without_history(of)
            with self._mapped():
                facts = [read(record) for record in records or ()]
                token = str(records[-1]["paging_token"]) if records else cursor
            if on_from is not None and cursor is None:
                self._must_reach(on_from)
            yield from facts
            if len(facts) < cut.size or token == cursor:
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
                    return _records((call.cursor(cursor) if cursor else call).call())
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
            raise LedgerUnavailable(url=self.url, why=f"knows the account {account_id}, but none of its transactions")

    def remembers(self, ledger: int) -> None:
        """Raises HistoryTooShort when what happened from a ledger on is not all here: then nothing that is not found
        was not so."""
        self._must_reach(ledger)

    def _must_reach(self, ledger: int) -> None:
        elder = self.elder()
        if elder > max(ledger, FIRST):
            raise HistoryTooShort(url=self.url, elder=elder, wanted=ledger)

    @contextmanager
    def _mapped(self, wanted: int = 1) -> Iterator[None]:
        """Foreign errors become sentences. Whatever an HTTP server answers is never a refusal of what was asked about:
        a verdict must not hang on it.
        `wanted`: the oldest ledger that is asked about."""
        from stellar_sdk.exceptions import BaseHorizonError, BaseRequestError

        try:
            yield
        except BaseHorizonError as error:
            if error.status == 410:
                raise self._too_short(wanted) from None
            said = f": {error.detail or error.title}" if error.title else ""
            raise LedgerUnavailable(url=self.url, why=f"answered with status {error.status}{said[:200]}") from None
        except BaseRequestError as error:
            raise LedgerUnavailable(url=self.url, why=f"cannot be reached ({type(error).__name__})") from None
        except (LookupError, AttributeError, TypeError, ValueError, RecursionError) as error:
            why = f"answered with something that is not Horizon's ({type(error).__name__})"
            raise LedgerUnavailable(url=self.url, why=why) from None


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


def _records(page: Mapping[str, Any]) -> list[dict[str, Any]]:
    records: list[dict[str, Any]] = page["_embedded"]["records"]
    return records


def _epoch(moment: str) -> int:
    return int(datetime.fromisoformat(moment.replace("Z", "+00:00")).timestamp())


def _head(record: Mapping[str, Any]) -> Head:
    return Head(int(record["sequence"]), _epoch(record["closed_at"]), str(record["hash"]))


def _asset(record: Mapping[str, Any], prefix: str = "") -> Asset:
    if record[prefix + "asset_type"] == "native":
        return XLM
    return Asset(str(record[prefix + "asset_code"]), str(record[prefix + "asset_issuer"]))


def _account(record: Mapping[str, Any]) -> Account:
    lines = {
        _asset(line): Line(
            balance=stroops(line["balance"]),
            selling=stroops(line.get("selling_liabilities", "0")),
            authorized=line.get("is_authorized", True),
            limit=stroops(line["limit"]) if "limit" in line else MAX_STROOPS,
            buying=stroops(line.get("buying_liabilities", "0")),
            clawback=bool(line.get("is_clawback_enabled", False)),
        )
        for line in record["balances"]
        if line["asset_type"] != "liquidity_pool_shares"
    }
    return Account(
        id=str(record["account_id"]),
        sequence=int(record["sequence"]),
        lines=lines,
        signers={str(s["key"]): int(s["weight"]) for s in record["signers"]},
        thresholds=(
            int(record["thresholds"]["low_threshold"]),
            int(record["thresholds"]["med_threshold"]),
            int(record["thresholds"]["high_threshold"]),
        ),
        flags=Flags(
            required=bool(record["flags"]["auth_required"]),
            revocable=bool(record["flags"]["auth_revocable"]),
            clawback=bool(record["flags"]["auth_clawback_enabled"]),
            immutable=bool(record["flags"]["auth_immutable"]),
        ),
        subentries=int(record["subentry_count"])
        + int(record.get("num_sponsoring", 0))
        - int(record.get("num_sponsored", 0)),
        data={str(name): base64.b64decode(value, validate=True) for name, value in record["data"].items()},
    )


def _offer(record: Mapping[str, Any]) -> Offer:
    return Offer(
        id=int(record["id"]),
        seller=str(record["seller"]),
        selling=_asset(record["selling"]),
        buying=_asset(record["buying"]),
        amount=stroops(record["amount"]),
        price=Fraction(int(record["price_r"]["n"]), int(record["price_r"]["d"])),
        last_modified=int(record["last_modified_ledger"]),
    )


def _transaction(record: Mapping[str, Any]) -> Transaction:
    return Transaction(
        hash=str(record["hash"]),
        ledger=int(record["ledger"]),
        closed_at=_epoch(record["created_at"]),
        successful=bool(record["successful"]),
        source=str(record["source_account"]),
        envelope=str(record["envelope_xdr"]),
        result=str(record["result_xdr"]),
        cursor=str(record["paging_token"]),
        sequence=int(record.get("source_account_sequence", 0)),
    )


def _action(record: Mapping[str, Any]) -> Action:
    place = int(record["paging_token"])
    asset = Asset.parse(record["asset"]) if "asset" in record else _asset(record) if "asset_type" in record else None
    return Action(
        kind=str(record["type"]),
        source=str(record["source_account"]),
        transaction=str(record["transaction_hash"]),
        ledger=place >> 32,
        index=(place & 0xFFF) - 1,
        asset=asset,
        to=str(record.get("to", "")),
        balance=str(record.get("balance_id", "")).removeprefix(BALANCE_V0),
    )


def _set_by(record: Mapping[str, Any]) -> str:
    """The hash of the transaction whose operation set an offer to sell; '' for any other operation."""
    return str(record["transaction_hash"]) if record["type"] == "manage_sell_offer" else ""


def _stake(record: Mapping[str, Any]) -> Stake:
    return Stake(
        id=str(record["id"]).removeprefix(BALANCE_V0),
        asset=Asset.parse(record["asset"]),
        amount=stroops(record["amount"]),
        sponsor=str(record.get("sponsor", "")),
        claimants=tuple(str(c["destination"]) for c in record["claimants"]),
        at_once=tuple(str(c["destination"]) for c in record["claimants"] if c["predicate"].get("unconditional")),
        last_modified=int(record["last_modified_ledger"]),
    )


def _sdk_asset(asset: Asset) -> Any:
    from agent.ledger.envelope import sdk_asset

    return sdk_asset(asset)


def _status(body: str) -> str:
    try:
        answer = json.loads(body)
        return str(answer["tx_status"]) if isinstance(answer, dict) else ""
    except (ValueError, KeyError):
        return ""


def _admission_code(body: str) -> str:
    from agent.ledger.envelope import result_code

    try:
        return result_code(str(json.loads(body).get("error_result_xdr", "")))
    except Malformed:
        return "UNKNOWN"
