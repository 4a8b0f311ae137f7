"""`localnet`, within Milepost `python -m tools.localnet`: a development ledger that speaks Horizon's HTTP API."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import click

from .errors import LocalnetError

DEFAULT_PASSPHRASE = "Milepost Localnet ; 2026"  # noqa: S105  the name of a network, no secret


class Seconds(click.ParamType):  # type: ignore[type-arg]  # older clicks' is not generic
    """`1s`, `0.5s`, `30`. With a `word`, that word is taken too and means None."""

    name = "seconds"

    def __init__(self, word: str | None = None) -> None:
        self.word = word

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float | None:
        if value == self.word:
            return None
        try:
            seconds = float(str(value).removesuffix("s"))
        except ValueError:
            seconds = 0.0
        if not 0 < seconds < 86_400:
            self.fail(f"{value} is no time such as 1s" + (f" and not the word {self.word}." if self.word else "."))
        return seconds


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", default=8000, show_default=True, type=click.IntRange(0, 65535), help="0: a free one.")
@click.option(
    "--state",
    type=click.Path(path_type=Path, file_okay=False),
    help="Directory that keeps the ledger. Without it the ledger is gone with the process.",
)
@click.option("--passphrase", default=DEFAULT_PASSPHRASE, show_default=True, help="The network's passphrase.")
@click.option(
    "--close-every",
    type=Seconds("manual"),
    default="1s",
    show_default=True,
    help="Time from ledger to ledger, or `manual`: only POST /localnet/close closes one.",
)
@click.option(
    "--fault",
    default="",
    help="What goes wrong: lose-request=0.1,lose-answer=0.1,429=0.05,504=0.05,404=0.01,garble=0.01,delay=2s,seed=7,"
    "only=/transactions",
)
@click.option(
    "--timeout",
    type=Seconds(),
    default="30s",
    show_default=True,
    help="How long POST /transactions waits for a ledger before it answers 504.",
)
@click.option(
    "--history",
    type=click.IntRange(1),
    help="How many ledgers of history are remembered. Without it all are.",
)
@click.option(
    "--replica",
    type=click.IntRange(0),
    help="Serve the same ledger at a second address, this many ledgers late.",
)
@click.option(
    "--replica-port",
    default=0,
    show_default=True,
    type=click.IntRange(0, 65535),
    help="The second address's port. 0: a free one.",
)
@click.option(
    "--surge",
    type=click.IntRange(1),
    help="How many operations a ledger holds: who bids more goes first. Without it there is plenty of room.",
)
@click.option(
    "--clock",
    type=click.IntRange(1, 10**11),
    help="The machine's clock stands at this Unix time, and only closes set it on: the same ledgers every time.",
)
@click.option(
    "--rate-limit",
    type=click.IntRange(1),
    default=3_600_000,
    show_default=True,
    help="Requests an hour that one client may make.",
)
@click.option(
    "--protocol",
    type=click.Choice(["19", "25"]),
    default="25",
    show_default=True,
    help="Whose rules: 19 as in the recordings, 25 as on the network today (docs/localnet.md).",
)
@click.option(
    "--ready-file",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Written once requests are taken: url, passphrase and root_seed in JSON.",
)
@click.option("--json", "as_json", is_flag=True, help="Say that it is ready in JSON.")
def localnet(
    host: str,
    port: int,
    state: Path | None,
    passphrase: str,
    close_every: float | None,
    fault: str,
    timeout: float,
    history: int | None,
    replica: int | None,
    replica_port: int,
    surge: int | None,
    clock: int | None,
    rate_limit: int,
    protocol: str,
    ready_file: Path | None,
    as_json: bool,
) -> None:
    """Run a Stellar development ledger with Horizon's API on this machine."""
    from .engine import Rules
    from .faults import read_faults
    from .serving import Settings, serve, write_ready_file

    def ready(facts: dict[str, Any]) -> None:
        if ready_file is not None:
            write_ready_file(ready_file, facts)
        beat = "on demand" if close_every is None else f"every {close_every:g} s"
        late = f" {replica} ledgers late: {facts['replica_url']}." if replica is not None else ""
        words = f"Localnet is at {facts['url']}. Ledgers close {beat}.{late}"
        click.echo(json.dumps(facts) if as_json else words)

    try:
        settings = Settings(
            passphrase=passphrase,
            host=host,
            port=port,
            state=state,
            close_seconds=close_every,
            faults=read_faults(fault),
            submit_seconds=timeout,
            clock=clock,
            requests_per_hour=rate_limit,
            rules=Rules(int(protocol)),
            history=history,
            replica=replica,
            replica_port=replica_port,
            surge=surge,
        )
        serve(settings, ready)
    except LocalnetError as found:
        click.echo(str(found), err=True)
        sys.exit(found.exit_code)


if __name__ == "__main__":
    localnet()
