"""The doctor's checks, put together from every room."""

from __future__ import annotations

import contextlib
import dataclasses
import importlib
import secrets
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from agent import files
from agent.core import redact
from agent.core.ids import StakeId
from agent.core.ledger import FIRST, Reach
from agent.errors import MilepostError, Unavailable
from agent.host import status_file
from agent.host.clock import unset
from agent.host.doctor import Check, CheckState, Finding, Skipped, Wrong, examine, healthy
from agent.ports import BundleLimits, Camera, Message
from agent.troubles import BrokerLost, BrokerSilent, CameraSilent, LedgerLate

if TYPE_CHECKING:
    from agent.fleet.link import PahoLink
    from agent.host.config import Loaded
    from agent.host.sections import Config

CLOCK_S = 60.0
"""How far the car's clock may be off. Transactions carry time bounds of five minutes; a ledger closes every 5 s."""
LOOK_S = 4.0
"""How long a source may take to show its first reading or frame."""
DOUBT_S = 5.5
"""How long a camera is watched that gives black or the same images: as long as it takes to say so."""
EMPTY_FOLDER = "QmUNLLsPACCz1vLxQVkXqqLX5R1X345qqfHbsf67hvA3Nn"


def findings_of(config_path: str | None) -> list[Finding]:
    """What every check found. With a wrong configuration nothing else can be looked at."""
    from agent.host.config import trace

    try:
        loaded = trace(config_path)
    except MilepostError as error:
        return [Finding("config", CheckState.WRONG, str(error), 0.0)]
    return list(examine(checks(loaded)))


def report(findings: Sequence[Finding]) -> dict[str, Any]:
    """As facts, for machines and for the workshop."""
    facts = [dataclasses.asdict(finding) | {"state": finding.state.value} for finding in findings]
    return {"healthy": healthy(findings), "checks": facts}


def checks(loaded: Loaded) -> list[Check]:
    """The table. Each check stands for itself: none needs another to be well."""
    _import_rooms()
    config = loaded.config
    looks: dict[str, Callable[[], str]] = {
        "config": lambda: _config(loaded),
        "profile": lambda: _profile(loaded),
        "key": lambda: _key(config.agent.key_file),
        "disk": lambda: _at_hand(lambda: _disk(config)),
        "journal": lambda: _at_hand(lambda: _journal(config.agent.state_dir)),
        "daemon": lambda: _daemon(config),
        "odometer": lambda: _odometer(config),
        "camera": lambda: _camera(config, config.camera.view),
        "aim": lambda: _aim(config, config.camera.view),
        **{f"camera {other.view}": partial(_camera, config, other.view) for other in config.camera.others},
        **{f"aim {other.view}": partial(_aim, config, other.view) for other in config.camera.others},
        "training": lambda: _training(config.train.device),
        "store": lambda: _store(config),
        "ledger": lambda: _ledger(config),
        "clock": lambda: _clock(config),
        "funds": lambda: _funds(config),
        "payout": lambda: _payout(config),
        "owner": lambda: _owner(config),
        "broker": lambda: _broker(config),
    }
    return [Check(name, look) for name, look in looks.items()]


def _import_rooms() -> None:
    """Before the threads start: libraries with circular imports break when two threads import them at once."""
    for room in ("stellar_sdk", "agent.sense.sources", "agent.compose.account"):
        with contextlib.suppress(ImportError):  # the check that needs it says so
            importlib.import_module(room)


def _config(loaded: Loaded) -> str:
    file = next(layer.document for layer in loaded.layers if layer.name == "file")
    if loaded.config.market.operator is None or not loaded.config.market.initiators:
        raise Skipped(why="market.operator and market.initiators are not set: the vehicle takes part in nothing.")
    return f"{file.path if file else 'No file, defaults and environment'}: no mistake."


def _profile(loaded: Loaded) -> str:
    from agent.host.board import inspect

    memory_mb, wanted_mb = inspect().memory_mb, loaded.config.train.memory_mb
    if memory_mb and wanted_mb > memory_mb:
        raise Wrong(why=f"train.memory_mb is {wanted_mb}, and the board has {memory_mb} MB. Lower it.")
    return f"{loaded.board.title} ({loaded.board.name}), {memory_mb} MB."


def _key(path: Path) -> str:
    from agent.ledger.keys import address

    return f"{address(path)}, readable by its owner alone."


def _at_hand(look: Callable[[], str]) -> str:
    """A network may be away, and that is `offline`; the machine's own disk may not."""
    try:
        return look()
    except Unavailable as error:
        raise Wrong(why=str(error)) from error


def _disk(config: Config) -> str:
    folder = config.agent.state_dir
    while not folder.exists():
        folder = folder.parent
    if folder == config.agent.state_dir:
        probe = folder / "doctor"
        files.write_whole(probe, b"Can this disk be written?\n")
        with files.room_for(folder):
            probe.unlink()
    free_mb = shutil.disk_usage(folder).free // 1_000_000
    if free_mb < config.gates.disk_free_mb:
        raise Wrong(
            why=f"{free_mb} MB are free at {folder}, less than gates.disk_free_mb = {config.gates.disk_free_mb}. "
            "Training waits, nothing is lost: make room."
        )
    return f"{free_mb / 1000:.1f} GB free at {folder}, and it can be written."


def _journal(state_dir: Path) -> str:
    from agent.journal import JournalReader, try_writing
    from agent.vehicle.book import JOURNAL

    path = state_dir / JOURNAL
    if not path.exists():
        raise Skipped(why="No journal yet: the daemon has not run.")
    try_writing(path)
    reader = JournalReader(path)
    try:
        if found := reader.check():
            raise Wrong(why=f"{' '.join(found)} Keep the file, send a bundle, and restore the state directory.")
        events = sum(1 for _ in reader.events())
        return f"{events} events of {len(reader.jobs())} jobs, none missing, and it can be written."
    finally:
        reader.close()


def _odometer(config: Config) -> str:
    from agent.sense.sources import open_odometer

    _leave_to_daemon(config)
    odometer = open_odometer(config.odometer.source)
    try:
        deadline = time.monotonic() + LOOK_S
        while time.monotonic() < deadline:
            if readings := odometer.poll():
                known = [name for name in ("speed_kmh", "travelled_m", "ignition") if _says(readings[-1], name)]
                return f"{config.odometer.source} gives {', '.join(known) or 'positions'}."
            time.sleep(0.05)
        raise Wrong(why=odometer.trouble or f"No reading from {config.odometer.source} within {LOOK_S:.0f} s.")
    finally:
        odometer.close()


def _says(reading: object, name: str) -> bool:
    return getattr(reading, name) is not None


def _camera(config: Config, view: str) -> str:
    from agent.sense.sources import open_camera

    late = latency(config, view)
    if _running(config) is not None:
        raise Skipped(why=f"In use by the daemon, which says above how it is. {late}")
    source = config.camera.sources[view]
    camera = open_camera(source)
    try:
        height, width = _watched(camera, f"the camera {redact.shown(source)}")
        return f"Frames of {width} x {height} pixels. {late}"
    finally:
        camera.close()


def _watched(camera: Camera, name: str) -> tuple[int, ...]:
    """The size of what it gives, once two frames in a row are pictures; those that are not are watched for as long as
    it takes to be sure."""
    from agent.sense.sight import Sight

    sight, seen, deadline = Sight(name), 0, time.monotonic() + LOOK_S
    while time.monotonic() < deadline:
        if (frame := camera.read(0.2)) is None:
            if seen and camera.trouble:
                break
            continue
        if (why := sight.look(frame.t, frame.image)) is not None:
            raise Wrong(why=why)
        seen += 1
        if sight.doubts and seen <= 2:
            deadline = time.monotonic() + DOUBT_S
        elif seen > 1 and not sight.doubts:
            return frame.image.shape[:2]
    if camera.trouble or not seen:
        raise Wrong(why=camera.trouble or str(CameraSilent(name=name)))
    return frame.image.shape[:2] if frame is not None else ()


def _aim(config: Config, view: str) -> str:
    from agent.compose.vehicle import aim

    moved = aim(config, view).change
    if moved is None:
        raise Skipped(why="The camera's aim is not known yet: it is kept after two minutes of driving by day.")
    if moved.sentence:
        raise Wrong(why=moved.sentence)
    return f"The camera sees what it saw when it was aimed (agreement {moved.agreement:.2f})."


def latency(config: Config, view: str) -> str:
    """How late its pictures come, as far as it is known. Where setting and measurement part, that is wrong."""
    from agent.journal import JournalReader
    from agent.sense.sources import said_latency
    from agent.vehicle import camera_latency
    from agent.vehicle.book import JOURNAL

    path, measured = config.agent.state_dir / JOURNAL, None
    source = config.camera.sources[view]
    said_s = said_latency(source)
    if path.exists():
        reader = JournalReader(path)
        note = camera_latency.note_of(source, config.odometer.source)
        try:
            measured = camera_latency.remembered(reader, note)
        finally:
            reader.close()
    told = camera_latency.sentence(said_s, measured)
    if camera_latency.is_contradicted(said_s, measured):
        raise Wrong(why=told)
    return told


def _daemon(config: Config) -> str:
    if (said := _running(config)) is None:
        raise Skipped(why="It does not run with this state directory.")
    if said["troubles"]:
        raise Wrong(why=" ".join(said["troubles"]))
    return f"It spoke {said['age_s']:.0f} s ago and reports no trouble."


def _leave_to_daemon(config: Config) -> None:
    """A camera can be opened once, and a client id used once. Where the daemon has it, the daemon says how it is."""
    if _running(config) is not None:
        raise Skipped(why="In use by the daemon, which says above how it is.")


def _running(config: Config) -> dict[str, Any] | None:
    try:
        return status_file.look(config.agent.state_dir)[1]
    except status_file.NoDaemon:
        return None


_TORCH = "import torch; print(torch.__version__, torch.cuda.is_available() and torch.cuda.get_device_name(0) or '-')"


def _training(device: str) -> str:
    """In a process of its own: importing torch takes seconds, and a broken driver may take the process along."""
    try:
        answer = subprocess.run([sys.executable, "-c", _TORCH], capture_output=True, text=True, timeout=7)
    except subprocess.TimeoutExpired:
        raise Wrong(why="torch was not loaded within 7 s. The disk or the CUDA driver hangs.") from None
    if "ModuleNotFoundError" in answer.stderr:
        raise Skipped(why="torch is not installed: this machine can validate, but not train.")
    if answer.returncode != 0:
        raise Wrong(why=f"torch cannot be loaded: {answer.stderr.strip().splitlines()[-1]}")
    version, _, card = answer.stdout.strip().partition(" ")
    if card == "-" and device == "cuda":
        raise Wrong(why=f"train.device is cuda, and torch {version} finds none. Check driver and torch build.")
    return f"torch {version} on {card if card != '-' else 'the CPU'}."


def _store(config: Config) -> str:
    from agent.content.store import open_store
    from agent.core.cid import Cid

    # Scratch of its own: what root leaves in the state directory, the daemon cannot write. And no patience: the
    # doctor is asked now.
    with tempfile.TemporaryDirectory(prefix="milepost-") as scratch:
        store = open_store(config.content.stores, Path(scratch) / "state", sleep=lambda _: None)
        if not any(url.startswith(("folder:", "http:", "https:")) for url in config.content.stores):
            store.has(Cid.parse(EMPTY_FOLDER))
            return f"{', '.join(map(redact.shown, config.content.stores))} answers; nothing can be stored there."
        mine = Path(scratch) / "mine"
        mine.mkdir()
        (mine / "doctor").write_bytes(secrets.token_bytes(64))  # nobody else's, so that it may be dropped
        try:
            store.get(store.put(mine), Path(scratch) / "back", BundleLimits())
        finally:
            store.drop(mine)
    return f"{', '.join(map(redact.shown, config.content.stores))} takes a bundle, gives it back and drops it."


def _ledger(config: Config) -> str:
    """Three answers may come from three replicas: how far they are apart is what a vehicle has to live with."""
    from agent.compose.doors import horizon

    url, ledger = config.ledger.horizon, horizon(config)
    ledger.check_network()
    head = ledger.head().sequence
    ledger.stake(StakeId("0" * 64))  # any question about state: as of which ledger it is answered is in the header
    state = ledger.latest
    return _told(url, head, ledger.reach(), state, config.ledger.archive)


def _told(url: str, head: int, reach: Reach, state: int, archive: str | None) -> str:
    """`head`: the newest ledger. `state`: as of which one state is answered; 0 when the answer does not say."""
    from agent.core.fields import WEEK_LEDGERS  # in which a strike counts, where a round does not say otherwise

    if state == 0:
        raise Wrong(why=f"{url} does not say as of which ledger it answers (no Latest-Ledger). What lapsed stays open.")
    from agent.ledger.connection import LATE_LEDGERS

    late = max(head, reach.latest, state) - min(head, reach.latest, state)
    if late > LATE_LEDGERS:
        raise LedgerLate(url=redact.shown(url), most=LATE_LEDGERS)
    remembered = "remembers all" if reach.elder <= FIRST else f"remembers from ledger {reach.elder} on"
    if reach.elder > FIRST and head - reach.elder < WEEK_LEDGERS and archive is None:
        raise Wrong(
            why=f"{url} remembers {head - reach.elder} ledgers, and strikes are counted over {WEEK_LEDGERS}. "
            "Name a Horizon that remembers more as ledger.archive."
        )
    return f"{url}, ledger {head}, the right network. It {remembered} and lags by {late}."


def _clock(config: Config) -> str:
    from agent.compose.doors import horizon

    if (trouble := unset(time.time())) is not None:
        raise trouble
    off_s = time.time() - horizon(config).head().closed_at
    if abs(off_s) > CLOCK_S:
        ahead = "ahead of" if off_s > 0 else "behind"
        raise Wrong(why=f"This clock is {abs(off_s):.0f} s {ahead} the ledger's. Start time synchronisation (NTP).")
    return "Agrees with the ledger's time."


def _funds(config: Config) -> str:
    from agent.compose.account import funds

    return funds(config)


def _payout(config: Config) -> str:
    from agent.compose.account import payout

    return payout(config)


def _owner(config: Config) -> str:
    from agent.compose.account import owner

    return owner(config)


def _broker(config: Config) -> str:
    from agent.compose.doors import broker
    from agent.fleet.link import PahoLink
    from agent.fleet.topics import VehicleTopics

    if not config.mqtt.enabled:
        raise Skipped(why="mqtt.enabled is false.")
    _leave_to_daemon(config)
    where, topics = broker(config.mqtt), VehicleTopics(config.agent.fleet, config.agent.id)
    # Not the vehicle's own id: that would take its session over, and its commands with it.
    client = f"{topics.vehicle}-doctor"
    link = PahoLink(where, client, (topics.commands, topics.desired), session_seconds=0)
    try:
        end = time.monotonic() + LOOK_S
        while not link.connected and link.fault is None and not _is_away(link) and time.monotonic() < end:
            time.sleep(0.05)
        _raise(link.trouble)
        said = link.publish(Message(topics.reply("doctor"), b'{"tried": true}'))
        while said not in link.acknowledged() and link.fault is None and time.monotonic() < end:
            time.sleep(0.05)
        _raise(link.trouble)
    finally:
        link.close()
    secured = "with" if where.certificates else "without"
    return f"{where} lets {client} in, listen and speak, by MQTT {link.version}, {secured} TLS."


def _is_away(link: PahoLink) -> bool:
    return isinstance(link.trouble, BrokerSilent)


def _raise(trouble: MilepostError | None) -> None:
    from agent.fleet.link import BrokerNotReady

    if isinstance(trouble, BrokerNotReady):
        raise BrokerSilent(broker=trouble.facts["broker"])
    if isinstance(trouble, BrokerLost):  # it answers, and lets nobody in
        raise Wrong(why=str(trouble))
    if trouble is not None:
        raise trouble
