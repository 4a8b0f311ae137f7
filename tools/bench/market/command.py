"""`python -m tools.bench market`: tables for people, one JSON object for machines."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import numpy as np
from numpy.typing import NDArray

from tools.bench import drives
from tools.bench.market import digits, shapley
from tools.bench.market.attacks import ATTACKS
from tools.bench.market.play import Market, Tally, plain, play
from tools.bench.market.world import World

HOSTILE = 0.3
"""Share of the cars, the last ones."""
ATTACKED_SKEW = "0.3"
STRETCHES = "stretches"
CARS, DRIVERS = 20, 8
ON_DRIVES = ("sign-flip", "label-flip", "noisy-copy", "sybil", "backdoor")
"""What is tried in a few minutes."""


@click.command()
@click.option("--data", type=drives.FOLDER, help="MNIST's four files.")
@click.option("--drives", "first", type=drives.FOLDER, metavar="DIR...", help="Recorded drives instead: steering.")
@click.argument("more", type=drives.FOLDER, nargs=-1, metavar="")
@click.option("--skew", default="0.1,0.3,1.0,iid", show_default=True, help="MNIST: Dirichlet's α, or iid.")
@click.option("--attacks", help="Names, all, or none; all, of drives a few.")
@click.option("--worlds", default="all", show_default=True, help="For Shapley: names, all, or none.")
@click.option("--cars", help="20; of drives 8.", type=int)
@click.option("--rounds", help="10; of drives 3.", type=int)
@click.option("--seeds", help="3; of drives 1.", type=int)
@click.option("--first-seed", default=2, show_default=True, help="The defaults were chosen on 0 and 1.")
@click.option("--json", "as_json", is_flag=True, help="The last line is one JSON object.")
def main(
    data: Path | None,
    first: Path | None,
    more: tuple[Path, ...],
    skew: str,
    attacks: str | None,
    worlds: str,
    cars: int | None,
    rounds: int | None,
    seeds: int | None,
    first_seed: int,
    as_json: bool,
) -> None:
    """Honest cars, hostile cars, and pay against worth, by the product's own judging."""
    if first is not None:
        place: Place = _drives([first, *more], cars or DRIVERS)
    elif data is not None:
        place = _digits(data, _names(skew, []), cars or CARS)
    else:
        raise click.UsageError("Give --data with MNIST's files, or --drives with recorded drives.")
    rounds, seeds = rounds or place.rounds, seeds or place.seeds
    of = range(first_seed, first_seed + seeds)
    names = place.attacks if attacks is None else _names(attacks, list(ATTACKS))
    result: dict[str, Any] = {"honest": {}, "attacks": {}, "shapley": {}}
    runs = dict[str, dict[int, Run]]()
    for one, world in place.honest.items():
        if one in place.told or (names and one == place.attacked):
            runs[one] = {seed: _run(one, world(seed), rounds, seed) for seed in of}
        if one in place.told:
            result["honest"][one] = _told(one, _honest(runs[one], place.narrow))
    for name in names:
        result["attacks"][name] = _told(name, _attacked(name, rounds, runs[place.attacked]))
    for name in _names(worlds, list(place.worth)):
        result["shapley"][name] = _told(name, _worth(place.worth[name], of, rounds if first else shapley.ROUNDS))
    if as_json:
        click.echo(json.dumps(result))


@dataclass(frozen=True, slots=True)
class Place:
    """What is learnt where, and by whom."""

    honest: Mapping[str, Callable[[int], World]]
    """By name: the world of a seed."""
    told: Sequence[str]
    """Of these, what the table has."""
    attacked: str
    worth: Mapping[str, Callable[[int], World]]
    narrow: Callable[[World, int], NDArray[np.int64]]
    """A seed's cars, those of the least spread first."""
    attacks: Sequence[str]
    rounds: int
    seeds: int


@dataclass(frozen=True, slots=True)
class Run:
    """Where nobody is hostile."""

    world: World
    market: Market
    reached: float
    plain: Callable[[], float]


def _digits(data: Path, skews: Sequence[str], cars: int) -> Place:
    def of(skew: str) -> Callable[[int], World]:
        return lambda seed: digits.world(data, digits.dirichlet(cars, skew, seed), seed)

    def worth(made: Callable[[Path, int], World]) -> Callable[[int], World]:
        return lambda seed: made(data, seed)

    every = dict.fromkeys([*skews, ATTACKED_SKEW])
    return Place(
        honest={skew: of(skew) for skew in every},
        told=skews,
        attacked=ATTACKED_SKEW,
        worth={name: worth(made) for name, made in shapley.WORLDS.items()},
        narrow=_least_spread,
        attacks=list(ATTACKS),
        rounds=10,
        seeds=3,
    )


def _least_spread(world: World, seed: int) -> NDArray[np.int64]:
    counts = np.stack([np.bincount(car.labels, minlength=digits.CLASSES) for car in world.cars])
    shares = counts / counts.sum(axis=1, keepdims=True)
    spread = -(shares * np.log(np.maximum(shares, 1e-12))).sum(axis=1)
    return np.argsort(spread, kind="stable")


def _drives(folders: Sequence[Path], cars: int) -> Place:
    from tools.bench.market import steering  # it needs torch

    world = steering.world(folders, cars)
    there = {STRETCHES: lambda seed: world}
    return Place(
        honest=there,
        told=[STRETCHES],
        attacked=STRETCHES,
        worth=there,
        narrow=lambda world, seed: np.argsort([car.labels.std() for car in world.cars], kind="stable"),
        attacks=ON_DRIVES,
        rounds=3,
        seeds=1,
    )


def _run(name: str, world: World, rounds: int, seed: int) -> Run:
    _say(f"{name}, seed {seed}: {len(world.cars)} honest cars")
    market = play(world, rounds, seed)

    def by_the_mean() -> float:
        return world.kind.accuracy(plain(world, rounds, seed), world.unseen)

    return Run(world, market, world.kind.accuracy(market.weights, world.unseen), by_the_mean)


def _honest(runs: Mapping[int, Run], narrow_first: Callable[[World, int], NDArray[np.int64]]) -> dict[str, Any]:
    narrow = Tally()
    for seed, run in runs.items():
        for car in narrow_first(run.world, seed)[: len(run.world.cars) // 4]:
            narrow.take(run.market.by_car[car])
    honest = _all([run.market.honest for run in runs.values()])
    return {
        "accuracy": _mean([run.reached for run in runs.values()]),
        "plain_mean_accuracy": _mean([run.plain() for run in runs.values()]),
        "published": _mean([run.market.published for run in runs.values()]),
        "forfeited": round(honest.rejected / honest.entries, 4),
        "narrowest_quarter_forfeited": round(narrow.rejected / narrow.entries, 4),
        "paid_unfused": honest.unfused_paid,
        "paid": round(honest.accepted / honest.entries, 4),
        "profit_xlm": round(honest.each, 2),
    }


def _attacked(name: str, rounds: int, runs: Mapping[int, Run]) -> dict[str, Any]:
    attack = ATTACKS[name]
    markets, reached, relative, successes = list[Market](), [], [], []
    for seed, run in runs.items():
        world = run.world
        _say(f"{name}, seed {seed}")
        market = play(world, rounds, seed, attack, int(HOSTILE * len(world.cars)))
        markets.append(market)
        reached.append(world.kind.accuracy(market.weights, world.unseen))
        relative.append(reached[-1] / run.reached)
        if attack.backdoor:
            successes.append(world.kind.success(market.weights, world.unseen, attack.hidden))
    liars, honest = _all([market.hostile for market in markets]), _all([market.honest for market in markets])
    return {
        "accepted": liars.accepted,
        "idle": liars.idle,
        "forfeited": liars.rejected,
        "profit_xlm": round(liars.each, 2),
        "honest_profit_xlm": round(honest.each, 2),
        "honest_forfeited": round(honest.rejected / honest.entries, 4),
        "accuracy": _mean(reached),
        "of_honest_run": _mean(relative),
        "asr": _mean(successes) if successes else None,
    }


def _worth(world: Callable[[int], World], seeds: range, rounds: int) -> dict[str, Any]:
    found = [shapley.compared(world(seed), seed, rounds) for seed in seeds]
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


def _say(progress: str) -> None:
    click.echo(progress, err=True)


def _names(text: str, every: list[str]) -> list[str]:
    return [] if text == "none" else every if text == "all" else text.split(",")


def _mean(values: Sequence[float]) -> float:
    return round(float(np.mean(values)), 4)
