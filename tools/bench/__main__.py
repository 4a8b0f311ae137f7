"""`python -m tools.bench NAME`: each bench is a click command `main` in its own module."""

from __future__ import annotations

import importlib

import click

BENCHES = {
    "ledger": "Transactions a second through localnet's engine and over HTTP.",
    "content": "Content addressing against plain sha256; a bad link.",
    "update": "Encoded updates against dense ones, on MNIST and a real drive.",
    "odometry": "Hostile drives: phantom trips, lost trips, distance error.",
    "cuda": "What a card is trusted with: correctness, speed, memory, losses.",
    "idle": "A parked car: percent of a core, wake-ups a second, MB.",
    "learn": "The agent's trainer against a bare PyTorch loop.",
    "reservoir": "What a full reservoir keeps of a skewed drive: a uniform choice, or rare samples by weight.",
    "passes": "What a fast computer learns on a trip, by how often it may draw a frame.",
    "fusion": "Fused vehicles against each alone and against central training.",
    "review": "A roll judged, credited and fused, against bare scorings of the global set.",
    "rate": "A learning rate that follows the error of the model, against a fixed one.",
    "market": "Honest and hostile cars, and pay against worth, by the product's own judging.",
    "kills": "kill -9 at any moment of publication, settlement, reclaim and payout: pledges, stakes, stroops.",
    "boxes": "Detection on a drawn set, learnt from a folder and from a teacher.",
    "signs": "Traffic signs, learnt from a folder and from a teacher.",
    "page": "The fleet page in a browser: first paint and its longest task.",
    "deepchain": "The DeepChain paper's experiment on MNIST.",
}


class Benches(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(BENCHES)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        if name not in BENCHES:
            return None
        command: click.Command = importlib.import_module(f"tools.bench.{name}").main
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Benches"):
            formatter.write_dl(list(BENCHES.items()))


@click.group(cls=Benches)
def bench() -> None:
    """Measure Milepost against the plain alternative."""


if __name__ == "__main__":
    bench()
