"""Friendbot: lumens for a new account, by a real transaction of the root account."""

from __future__ import annotations

import asyncio
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from stellar_sdk import Account, TransactionBuilder

from tools.localnet.engine import Envelope, root_keypair
from tools.localnet.horizon.answer import answer, origin
from tools.localnet.horizon.collection import node_of
from tools.localnet.horizon.party import account_param
from tools.localnet.horizon.problem import bad_field
from tools.localnet.horizon.submit import include, transaction_failed
from tools.localnet.horizon.transactions import transaction_record
from tools.localnet.node import Node

STARTING_LUMENS = "10000"
_VALID_SECONDS = 300


class Friendbot:
    """Serves one request after the other: an account has one pending transaction, the root account too."""

    def __init__(self, node: Node, manual: bool, submit_seconds: float) -> None:
        """`manual`: nobody else closes ledgers, so friendbot closes its own."""
        self.node = node
        self.manual = manual
        self.submit_seconds = submit_seconds
        self.root = root_keypair(node.passphrase)
        self._turn = asyncio.Lock()

    async def fund(self, account: str) -> Any:
        """The history row of the transaction that created the account, or the Problem that it met."""
        async with self._turn:
            envelope = self._sign(account)
            waiting = asyncio.ensure_future(include(self.node, envelope, self.submit_seconds))
            await asyncio.sleep(0)  # let it into the queue
            if self.manual and not waiting.done():
                self.node.close()
            row = await waiting
        if not row["successful"]:
            raise transaction_failed(envelope.base64, row["result"])
        return row

    def _sign(self, account: str) -> Envelope:
        root = self.node.state.account(self.root.public_key)
        sequence = root.sequence if root else 0
        builder = TransactionBuilder(Account(self.root.public_key, sequence), self.node.passphrase, base_fee=100)
        builder.append_create_account_op(account, STARTING_LUMENS)
        builder.add_time_bounds(0, self.node.now() + _VALID_SECONDS)
        transaction = builder.build()
        transaction.sign(self.root)
        return Envelope.decode(transaction.to_xdr(), self.node.network_id)


async def friendbot(request: Request) -> Response:
    account = account_param(request, "addr")
    if account is None:
        raise bad_field("addr", "say which account to fund")
    row = await request.app.state.friendbot.fund(account)
    return answer(transaction_record(node_of(request), row, origin(request)))
