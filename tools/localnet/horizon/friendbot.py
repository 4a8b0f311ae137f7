"""Friendbot: lumens for a new account, by a real transaction of the root account."""

from __future__ import annotations

import asyncio
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from stellar_sdk import Account, TransactionBuilder

from ..engine import Envelope, root_keypair
from ..node import Node
from .answer import answer, origin
from .collection import view_of
from .party import account_param
from .problem import Problem, bad_field
from .submit import include, transaction_failed
from .transactions import transaction_record

STARTING_LUMENS = "10000"
_VALID_SECONDS = 300
_MAX_TOGETHER = 100


class Friendbot:
    """Funds together whoever asks while a ledger is awaited: the root account has one pending transaction."""

    def __init__(self, node: Node, manual: bool, submit_seconds: float) -> None:
        """`manual`: nobody else closes ledgers, so friendbot closes its own."""
        self.node = node
        self.manual = manual
        self.submit_seconds = submit_seconds
        self.root = root_keypair(node.passphrase)
        self._asking: dict[str, asyncio.Future[Any]] = {}
        self._work: asyncio.Task[None] | None = None

    async def fund(self, account: str) -> Any:
        """The history row of the transaction that created the account, or the Problem that it met."""
        answer = self._asking.setdefault(account, asyncio.get_running_loop().create_future())
        if self._work is None or self._work.done():
            self._work = asyncio.create_task(self._fund_all())
        return await asyncio.shield(answer)

    async def _fund_all(self) -> None:
        while self._asking:
            accounts = self._next()
            answers = [self._asking.pop(account) for account in accounts]
            try:
                row = await self._create(accounts)
            except Problem as problem:
                for answer in answers:
                    answer.set_exception(problem)
            else:
                for answer in answers:
                    answer.set_result(row)

    def _next(self) -> list[str]:
        """Accounts for one transaction. One that exists already is tried alone: its failure is nobody else's."""
        asking = list(self._asking)
        new = [account for account in asking if self.node.state.account(account) is None]
        return new[: min(_MAX_TOGETHER, self.node.header.max_tx_set_size)] or asking[:1]

    async def _create(self, accounts: list[str]) -> Any:
        if self.node.queue.of(self.root.public_key):  # somebody else spends from the root account
            await self._next_ledger()
        envelope = self._sign(accounts)
        waiting = asyncio.ensure_future(include(self.node, envelope, self.submit_seconds))
        await asyncio.sleep(0)  # let it into the queue
        if not waiting.done():
            await self._next_ledger()
        row = await waiting
        if not row["successful"]:
            raise transaction_failed(envelope.base64, row["result"])
        return row

    async def _next_ledger(self) -> None:
        if self.manual:
            self.node.close()
        else:
            await self.node.next_close(self.submit_seconds)

    def _sign(self, accounts: list[str]) -> Envelope:
        root = self.node.state.account(self.root.public_key)
        sequence = root.sequence if root else 0
        bid = max(100, self.node.crowd.bid + 1)  # it has every lumen, and is not kept out by a crowd
        builder = TransactionBuilder(Account(self.root.public_key, sequence), self.node.passphrase, base_fee=bid)
        for account in accounts:
            builder.append_create_account_op(account, STARTING_LUMENS)
        # Ledgers that close faster than one a second run ahead of the clock.
        now = max(self.node.now(), self.node.header.close_time)
        builder.add_time_bounds(0, now + _VALID_SECONDS)
        transaction = builder.build()
        transaction.sign(self.root)
        return Envelope.decode(transaction.to_xdr(), self.node.network_id)


async def friendbot(request: Request) -> Response:
    account = account_param(request, "addr")
    if account is None:
        raise bad_field("addr", "say which account to fund")
    row = await request.app.state.friendbot.fund(account)
    return answer(transaction_record(view_of(request), row, origin(request)))
