"""`python -m tools.broker --port 0 --ready-file F`: a broker on loopback until it is told to stop. Nothing is
kept."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import signal
from pathlib import Path

import click
from amqtt.adapters import StreamReaderAdapter, StreamWriterAdapter
from amqtt.broker import Broker

LISTENER = "default"
CONFIG = {
    # The sockets are ours, so that port 0 works and the port can be told.
    "listeners": {LISTENER: {"type": "external"}},
    "plugins": {"amqtt.plugins.authentication.AnonymousAuthPlugin": {"allow_anonymous": True}},
}

CONNECT = 0x10
MQTT_3_1_1 = b"\x00\x04MQTT\x04"
REFUSED_VERSION = b"\x20\x02\x00\x01"
MAX_CONNECT = 128 * 1024
CONNECT_SECONDS = 10


class WithFirst(StreamReaderAdapter):  # type: ignore[misc]
    """A reader that gives back the packet that was read ahead, then the rest."""

    def __init__(self, first: bytes, reader: asyncio.StreamReader) -> None:
        super().__init__(reader)
        self._first = first

    async def read(self, n: int = -1) -> bytes:
        if not self._first:
            rest: bytes = await super().read(n)
            return rest
        part, self._first = self._first[:n], self._first[n:]
        return part


async def first_packet(reader: asyncio.StreamReader) -> bytes:
    """The CONNECT packet whole. amqtt would wait for ever inside one of MQTT 5, instead of refusing it."""
    header = await reader.readexactly(2)
    while header[-1] & 0x80 and len(header) < 5:
        header += await reader.readexactly(1)
    length = sum((byte & 0x7F) << 7 * place for place, byte in enumerate(header[1:]))
    if header[0] != CONNECT or not 10 <= length <= MAX_CONNECT:
        raise ValueError("not an MQTT client")
    return header + await reader.readexactly(length)


async def serve(port: int, ready: Path | None) -> None:
    broker = Broker(CONFIG)
    await broker.start()

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            packet = await asyncio.wait_for(first_packet(reader), CONNECT_SECONDS)
        except (ValueError, OSError, EOFError, asyncio.TimeoutError):
            writer.close()
            return
        if MQTT_3_1_1 not in packet[:16]:
            writer.write(REFUSED_VERSION)
            writer.close()
            return
        await broker.external_connected(WithFirst(packet, reader), StreamWriterAdapter(writer), LISTENER)

    server = await asyncio.start_server(connected, "127.0.0.1", port)
    port = server.sockets[0].getsockname()[1]
    if ready is not None:
        part = ready.with_name(ready.name + ".part")
        part.write_text(json.dumps({"host": "127.0.0.1", "port": port, "pid": os.getpid()}))
        part.replace(ready)
    click.echo(f"MQTT broker at 127.0.0.1:{port}")
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    await stop.wait()
    server.close()
    await broker.shutdown()


@click.command()
@click.option("--port", default=1883, show_default=True, help="TCP port on 127.0.0.1; 0: any free one.")
@click.option("--ready-file", type=click.Path(path_type=Path), help="Written with host, port and pid once it listens.")
def main(port: int, ready_file: Path | None) -> None:
    """A small MQTT 3.1.1 broker for one machine: no TLS, no accounts, nothing kept over a restart."""
    logging.basicConfig(level=logging.ERROR)
    logging.getLogger("amqtt").setLevel(logging.CRITICAL)  # a lost connection is not news
    asyncio.run(serve(port, ready_file))


main()
