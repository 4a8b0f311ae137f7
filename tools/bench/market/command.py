"""`python -m tools.bench market`: tables for people, one JSON object for machines."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click
import numpy as np

from tools.bench.market import digits, shapley
from tools.bench.market.attacks import ATTACKS, success
from tools.bench.market.digits import World
from tools.bench.market.play import Market, Tally, plain, play

HOSTILE = 0.3
"""Share of the cars, the last ones."""
ATTACKED_SKEW = "0.3"
FOLDER = click.Path(path_type=Path, exists=True, file_okay=False)


@click.command()
@click.option("--data", type=FOLDER, required=True, help="MNIST's four files.")
@click.option("--skew", default="0.1,0.3,1.0,iid", show_default=True, help="Dirichlet's α, or iid.")
@click.option("--attacks", default="all", show_default=True, help="Names, all, or none.")
@click.option("--worlds", default=",".join(shapley.WORLDS), show_default=True, help="For Shapley; or none.")
@click.option("--cars", default=20, show_default=True)
@click.option("--rounds", default=10, show_default=True)
@click.option("--seeds", default=3, show_default=True)
@click.option("--first-seed", default=2, show_default=True, help="The defaults were chosen on 0 and 1.")
@click.option("--json", "as_json", is_flag=True, help="The last line is one JSON object.")
def main(
    data: Path,
    skew: str,
    attacks: str,
    worlds: str,
    cars: int,
    rounds: int,
    seeds: int,
    first_seed: int,
    as_json: bool,
) -> None:
    """Honest cars, hostile cars, and pay against worth, by the product's own judging."""
    of = range(first_seed, first_seed + seeds)
    names = list(ATTACKS) if attacks == "all" else _names(attacks)
    result: dict[str, Any] = {"honest": {}, "attacks": {}, "shapley": {}}
    for one in _names(skew):
        result["honest"][one] = _told(one, _honest(data, one, cars, rounds, of))
    honest = _unattacked(data, cars, rounds, of) if names else {}
    for name in names:
        result["attacks"][name] = _told(name, _attacked(name, cars, rounds, honest))
    for name in _names(worlds):
        result["shapley"][name] = _told(name, _worth(data, name, of))
    if as_json:
        click.echo(json.dumps(result))


def _honest(data: Path, skew: str, cars: int, rounds: int, seeds: range) -> dict[str, Any]:
    reached, means, narrow, markets = [], [], Tally(), list[Market]()
    for seed in seeds:
        shares = digits.dirichlet(cars, skew, seed)
        world = digits.world(data, shares, seed)
        market = play(world, rounds, seed)
        markets.append(market)
        reached.append(digits.accuracy(market.weights, world.unseen))
        means.append(digits.accuracy(plain(world, rounds, seed), world.unseen))
        spread = -(shares * np.log(np.maximum(shares, 1e-12))).sum(axis=1)
        for car in np.argsort(spread, kind="stable")[: cars // 4]:
            narrow.take(market.by_car[car])
    honest = _all([market.honest for market in markets])
    return {
        "accuracy": _mean(reached),
        "plain_mean_accuracy": _mean(means),
        "published": _mean([market.published for market in markets]),
        "forfeited": round(honest.rejected / honest.entries, 4),
        "narrowest_quarter_forfeited": round(narrow.rejected / narrow.entries, 4),
        "paid_unfused": honest.unfused_paid,
        "profit_xlm": round(honest.each, 2),
    }


def _unattacked(data: Path, cars: int, rounds: int, seeds: range) -> dict[int, tuple[World, float]]:
    """By seed: everybody's samples, and the accuracy where nobody is hostile."""
    found = {}
    for seed in seeds:
        world = digits.world(data, digits.dirichlet(cars, ATTACKED_SKEW, seed), seed)
        found[seed] = world, digits.accuracy(play(world, rounds, seed).weights, world.unseen)
    return found


def _attacked(name: str, cars: int, rounds: int, runs: dict[int, tuple[World, float]]) -> dict[str, Any]:
    attack, hostile = ATTACKS[name], int(HOSTILE * cars)
    markets, reached, relative, successes = list[Market](), [], [], []
    for seed, (world, unattacked) in runs.items():
        market = play(world, rounds, seed, attack, hostile)
        markets.append(market)
        reached.append(digits.accuracy(market.weights, world.unseen))
        relative.append(reached[-1] / unattacked)
        successes.append(success(market.weights, attack, world.unseen))
    liars, honest = _all([market.hostile for market in markets]), _all([market.honest for market in markets])
    known = [share for share in successes if share is not None]
    return {
        "accepted": liars.accepted,
        "idle": liars.idle,
        "forfeited": liars.rejected,
        "profit_xlm": round(liars.each, 2),
        "honest_profit_xlm": round(honest.each, 2),
        "honest_forfeited": round(honest.rejected / honest.entries, 4),
        "accuracy": _mean(reached),
        "of_honest_run": _mean(relative),
        "asr": _mean(known) if known else None,
    }


def _worth(data: Path, name: str, seeds: range) -> dict[str, Any]:
    found = [shapley.compared(shapley.WORLDS[name](data, seed), seed) for seed in seeds]
    return {
        "spearman": _mean([correlation for correlation, _, _ in found]),
        "spearman_over_rounds": _mean([shapley.spearman(pay, value) for _, pay, value in found]),
        "first_car_pay": _mean([pay[0] / pay.sum() for _, pay, _ in found]),
        "first_car_value": _mean([value[0] / value.sum() for _, _, value in found]),
    }


def _all(tallies: list[Tally]) -> Tally:
    whole = Tally()
    for tally in tallies:
        whole.take(tally)
    return whole


def _told(name: str, found: dict[str, Any]) -> dict[str, Any]:
    click.echo(f"{name}: " + ", ".join(f"{key} {value}" for key, value in found.items() if value is not None))
    return found


def _names(text: str) -> list[str]:
    return [] if text == "none" else text.split(",")


def _mean(values: list[float]) -> float:
    return round(float(np.mean(values)), 4)
