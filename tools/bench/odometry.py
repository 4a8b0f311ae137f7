"""Hostile drives through the agent's own trip machine: what it counts against what the car drove.

Thirty kinds, each with its sources, faults and noise; what the car really did is known. Noise is that of published
receivers and cars, as figures of a datasheet or a standard:

- GNSS position 2.5 m CEP, speed 0.05 m/s, at rest in a built-up place 0.3 to 0.6 m/s and a wander of metres that drifts
  over minutes (u-blox NEO-M8 and M9 datasheets; traccar#3860 for what owners see);
- speedometers read 0 to 10 % + 4 km/h high and never low (UN ECE R39); OBD says whole km/h (SAE J1979, PID 0D);
- odometers within 4 % (UN ECE R39, 5.3.2 as of 2018); a car's own differs from its wheels by its tyres, 1 to 2 %.
"""

from __future__ import annotations

import json
import math
import random
import statistics
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace

import click

from agent.compose.vehicle import rules
from agent.core.trip import TripOpened, TripState, advance
from agent.host.sections import Trip
from agent.ports import Position, Reading

METRE = 1 / 111_194.9
"""One metre of latitude in degrees."""
RULES = rules(Trip())


@dataclass(frozen=True, slots=True)
class Leg:
    """`seconds` in which the car rolls at `kmh`. `carried`: it moves and its wheels do not."""

    seconds: float
    kmh: float = 0.0
    carried: bool = False
    ignition: bool = True
    sky: bool = True


@dataclass(slots=True)
class Car:
    """Where it is, and what its sources make of it."""

    luck: random.Random
    t: float = 0.0
    rolled_m: float = 0.0
    """What its wheels did: the truth."""
    moved_m: float = 0.0
    mps: float = 0.0
    """Of the wheels."""
    ground_mps: float = 0.0
    ignition: bool = True
    sky: bool = True
    wander: list[float] = field(default_factory=lambda: [0.0, 0.0])
    speed_noise: float = 0.0

    def step(self, dt: float, leg: Leg) -> None:
        target = leg.kmh / 3.6
        if target > 1 and not leg.carried:
            target *= 1 + 0.03 * math.sin(self.t / 7.0)
        change = 2.5 * dt  # m/s² as cars brake and pull away
        self.ground_mps += max(-change, min(change, target - self.ground_mps))
        self.mps = 0.0 if leg.carried else self.ground_mps
        self.rolled_m += self.mps * dt
        self.moved_m += self.ground_mps * dt
        self.t += dt
        self.ignition, self.sky = leg.ignition, leg.sky

    def drift(self, dt: float, wander_m: float, tau_s: float, speed_mps: float) -> None:
        """Noise that lasts, as that of a receiver does."""
        keep = math.exp(-dt / tau_s)
        for axis in (0, 1):
            self.wander[axis] = keep * self.wander[axis] + wander_m * math.sqrt(1 - keep**2) * self.luck.gauss(0, 1)
        slow = math.exp(-dt / 5.0)
        self.speed_noise = slow * self.speed_noise + speed_mps * math.sqrt(1 - slow**2) * self.luck.gauss(0, 1)

    @property
    def position(self) -> Position:
        return Position(
            48.0 + (self.moved_m + self.wander[0]) * METRE, 11.0 + self.wander[1] * METRE / math.cos(math.radians(48))
        )

    @property
    def gnss_kmh(self) -> float:
        noise = self.speed_noise + self.luck.gauss(0, 0.05)
        return abs(self.ground_mps + noise) * 3.6


Say = Callable[["Car", int], Reading | None]
"""What a source says at a step, or None. The number counts its steps."""


@dataclass(frozen=True, slots=True)
class Kind:
    """`sources`: each with the time between two of its steps. `trip`: whether a trip has to open."""

    legs: Callable[[random.Random], list[Leg]]
    sources: Callable[[random.Random], list[tuple[float, Say]]]
    trip: bool = True
    wander_m: float = 2.5
    tau_s: float = 60.0
    speed_mps: float = 0.05


# --- drives ---------------------------------------------------------------------------------------------------


def town(luck: random.Random) -> list[Leg]:
    legs = [Leg(30)]
    for _ in range(luck.randint(12, 20)):
        legs += [Leg(luck.uniform(20, 60), luck.uniform(25, 55)), Leg(luck.uniform(5, 60))]
    return [*legs, Leg(400)]


def motorway(luck: random.Random) -> list[Leg]:
    return [Leg(20), Leg(60, 50), Leg(luck.uniform(600, 1200), luck.uniform(100, 140)), Leg(60, 50), Leg(400)]


def cruise(luck: random.Random) -> list[Leg]:
    return [Leg(20), Leg(60, 50), Leg(luck.uniform(900, 1500), 118), Leg(60, 40), Leg(400)]


def parked(luck: random.Random) -> list[Leg]:
    return [Leg(3 * 3600)]


def parked_off(luck: random.Random) -> list[Leg]:
    return [Leg(3 * 3600, ignition=False)]


def tunnel(luck: random.Random) -> list[Leg]:
    return [Leg(20), Leg(200, 80), Leg(luck.uniform(60, 400), 80, sky=False), Leg(200, 80), Leg(400)]


def carried(luck: random.Random, kmh: float, **more: bool) -> list[Leg]:
    seconds = luck.uniform(1200, 2400)
    return [Leg(120), Leg(seconds, kmh, carried=True, **more), Leg(600, carried=True, **more)]


def ferry(luck: random.Random) -> list[Leg]:
    return carried(luck, luck.uniform(20, 40), ignition=False)


def train(luck: random.Random) -> list[Leg]:
    return carried(luck, luck.uniform(60, 140), ignition=False)


def jam(luck: random.Random) -> list[Leg]:
    legs = [Leg(20), Leg(120, 60)]
    for _ in range(60):
        legs += [Leg(luck.uniform(5, 20), luck.uniform(3, 12)), Leg(luck.uniform(5, 40))]
    return [*legs, Leg(120, 60), Leg(400)]


# --- sources --------------------------------------------------------------------------------------------------


def wheels(digit: float = 0.01, factor: float = 1.0) -> Say:
    def say(car: Car, step: int) -> Reading:
        return Reading(car.t, speed_kmh=round(car.mps * 3.6 * factor / digit) * digit)

    return say


def odometer(digit_m: float = 1.0, unit: float = 1.0, factor: float = 1.0) -> Say:
    return lambda car, step: Reading(
        car.t, travelled_m=(100_000 + math.floor(car.rolled_m * factor / digit_m) * digit_m) * unit
    )


def ignition() -> Say:
    return lambda car, step: Reading(car.t, ignition=car.ignition)


def gnss(speed: bool = True) -> Say:
    def say(car: Car, step: int) -> Reading | None:
        if not car.sky:
            return None
        return Reading(car.t, speed_kmh=car.gnss_kmh if speed else None, position=car.position)

    return say


def awake(say: Say) -> Say:
    """A bus that sleeps with the ignition off."""
    return lambda car, step: say(car, step) if car.ignition else None


def on_change(say: Say) -> Say:
    last: list[float | None] = [None]

    def changed(car: Car, step: int) -> Reading | None:
        reading = say(car, step)
        if reading is None or reading.speed_kmh == last[0]:
            return None
        last[0] = reading.speed_kmh
        return reading

    return changed


def spiked(say: Say, luck: random.Random) -> Say:
    """One reading in 500 is nonsense."""

    def spike(car: Car, step: int) -> Reading | None:
        reading = say(car, step)
        if reading is None or luck.random() > 0.002:
            return reading
        if reading.position is not None:
            here = Position(reading.position.latitude_deg + luck.choice((-1, 1)) * 0.5, reading.position.longitude_deg)
            return Reading(reading.t, speed_kmh=reading.speed_kmh, position=here)
        if reading.travelled_m is not None:
            return Reading(reading.t, travelled_m=luck.choice((0.0, 4e9)))
        return Reading(reading.t, speed_kmh=luck.choice((655.35, 1e9, -1e9)))

    return spike


def lossy(say: Say, luck: random.Random, share: float) -> Say:
    return lambda car, step: None if luck.random() < share else say(car, step)


def late(say: Say, seconds: float) -> Say:
    """Its time stamps are late."""

    def delayed(car: Car, step: int) -> Reading | None:
        reading = say(car, step)
        return reading and Reading(
            reading.t - seconds,
            reading.speed_kmh,
            reading.travelled_m,
            ignition=reading.ignition,
            position=reading.position,
        )

    return delayed


def stuck(say: Say, after_s: float) -> Say:
    """Frozen from then on."""
    last: list[Reading] = []

    def frozen(car: Car, step: int) -> Reading | None:
        if car.t < after_s or not last:
            reading = say(car, step)
            last[:] = [reading] if reading else last
            return reading
        return replace(last[0], t=car.t)

    return frozen


KINDS: dict[str, Kind] = {
    "town, wheels": Kind(town, lambda luck: [(0.1, wheels())]),
    "town, odometer of 1 m": Kind(town, lambda luck: [(0.1, odometer())]),
    "town, odometer of 100 m and speed": Kind(town, lambda luck: [(0.5, odometer(100)), (0.1, wheels())]),
    "town, odometer of 1 km and speed": Kind(town, lambda luck: [(1.0, odometer(1000)), (0.1, wheels())]),
    "town, whole km/h of OBD": Kind(town, lambda luck: [(1.0, wheels(1.0))]),
    "town, receiver alone": Kind(town, lambda luck: [(1.0, gnss())]),
    "town, receiver without speed": Kind(town, lambda luck: [(1.0, gnss(speed=False))]),
    "town, poor receiver": Kind(town, lambda luck: [(1.0, gnss())], wander_m=8.0, tau_s=120.0, speed_mps=0.4),
    "town, wheels and receiver": Kind(town, lambda luck: [(0.1, wheels()), (1.0, gnss())]),
    "town, frames lost": Kind(town, lambda luck: [(0.1, lossy(wheels(), luck, 0.5))]),
    "town, spikes": Kind(town, lambda luck: [(0.1, spiked(wheels(), luck)), (1.0, spiked(gnss(), luck))]),
    "town, odometer with spikes": Kind(town, lambda luck: [(0.1, spiked(odometer(), luck)), (0.1, wheels())]),
    "town, late receiver": Kind(town, lambda luck: [(0.1, wheels()), (1.0, late(gnss(), 0.8))]),
    "town, speed every ten seconds": Kind(town, lambda luck: [(10.0, wheels())]),
    "town, speed on change": Kind(town, lambda luck: [(0.1, on_change(wheels(1.0)))]),
    "motorway, wheels": Kind(motorway, lambda luck: [(0.1, wheels())]),
    "motorway, receiver alone": Kind(motorway, lambda luck: [(1.0, gnss())]),
    "cruise control, whole km/h": Kind(cruise, lambda luck: [(1.0, wheels(5.0))]),
    "jam, wheels": Kind(jam, lambda luck: [(0.1, wheels())]),
    "jam, receiver alone": Kind(jam, lambda luck: [(1.0, gnss())]),
    "tunnel, receiver alone": Kind(tunnel, lambda luck: [(1.0, gnss())]),
    "tunnel, wheels and receiver": Kind(tunnel, lambda luck: [(0.1, wheels()), (1.0, gnss())]),
    "odometer in km and wheels": Kind(town, lambda luck: [(1.0, odometer(100, 0.001)), (0.1, wheels())]),
    "odometer ten times too fast and wheels": Kind(town, lambda luck: [(0.1, odometer(1, 10.0)), (0.1, wheels())]),
    "odometer that freezes and wheels": Kind(town, lambda luck: [(0.1, stuck(odometer(), 200.0)), (0.1, wheels())]),
    "wheels that freeze and receiver": Kind(motorway, lambda luck: [(0.1, stuck(wheels(), 300.0)), (1.0, gnss())]),
    "parked, poor receiver": Kind(
        parked, lambda luck: [(1.0, gnss())], trip=False, wander_m=8.0, tau_s=120.0, speed_mps=0.6
    ),
    "parked, poor receiver, ignition off": Kind(
        parked_off, lambda luck: [(1.0, gnss()), (1.0, ignition())], trip=False, wander_m=8.0, speed_mps=0.6
    ),
    "ferry, bus asleep": Kind(
        ferry, lambda luck: [(0.1, awake(wheels())), (1.0, awake(ignition())), (1.0, gnss())], trip=False
    ),
    "car train or tow, ignition off": Kind(train, lambda luck: [(1.0, ignition()), (1.0, gnss())], trip=False),
}


@dataclass(frozen=True, slots=True)
class Outcome:
    drove_m: float
    counted_m: float
    trips: int

    @property
    def error(self) -> float:
        """As a share of what was driven."""
        return abs(self.counted_m - self.drove_m) / self.drove_m if self.drove_m else 0.0


def readings(kind: Kind, car: Car) -> Iterator[Reading]:
    """What arrives, in order, while the car moves."""
    luck = car.luck
    legs, sources = kind.legs(luck), kind.sources(luck)
    dt = min(every for every, _ in sources)
    due, steps = [luck.uniform(0, every) for every, _ in sources], [0] * len(sources)
    for leg in legs:
        end = car.t + leg.seconds
        while car.t < end:
            car.step(dt, leg)
            if kind.speed_mps:
                car.drift(dt, kind.wander_m, kind.tau_s, kind.speed_mps)
            for place, (every, say) in enumerate(sources):
                if car.t >= due[place]:
                    due[place] += every
                    steps[place] += 1
                    if (reading := say(car, steps[place])) is not None:
                        yield reading


def drive(kind: Kind, seed: int) -> Outcome:
    state, trips, car = TripState(), 0, Car(random.Random(seed))
    for reading in readings(kind, car):
        state, events = advance(RULES, state, reading)
        trips += sum(isinstance(event, TripOpened) for event in events)
    return Outcome(car.rolled_m, state.mileage.total_m, trips)


def table(seed: int, seeds: int) -> dict[str, list[Outcome]]:
    return {name: [drive(kind, seed * 1000 + number) for number in range(seeds)] for name, kind in KINDS.items()}


def summary(outcomes: Mapping[str, list[Outcome]]) -> dict[str, object]:
    """The last line of the bench."""
    kinds = {}
    for name, of_kind in outcomes.items():
        errors = [one.error for one in of_kind]
        kinds[name] = {
            "phantom": sum(one.trips for one in of_kind if not KINDS[name].trip),
            "lost": sum(one.trips == 0 for one in of_kind if KINDS[name].trip),
            "median_error": round(statistics.median(errors), 5),
            "worst_error": round(max(errors), 5),
            "phantom_m": round(max((one.counted_m for one in of_kind if not KINDS[name].trip), default=0.0), 1),
        }
    driven = [one.error for name, of_kind in outcomes.items() if KINDS[name].trip for one in of_kind]
    return {
        "drives": sum(map(len, outcomes.values())),
        "phantom_trips": sum(int(kind["phantom"]) for kind in kinds.values()),
        "lost_trips": sum(int(kind["lost"]) for kind in kinds.values()),
        "median_error": round(statistics.median(driven), 5),
        "worst_error": round(max(driven), 5),
        "kinds": kinds,
    }


@click.command()
@click.option("--seed", default=1, show_default=True, help="Another seed, other drives.")
@click.option("--seeds", default=20, show_default=True, help="Drives of each kind.")
@click.option("--json", "as_json", is_flag=True, help="The last line is one JSON object.")
def main(seed: int, seeds: int, as_json: bool) -> None:
    """Hostile drives: phantom trips, lost trips, distance error."""
    found = summary(table(seed, seeds))
    click.echo(f"{'kind':<40} {'phantom':>7} {'lost':>5} {'median':>8} {'worst':>8}")
    for name, kind in found["kinds"].items():  # type: ignore[attr-defined]
        shares = f"{kind['median_error']:>8.2%} {kind['worst_error']:>8.2%}"
        click.echo(f"{name:<40} {kind['phantom']:>7} {kind['lost']:>5} {shares}")
    if as_json:
        click.echo(json.dumps(found))
