"""Faults on purpose: what a client meets on a bad link or at a busy Horizon, repeatable by seed.

Only requests of clients are hit; the ledger itself closes undisturbed, and the control paths under
`/localnet/` stay out of it so that a test can always steer. The n-th request draws the n-th number of
the seeded generator: the same requests in the same order meet the same faults.
"""

from __future__ import annotations

import asyncio
import random
import re
from dataclasses import dataclass, field
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

from .errors import USAGE, LocalnetError
from .horizon.problem import Problem

DROP = "localnet.drop"
RETRY_AFTER_SECONDS = 1

KINDS = ("lose-request", "lose-answer", "429", "504", "404", "garble")

_XDR = re.compile(rb'("(?:result|envelope)_xdr":)"[^"]*"')


class FaultError(LocalnetError):
    """The fault "{text}" is not known. Write {kinds} as NAME=PROBABILITY, delay=2s, seed=7, only=/path, with commas."""

    exit_code = USAGE


@dataclass(frozen=True, slots=True)
class Faults:
    """chances: kind -> probability, together at most 1. delay: seconds that every answer waits.

    only: what the path of a request must contain to be hit, "" for any.
    """

    chances: dict[str, float] = field(default_factory=dict)
    delay_seconds: float = 0.0
    seed: int = 0
    only: str = ""

    def draw(self, dice: random.Random) -> str | None:
        """The fault that the next request meets, if any. One number is drawn, whatever comes of it."""
        number = dice.random()
        for kind in KINDS:
            number -= self.chances.get(kind, 0.0)
            if number < 0:
                return kind
        return None


def read_faults(text: str) -> Faults:
    """`lose-request=0.1,429=0.05,delay=2s,seed=7` -> Faults. Raises FaultError."""
    words = dict(part.strip().partition("=")[::2] for part in text.split(",") if part.strip())
    try:
        seed = int(words.pop("seed", "0"))
        only = words.pop("only", "")
        delay = float(words.pop("delay", "0s").removesuffix("s"))
        chances = {kind: float(chance) for kind, chance in words.items()}
    except ValueError:
        raise FaultError(text=text, kinds=", ".join(KINDS)) from None
    in_range = all(0 <= chance <= 1 for chance in chances.values()) and sum(chances.values()) <= 1 and delay >= 0
    if not in_range or not chances.keys() <= set(KINDS):
        raise FaultError(text=text, kinds=", ".join(KINDS))
    return Faults(chances, delay, seed, only)


class DroppableConnection(H11Protocol):
    """A connection that hands each request the means to cut it: `scope["localnet.drop"]()`."""

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        whole = self.app

        async def droppable(scope: Any, receive: Receive, send: Send) -> None:
            await whole({**scope, DROP: transport.abort}, receive, send)

        self.app = droppable


class FaultyServer:
    """The outermost layer of the application: meets each request with the fault drawn for it."""

    def __init__(self, app: ASGIApp, faults: Faults) -> None:
        self.app = app
        self.set(faults)

    def set(self, faults: Faults) -> None:
        self.faults = faults
        self.dice = random.Random(faults.seed)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        spared = scope["type"] != "http" or scope["path"].startswith("/localnet/")
        if spared or self.faults.only not in scope["path"]:
            return await self.app(scope, receive, send)
        fault = self.faults.draw(self.dice)
        if self.faults.delay_seconds:
            await asyncio.sleep(self.faults.delay_seconds)
        if fault == "lose-request":
            return await _cut(scope, receive)
        if fault == "lose-answer":
            return await self._lose_answer(scope, receive, send)
        if fault == "429":
            wait = {"Retry-After": str(RETRY_AFTER_SECONDS)}
            return await Problem("rate_limit_exceeded", headers=wait).response()(scope, receive, send)
        if fault == "504":
            return await Problem("timeout").response()(scope, receive, send)
        if fault == "404":
            return await Problem("not_found").response()(scope, receive, send)
        return await self.app(scope, receive, _garbling(send) if fault == "garble" else send)

    async def _lose_answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The request is processed to the end; the connection goes before the first byte of the answer."""

        async def swallow(message: Message) -> None:
            scope[DROP]()

        await self.app(scope, receive, swallow)


def _garbling(send: Send) -> Send:
    """Each XDR in the answer becomes "AAA=": three bytes, of which nothing can be made."""

    async def garble(message: Message) -> None:
        if message["type"] == "http.response.start":
            kept = [(name, value) for name, value in message["headers"] if name != b"content-length"]
            message = {**message, "headers": kept}
        elif "body" in message:
            message = {**message, "body": _XDR.sub(rb'\1"AAA="', message["body"])}
        await send(message)

    return garble


async def _cut(scope: Scope, receive: Receive) -> None:
    scope[DROP]()
    # uvicorn would answer 500 for us if we left before it noticed that the client is gone
    while (await receive())["type"] != "http.disconnect":
        pass
