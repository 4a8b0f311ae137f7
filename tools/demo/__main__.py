"""`python -m tools.demo`: the whole job, end to end, with real processes on loopback."""

from __future__ import annotations

import signal
import sys
import tempfile
from pathlib import Path

import click

from agent.errors import MilepostError


@click.command()
@click.option(
    "--drive",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="A recorded drive. Default: a synthetic road.",
)
@click.option(
    "--route",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="A recording to take the odometry from where the drive has none.",
)
@click.option(
    "--rounds",
    default=2,
    show_default=True,
    type=click.IntRange(1, 5),
    help="Trips each vehicle drives, one on each round.",
)
@click.option("--seed", default=7, show_default=True, help="Of the network's first weights and the synthetic road.")
@click.option(
    "--report", type=click.Path(dir_okay=False, path_type=Path), default=Path("demo-out/report.json"), show_default=True
)
@click.option(
    "--folder",
    type=click.Path(file_okay=False, path_type=Path),
    help="Keep all files here. Default: a temporary folder.",
)
def main(drive: Path | None, route: Path | None, rounds: int, seed: int, report: Path, folder: Path | None) -> None:
    """Three vehicles drive, train, are checked by three validators and paid; the initiator fuses what was accepted.

    Two vehicles are honest, one hands in noise. Ends with a table, a picture and report.json.
    """
    from tools.demo.play import play

    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with tempfile.TemporaryDirectory(prefix="milepost-demo-") as scratch:
        try:
            ok = play(folder or Path(scratch), drive, route, rounds, seed, report)
        except KeyboardInterrupt:
            click.echo("Stopped. Nothing is left running.", err=True)
            sys.exit(130)
        except MilepostError as error:
            click.echo(f"milepost demo: {error}", err=True)
            sys.exit(error.exit_code)
    sys.exit(0 if ok else 1)


if __name__ == "__main__":
    main()
