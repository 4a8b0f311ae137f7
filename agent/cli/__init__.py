"""`milepost`: one verb, one lazily imported function. Errors end in a sentence and their own exit code."""

from __future__ import annotations

import importlib
import sys

import click

from agent import errors
from agent.cli.terminal import say
from agent.core import redact

VERBS: dict[str, tuple[str, str]] = {
    # verb: (module:attribute, one line of help)
    "run": ("agent.cli.vehicle:run", "Drive, train, be paid: the vehicle daemon."),
    "status": ("agent.cli.status:status", "How the daemon and its job stand."),
    "jobs": ("agent.cli.jobs:jobs", "Every job and what became of it."),
    "offers": ("agent.cli.offers:offers", "Training offers: every candidate's numbers, who won and why."),
    "book": ("agent.cli.book:book", "A model's order books: who gives what for credit."),
    "who": ("agent.cli.who:who", "What an account has done: accepted, idle, forfeited, silent."),
    "keys": ("agent.cli.keys:keys", "The vehicle's Stellar key."),
    "config": ("agent.cli.config:config", "Check, show or create the configuration."),
    "profile": ("agent.cli.profile:profile", "Firmware profiles: list, show, detect."),
    "content": ("agent.cli.content:content", "Content addressing: add, get, verify, stat, cid."),
    "doctor": ("agent.cli.doctor:doctor", "Check everything the agent needs, within ten seconds."),
    "camera": ("agent.cli.camera:camera", "What the network will see: a still, sharpness, horizon, latency."),
    "bundle": ("agent.cli.bundle:bundle", "A redacted archive for support."),
    "fleet": ("agent.cli.fleet:fleet", "Watch a fleet: page or terminal."),
    "validator": ("agent.cli.validator:validator", "Review contributions and settle them."),
    "initiator": ("agent.cli.initiator:initiator", "Publish a model, close a round, fuse, restore."),
    "dispute": ("agent.cli.dispute:dispute", "Ask a round's arbiter about an entry that nobody judged."),
    "arbiter": ("agent.cli.arbiter:arbiter", "Hear disputes, decide, pay: the arbiter."),
    "audit": ("agent.cli.audit:audit", "Rebuild a round from its lineage, byte for byte."),
}


class Verbs(click.Group):
    """Verbs import their room when they are called, so that `milepost status` stays quick."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return [*VERBS, "version"]

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        if name not in VERBS:
            return super().get_command(ctx, name)
        module, attribute = VERBS[name][0].split(":")
        command: click.Command = getattr(importlib.import_module(module), attribute)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Verbs"):
            formatter.write_dl(
                [(verb, line) for verb, (_, line) in VERBS.items()] + [("version", "Print the version and its commit.")]
            )


def _say_version() -> None:
    from agent.commit import version

    say(f"milepost {version()}")


def _version(ctx: click.Context, _parameter: click.Parameter, asked: bool) -> None:
    if asked:
        _say_version()
        ctx.exit()


@click.group(cls=Verbs, context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--config", "config_path", type=click.Path(), envvar="MILEPOST_CONFIG", help="milepost.toml to use.")
@click.option(
    "--version", is_flag=True, is_eager=True, expose_value=False, callback=_version, help="Print the version."
)
@click.pass_context
def cli(ctx: click.Context, config_path: str | None) -> None:
    """Milepost: vehicles train a shared network while they drive and are paid for it."""
    ctx.obj = config_path


@cli.command()
def version() -> None:
    """Print the version and its commit."""
    _say_version()


def main() -> None:
    try:
        status = cli.main(standalone_mode=False)
    except errors.MilepostError as error:
        say(f"milepost: {redact.text(str(error))}", err=True)
        sys.exit(error.exit_code)
    except click.exceptions.Abort:
        sys.exit(130)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    sys.exit(status if isinstance(status, int) else errors.OK)
