"""`python -m tools.vectors`: make the vectors, or check those of another implementation."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from agent.errors import FAILED, MilepostError


@click.group()
def vectors() -> None:
    """Questions with their answers, for implementations in other languages (tests/vectors/README.md)."""


@vectors.command()
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False))
def make(folder: Path) -> None:
    """Write FOLDER's files anew, one for each kind."""
    from tools.vectors import files

    for path in files.make(folder):
        click.echo(f"{path}: {path.stat().st_size} bytes")


@vectors.command()
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False, exists=True))
def check(folder: Path) -> None:
    """Answer every question in FOLDER. Exit code 1: another answer than its file says."""
    from tools.vectors import files

    try:
        checked = files.check(folder)
    except MilepostError as error:
        click.echo(str(error), err=True)
        sys.exit(error.exit_code)
    for difference in checked.differences:
        click.echo(str(difference), err=True)
    click.echo(f"{checked.questions} questions, {len(checked.differences)} answered otherwise")
    sys.exit(FAILED if checked.differences or not checked.questions else 0)


if __name__ == "__main__":
    vectors()
