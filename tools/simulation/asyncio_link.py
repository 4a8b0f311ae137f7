"""A FleetLink for one asyncio loop: MQTT 3.1.1 in a page, so that ten thousand connections fit into one
process.

paho needs a thread per connection. This speaks CONNECT, SUBSCRIBE, PUBLISH with QoS 0 and 1, PUBACK and PING,
which is all a vehicle uses, and keeps the same promises (tests/contract).
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import struct
from collections import deque
from collections.abc import Sequence

from agent.fleet.broker import Broker
from agent.fleet.link import MAX_PAYLOAD, MAX_WAITING
from agent.ports import Message
from agent.troubles import BrokerSilent

CONNECT, CONNACK, PUBLISH, PUBACK, SUBSCRIBE, SUBACK, PINGREQ, PINGRESP, DISCONNECT = 1, 2, 3, 4, 8, 9, 12, 13, 14
KEEPALIVE_S = 60
MAX_PACKET = MAX_PAYLOAD + 1024


class AsyncioLink:
    """See FleetLink. Everything runs in the loop that `run` runs in."""

    def __init__(
        self, broker: Broker, client_id: str, subscriptions: Sequence[str] = (), will: Message | None = None
    ) -> None:
        self.will = will
        self.refused = 0
        self._broker, self._client_id, self._subscriptions = broker, client_id, tuple(subscriptions)
        self._greeting: Message | None = None
        self._inbox: deque[Message] = deque()
        self._taken: dict[int, Message] = {}
        self._confirmed: list[int] = []
        self._next_id = 1
        self._writer: asyncio.StreamWriter | None = None
        self._connected = False
        self._closed = asyncio.Event()

    @property
    def connected(self) -> bool:
        return self._connected

    @property
    def trouble(self) -> BrokerSilent | None:
        return None if self._connected else BrokerSilent(broker=self._broker)

    def publish(self, message: Message, qos: int = 1) -> int | None:
        if self.will and message.retain and message.topic == self.will.topic:
            self._greeting = message
        if self._closed.is_set() or (qos == 0 and not self._connected) or len(self._taken) >= MAX_WAITING:
            return None
        number, self._next_id = self._next_id, self._next_id + 1
        if qos:
            self._taken[number] = message
        if self._connected:
            self._send(message, number if qos else None)
        return number

    def acknowledged(self) -> Sequence[int]:
        confirmed, self._confirmed = self._confirmed, []
        return confirmed

    def receive(self) -> Sequence[Message]:
        messages = list(self._inbox)
        self._inbox.clear()
        return messages

    def close(self) -> None:
        self._closed.set()
        if self._writer is not None:
            self._put(DISCONNECT << 4, b"")
            self._writer.close()
        self._connected = False

    async def run(self) -> None:
        """Connect and stay connected until `close`."""
        pause = 0.5
        while not self._closed.is_set():
            with contextlib.suppress(OSError, EOFError, ValueError):
                await self._session()
                pause = 0.5
            self._connected, self._writer = False, None
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self._closed.wait(), pause * random.uniform(0.5, 1.5))
            pause = min(pause * 2, 30)

    async def _session(self) -> None:
        reader, writer = await asyncio.open_connection(self._broker.host, self._broker.port)
        try:
            self._writer = writer
            self._put(CONNECT << 4, self._connect())
            kind, body = await _packet(reader)
            if kind >> 4 != CONNACK or body[1] != 0:
                raise ValueError("refused")
            if self._subscriptions:
                asked = b"".join(_text(pattern) + b"\x01" for pattern in self._subscriptions)
                self._put(SUBSCRIBE << 4 | 2, struct.pack("!H", 1) + asked)
                while (await self._one(reader)) != SUBACK:
                    pass
            if self._greeting is not None:
                self._send(self._greeting, None)
            self._connected = True
            for number, message in self._taken.items():
                self._send(message, number)
            while True:
                try:
                    await asyncio.wait_for(self._one(reader), KEEPALIVE_S / 2)
                except asyncio.TimeoutError:
                    self._put(PINGREQ << 4, b"")
        finally:
            writer.close()

    async def _one(self, reader: asyncio.StreamReader) -> int:
        head, body = await _packet(reader)
        kind = head >> 4
        if kind == PUBACK:
            (wire_id,) = struct.unpack("!H", body[:2])
            # Ids on the wire are 16 bits; MAX_WAITING messages at most are out, so the residue finds the
            # right one.
            number = next((number for number in self._taken if number % 65535 + 1 == wire_id), None)
            if number is not None:
                del self._taken[number]
                self._confirmed.append(number)
        elif kind == PUBLISH:
            (length,) = struct.unpack("!H", body[:2])
            topic, rest = body[2 : 2 + length].decode(), body[2 + length :]
            if head & 0x06:
                self._put(PUBACK << 4, rest[:2])
                rest = rest[2:]
            if len(self._inbox) < MAX_WAITING:
                self._inbox.append(Message(topic, rest, bool(head & 1)))
            else:
                self.refused += 1
        return kind

    def _connect(self) -> bytes:
        flags, tail = 0x02, b""
        if self.will is not None:
            flags |= 0x04 | 0x08 | (0x20 if self.will.retain else 0)
            tail = _text(self.will.topic) + struct.pack("!H", len(self.will.payload)) + self.will.payload
        return _text("MQTT") + bytes([4, flags]) + struct.pack("!H", KEEPALIVE_S) + _text(self._client_id) + tail

    def _send(self, message: Message, number: int | None) -> None:
        head = PUBLISH << 4 | (2 if number is not None else 0) | message.retain
        wire_id = struct.pack("!H", number % 65535 + 1) if number is not None else b""
        self._put(head, _text(message.topic) + wire_id + message.payload)

    def _put(self, head: int, body: bytes) -> None:
        if self._writer is not None and not self._writer.is_closing():
            self._writer.write(bytes([head]) + _length(len(body)) + body)


def _text(text: str) -> bytes:
    data = text.encode()
    return struct.pack("!H", len(data)) + data


def _length(size: int) -> bytes:
    out = bytearray()
    while True:
        size, byte = size >> 7, size & 0x7F
        out.append(byte | 0x80 if size else byte)
        if not size:
            return bytes(out)


async def _packet(reader: asyncio.StreamReader) -> tuple[int, bytes]:
    head = (await reader.readexactly(1))[0]
    size = shift = 0
    while True:
        byte = (await reader.readexactly(1))[0]
        size |= (byte & 0x7F) << shift
        shift += 7
        if not byte & 0x80:
            break
        if shift > 21:
            raise ValueError("malformed length")
    if size > MAX_PACKET:
        raise ValueError("oversized packet")
    return head, await reader.readexactly(size)
