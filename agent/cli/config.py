"""`milepost config`: check, show, init."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from agent import files
from agent.cli.terminal import say
from agent.errors import ConfigError, MilepostError, Unavailable

if TYPE_CHECKING:
    from agent.host.config import Loaded


class ConfigThere(ConfigError):
    """{path} is there already and was left as it is. Move it away to get a fresh one."""


@click.group()
def config() -> None:
    """Check, show or create the configuration."""


@config.command()
@click.argument("path", required=False, type=click.Path())
@click.pass_obj
def check(config_path: str | None, path: str | None) -> None:
    """Check a file (or the one in use) and name the line of the first mistake (exit 78)."""
    from agent.host.config import trace

    loaded = trace(path or config_path)
    file = next(layer.document for layer in loaded.layers if layer.name == "file")
    say(f"The configuration is good: {file.path if file else 'no file'}, profile {loaded.board.name}.")


@config.command()
@click.option("--json", "as_json", is_flag=True, help="As JSON: key, value and origin.")
@click.pass_obj
def show(config_path: str | None, as_json: bool) -> None:
    """Print every value in use and where it comes from. Secrets and places are hidden."""
    from agent.core import redact
    from agent.host import reference
    from agent.host.config import trace

    loaded = _as_settled(trace(config_path))
    values = loaded.config.model_dump(mode="json")
    if as_json:
        say(json.dumps(redact.tree(values), indent=2))
        return
    for table in reference.tables():
        if table.repeated:
            _show_each(table.name, _find(values, table.name), loaded.origin(table.name))
            continue
        if _find(values, table.name) is None:
            continue
        say(f"\n[{'.'.join(table.name)}]")
        for entry in table.entries:
            value = redact.tree({entry.key[-1]: _find(values, entry.key)})[entry.key[-1]]
            text = "# not set" if value is None else reference.toml_value(value)
            say(f"{f'{entry.key[-1]} = {text}':<58} # {loaded.origin(entry.key)}")


@config.command()
@click.argument("path", default="/etc/milepost/milepost.toml", type=click.Path(path_type=Path))
def init(path: Path) -> None:
    """Write a commented file in which nothing is set. Never replaces one; '-' prints it."""
    from agent.host import reference

    if str(path) == "-":
        say(reference.commented_file(), nl=False)
        return
    try:
        files.write_new(path, reference.commented_file().encode(), mode=0o644)
    except files.AlreadyThere:
        raise ConfigThere(path=path) from None
    except Unavailable as error:
        raise ConfigError(path=path, line=1, why=f"the file cannot be written: {error}") from error
    say(f"Written to {path}. Set market.initiators and market.operator, then run `milepost config check`.")


def _as_settled(loaded: Loaded) -> Loaded:
    """With what the fleet changed over the air (`config/desired`), as the journal remembers it."""
    from agent.compose.remote import settle
    from agent.fleet.desired import NOTE, kept
    from agent.host.layers import Layer, nest
    from agent.journal import JournalMissing, JournalReader
    from agent.vehicle.book import JOURNAL

    try:
        wish = kept(JournalReader(loaded.config.agent.state_dir / JOURNAL).note(NOTE))
    except JournalMissing:
        return loaded
    except (MilepostError, OSError) as error:
        say(f"What the fleet set over the air is not shown: {error}", err=True)
        return loaded
    settled = settle(loaded.config, wish.settings)
    layer = Layer(f"the fleet's {wish.id}", nest(settled.taken))
    return replace(loaded, config=settled.config, layers=(*loaded.layers, layer))


def _show_each(name: tuple[str, ...], values: Any, origin: str) -> None:
    """An array of tables, where there is one that is no secret."""
    from agent.core import redact
    from agent.host import reference

    each = redact.tree({name[-1]: values})[name[-1]]
    for table in each if isinstance(each, list) else ():
        say(f"\n[[{'.'.join(name)}]]")
        for key, value in table.items():
            say(f"{f'{key} = {reference.toml_value(value)}':<58} # {origin}")


def _find(values: Any, key: tuple[str, ...]) -> Any:
    for part in key:
        values = values.get(part) if isinstance(values, dict) else None
    return values
