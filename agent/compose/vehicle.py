"""The vehicle put together from its configuration."""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from agent.compose import remote
from agent.compose.doors import broker, horizon, store
from agent.core import gates
from agent.core.experience import deed
from agent.core.jobs.contribution import Trained
from agent.core.mileage import Bounds
from agent.core.money import XLM, Asset, stroops
from agent.core.trip import Fence, TripRules
from agent.fleet.link import PahoLink
from agent.host import metrics
from agent.host.logs import Log
from agent.host.machine import Machine
from agent.host.sections import Config, Market, Train, Trip
from agent.journal import Journal, JournalReader
from agent.ledger import keys
from agent.market import lying
from agent.market.bundle import Shelf
from agent.market.payout import Payout
from agent.ports import Camera, Clock, Trainer
from agent.sense.sources import Sources, said_latency
from agent.vehicle.book import JOURNAL, JobBook, every_job
from agent.vehicle.builder import ContributionBuilder
from agent.vehicle.camera_latency import CameraLatency
from agent.vehicle.context import StepContext
from agent.vehicle.daemon import Vehicle, VehicleParts
from agent.vehicle.gauges import Gauges
from agent.vehicle.offers import Survey
from agent.vehicle.session import FleetSession
from agent.vehicle.settings import Identity, Preferences, Resources
from agent.vehicle.supervisor import Checkup, Followed, Supervisor
from agent.vehicle.view import View

if TYPE_CHECKING:
    from stellar_sdk import Keypair

    from agent.learn.settings import Settings
    from agent.vehicle.camera_aim import CameraAim


def vehicle(config: Config, clock: Clock, checkup: Checkup, trainer: Trainer | None = None) -> Vehicle:
    """Everything is opened here; what cannot work at all raises now, with its exit code. `checkup`: what the workshop's
    `doctor` is answered with. `trainer`: in place of the child process."""
    log = Log(config.agent.log_level)
    keypair = keys.load(config.agent.key_file)
    me = identity(config, keypair)
    state = config.agent.state_dir
    journal = Journal(state / JOURNAL)
    book = JobBook(journal)
    sources = Sources(_signals(config, clock), clock.wake)
    trainer = trainer or _trainer(config, keypair)
    shelf = Shelf(state / "bundles", store(config))
    builder = ContributionBuilder(resources(config), shelf, trainer, keypair, state / "jobs", book.last_rounds.get)
    context = StepContext(
        preferences=preferences(config),
        horizon=horizon(config),
        shelf=shelf,
        keypair=keypair,
        builder=builder,
        deeds=lambda: book.experience,
        last_choice=lambda: book.last_choice,
        open_jobs=lambda: list(book.open.values()),
    )
    open_session = None
    if config.mqtt.enabled:
        open_session = partial(FleetSession, me, broker(config.mqtt), config.mqtt.discovery, journal, clock)
    supervisor = Supervisor(
        partial(followed, config), Machine(config.machine, state), journal, log, checkup, open_session, clock.wake
    )
    return Vehicle(
        VehicleParts(
            odometer=sources.odometer(config.odometer.source),
            views=views(config, sources.camera, journal),
            trainer=trainer,
            identity=me,
            context=context,
            builder=builder,
            book=book,
            supervisor=supervisor,
            clock=clock,
            log=log,
            rules=rules(config.trip),
            gauges=_gauges(config.metrics.listen),
            state_dir=state,
        )
    )


def views(config: Config, opened: Callable[[str], Camera], journal: Journal) -> dict[str, View]:
    """The cameras by what they look at, the first first. `opened` opens a source."""
    return {
        name: View(
            open=partial(opened, source),
            latency=CameraLatency(journal, source, config.odometer.source, said_latency(source)),
            aim=partial(aim, config, name),
        )
        for name, source in config.camera.sources.items()
    }


def aim(config: Config, view: str) -> CameraAim:
    """How a camera is aimed, as it is kept: the first camera's beside the journal, any other's in a folder."""
    from agent.vehicle.camera_aim import CameraAim

    folder = config.agent.state_dir
    if view != config.camera.view:
        folder = folder / "views" / view
    return CameraAim(folder, config.camera.sources[view])


def identity(config: Config, keypair: Keypair) -> Identity:
    return Identity(config.agent.id, config.agent.fleet, keys.account_of(keypair), config.agent.profile)


def preferences(config: Config) -> Preferences:
    market = config.market
    return Preferences(
        initiators=market.initiators,
        operator=market.operator,
        max_stake=stroops(market.max_stake),
        buy_budget=stroops(market.buy_stake_budget),
        min_pay=stroops(market.min_pay),
        accept_probability=market.accept_probability,
        open_rounds=market.open_rounds,
        committees=market.committees,
        payout=payout(market),
        max_fee=config.ledger.max_fee_stroops,
    )


def payout(market: Market) -> Payout | None:
    if market.payout is None:
        return None
    asset = Asset.parse(market.payout_asset) if market.payout_asset else XLM
    return Payout(market.payout, asset, stroops(market.keep) if market.keep is not None else None)


def resources(config: Config) -> Resources:
    from agent.learn.device import Device

    machine = Device(config.inference.provider, config.inference.threads)
    views = tuple(config.camera.sources)
    train, market = config.train, config.market
    return Resources(train.memory_mb, train.labelled, views, machine, config.agent.profile, market.validator)


def followed(config: Config, wishes: Mapping[str, Any]) -> Followed:
    """What the workshop's wishes come to beside the vehicle's own configuration."""
    settled = remote.settle(config, wishes)
    limits = gates.GateLimits(**settled.config.gates.model_dump())
    return Followed(limits, settled.config.mqtt.metric_s, settled.taken, settled.outcome)


def _gauges(listen: str) -> Gauges:
    """Figures are always kept; whether anybody may read them is the configuration's affair."""
    figures = metrics.Metrics()
    if listen:
        metrics.serve(figures, listen)
    return Gauges(figures)


def _signals(config: Config, clock: Clock) -> PahoLink | None:
    """The link on which the car's own signals arrive, where the odometer is an MQTT one."""
    for source in config.odometer.source.split(" + "):
        if source.startswith("mqtt:"):
            prefix = source.removeprefix("mqtt:").partition("?")[0] or "vss"
            name = f"{config.agent.id}-signals"
            return PahoLink(broker(config.mqtt), name, (f"{prefix}/Vehicle/#",), session_seconds=0, wake=clock.wake)
    return None


def rules(trip: Trip) -> TripRules:
    return TripRules(
        trigger_m=trip.trigger_m,
        standstill_s=trip.standstill_s,
        ignition_off_s=trip.ignition_off_s,
        silence_s=trip.silence_s,
        bounds=Bounds(top_kmh=trip.top_kmh),
        fences=tuple(Fence(f.latitude_deg, f.longitude_deg, f.radius_m) for f in trip.geofences),
    )


def training(train: Train) -> Settings:
    from agent.learn.settings import Settings

    return Settings(
        device=train.device,
        precision=train.precision,
        threads=train.threads or None,
        memory_mb=train.memory_mb,
        reservoir_mb=train.reservoir_mb,
        checkpoint_s=train.checkpoint_s,
        keep=train.keep,
        past_mb=train.past_mb,
    )


def _trainer(config: Config, keypair: Keypair) -> Trainer:
    from agent.learn.trainer import ChildTrainer

    logging.getLogger("milepost").addHandler(logging.StreamHandler())
    settings = replace(
        training(config.train),
        past_file=config.agent.state_dir / "past" if config.train.past_mb else None,
        past_key=keys.derived(keypair, "milepost/past"),
    )
    return ChildTrainer(settings)


def survey(config: Config) -> Survey:
    """The offers as a vehicle sees them now. Reads only; works beside a running daemon."""
    journal = config.agent.state_dir / JOURNAL
    jobs = list(every_job(JournalReader(journal)).values()) if journal.exists() else []
    deeds = [deed(job) for job in jobs if job.is_over or job.newest(Trained)]
    still_open = [job for job in jobs if not job.is_over]
    keypair = keys.load(config.agent.key_file)
    with tempfile.TemporaryDirectory(prefix="milepost-") as scratch:
        shelf = Shelf(Path(scratch) / "bundles", store(config))
        builder = ContributionBuilder(resources(config), shelf, _trainer(config, keypair), keypair, Path(scratch))
        wanted, ledger = preferences(config), horizon(config)
        made = StepContext(wanted, ledger, shelf, keypair, builder, lambda: deeds, open_jobs=lambda: still_open)
        found = made.survey()
        rounds = {ranked.candidate.cid: shelf.round(ranked.candidate.cid) for ranked in found.ranked}
        return replace(found, lying={cid: lying.look(ledger, round_) for cid, round_ in rounds.items()})
