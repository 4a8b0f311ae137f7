"""Horizon, through stellar_sdk: typed facts out, sentences for errors.

The same code talks to the public network and to localnet; only URL and passphrase differ.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice, takewhile
from typing import TYPE_CHECKING, Any

from agent.core.ids import AccountId, StakeId, TxHash
from agent.core.ledger import BALANCE_V0, FIRST, Account, Action, Head, Offer, Stake, Transaction, Way
from agent.core.money import MAX_STROOPS, Asset, Stroops, text
from agent.errors import Refused
from agent.ledger import facts
from agent.ledger.connection import PAGE, Connection, Cut, HistoryTooShort, LedgerUnavailable, WrongNetwork

if TYPE_CHECKING:
    from stellar_sdk import Server

__all__ = ["HistoryTooShort", "Horizon", "LedgerUnavailable", "WrongNetwork"]

TRANSACTIONS_PAGE = 50
"""A settlement of 32 entries takes 100 KB where a server sends its meta along: a page of them stays within bounds."""


class Horizon(Connection):
    """What one Horizon server knows. Safe for one thread at a time."""

    def __init__(self, url: str, passphrase: str, timeout: float = 20, archive: Horizon | None = None) -> None:
        """`archive`: another one that remembers more, for those who read history."""
        super().__init__(url, passphrase, timeout)
        self.archive = archive
        self._is_ours = False
        self._filters_by_both = True

    def head(self) -> Head:
        """The newest closed ledger. The first look also makes sure that this is the network we sign for: raises
        WrongNetwork."""
        if not self._is_ours:
            self.check_network()
            self._is_ours = True
        with self._mapped():
            record = facts.records(self._sdk().ledgers().order(desc=True).limit(1).call())[0]
            return self._told(facts.head(record))

    def ledger(self, sequence: int) -> Head:
        """One ledger of the past. Raises HistoryTooShort, Unavailable."""
        with self._mapped(sequence):
            return facts.head(self._sdk().ledgers().ledger(sequence).call())

    def account(self, account_id: str) -> Account | None:
        record = self._one(lambda server: server.accounts().account_id(account_id).call())
        with self._mapped():
            return None if record is None else facts.account(record)

    def governed(self, signer: AccountId, most: int) -> list[Account]:
        """Accounts that a key signs for, its own among them: `most` of them."""

        def builder(server: Server) -> Any:
            return server.accounts().for_signer(signer)

        return list(islice(self._pages(builder, facts.account), most))

    def offers(self, seller: AccountId) -> list[Offer]:
        """The seller's open offers, newest first."""
        with self._mapped():
            call = self._sdk().offers().for_account(seller).order(desc=True).limit(PAGE).call
            return [facts.offer(record) for record in facts.records(call())]

    def wanting(self, buying: Asset, most: int) -> list[Offer]:
        """Open offers of anybody that buy an asset, whatever they sell: `most` of them, oldest first."""

        def builder(server: Server) -> Any:
            return server.offers().for_buying(_sdk_asset(buying))

        return list(islice(self._pages(builder, facts.offer), most))

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
            self.remembers(ledger)
        return found

    def offering(self, seller: AccountId, most: int, since: int | None = None) -> Iterator[Transaction]:
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
        cut = Cut(size)
        records = self._page(lambda server: _transactions_of(server, account_id, newest_first, False, after), cut, None)
        if records is None:
            self._without_history(account_id)
            return [], True
        with self._mapped():
            return [facts.transaction(record) for record in records], len(records) < cut.size

    def touching(self, stake_id: StakeId) -> list[Transaction]:
        """The transactions that made or claimed a claimable balance, oldest first, as far as history is remembered.
        Works after it is gone."""
        return list(self._pages(lambda server: server.transactions().for_claimable_balance(BALANCE_V0 + stake_id)))

    def actions(self, transaction: TxHash) -> list[Action]:
        """A transaction's operations, as far as history is remembered."""
        return list(self._pages(lambda server: server.operations().for_transaction(transaction), facts.action))

    def actions_on(self, stake: StakeId) -> list[Action]:
        """The operations that made, claimed or clawed back a claimable balance, oldest first, as far as history is
        remembered."""
        name = BALANCE_V0 + stake
        return list(self._pages(lambda server: server.operations().for_claimable_balance(name), facts.action))

    def stakes(self, claimant: AccountId, asset: Asset | None = None, most: int | None = None) -> Iterator[Stake]:
        """The unclaimed balances that an account may claim, of one asset or of all, oldest change first; `most` of
        them. By asset it is
        one request however many strangers' balances there are; a Horizon that cannot filter by both is asked for
        all."""

        def builder(server: Server) -> Any:
            return server.claimable_balances().for_claimant(claimant)

        if asset is None:
            yield from islice(self._pages(builder, facts.stake), most)
            return
        if self._filters_by_both:
            try:
                by_both = self._pages(lambda server: builder(server).for_asset(_sdk_asset(asset)), facts.stake)
                yield from list(islice(by_both, most))
                return
            except LedgerUnavailable:
                found = [stake for stake in self._pages(builder, facts.stake) if stake.asset == asset]
                self._filters_by_both = False
        else:
            found = [stake for stake in self._pages(builder, facts.stake) if stake.asset == asset]
        yield from islice(found, most)

    def stake(self, stake_id: StakeId) -> Stake | None:
        """One claimable balance while it is unclaimed."""
        record = self._one(lambda server: server.claimable_balances().claimable_balance(BALANCE_V0 + stake_id).call())
        with self._mapped():
            return None if record is None else facts.stake(record)

    def cost(self, buy: Asset, amount: Stroops, pay: Asset) -> Way | None:
        """The cheapest way to buy exactly `amount`, or None when nobody sells so many: what is on the book in small
        pieces, or at other prices, counts as it would be taken."""
        if amount > MAX_STROOPS:
            return None
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

    def close(self) -> None:
        if self.archive is not None:
            self.archive.close()
        super().close()


def _transactions_of(server: Server, account_id: str, newest_first: bool, failed: bool, after: str | None) -> Any:
    call = server.transactions().for_account(account_id).include_failed(failed).order(desc=newest_first)
    return call.cursor(after) if after else call


def _sdk_asset(asset: Asset) -> Any:
    from agent.ledger.envelope import sdk_asset

    return sdk_asset(asset)
