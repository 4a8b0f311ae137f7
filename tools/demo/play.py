"""The demo's course of events: set up, drive, settle, fuse, and again; then the report."""

from __future__ import annotations

import json
import textwrap
import time
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn
from rich.table import Column

from agent.core.ids import AccountId
from agent.core.jobs.contribution import JobState
from agent.core.round import Round
from agent.errors import OK, TRY_AGAIN, MilepostError
from agent.sense.road import write_drive
from tools.demo import act, parties, picture, report, stage
from tools.demo.act import Acts
from tools.demo.crew import Crew, ProcessFailed
from tools.demo.parties import Party
from tools.demo.road import Course
from tools.demo.stage import Stage

SYNTHETIC_S = 220.0
TRIP_S = 300.0
"""Longest wall time of a trip, until its jobs are closed."""
LOOK_S = 0.3
STEPS = tuple(state for state in JobState if state not in (JobState.NONE, JobState.PASSED))

console = Console(highlight=False)


class TooSlow(MilepostError):
    """The trip of round {number} was not over after {seconds:.0f} s. The logs are in {folder}; run again with --folder
    to keep them."""


def play(folder: Path, drive: Path | None, route: Path | None, rounds: int, seed: int, file: Path) -> bool:
    """True when everything was as it should be."""
    begun = time.monotonic()
    folder.mkdir(parents=True, exist_ok=True)
    if drive is None:
        with console.status("Rendering a synthetic road"):
            drive = folder / "road"
            write_drive(drive, SYNTHETIC_S, seed=seed)
    course = stage.fitted(Course.of(drive), route, rounds)
    if course.scale < 1:
        console.print(
            f"The drive is short: its {course.drive.seconds:.0f} s are played with {course.scale:.0%} of each trip's"
            " frames and first metres, and with smaller test sets."
        )
    with Crew(folder / "logs") as crew:
        with console.status("Starting ledger and broker, issuing DLC, cutting up the drive"):
            scene, stretches = stage.prepare(folder, crew, course, route, rounds)
            weights, graph, step_s = stage.network(folder, scene.course.initiators_own(stage.INPUT), seed)
            scene.speed = stage.speed(stretches, step_s)
        if not scene.course.drive.knows_movement and route is None:
            console.print(f"The drive does not know its speed: {stage.NOMINAL_MPS:g} m/s are taken for it.")
        console.print(
            f"Drives are played at {scene.speed:.1f} times their own speed (a training step: {step_s * 1000:.0f} ms)."
        )
        before = report.balances(scene)
        with console.status("The initiator publishes round 0"):
            files = ("--weights", str(weights), "--graph", str(graph))
            _initiator(scene, "publish", *files, code=TRY_AGAIN)  # sets up the settlement account
            parties.authorise(scene.horizon, scene.operator, scene.dlc, [_settlement(scene)])
            published = _initiator(scene, "publish", *files)
        for validator in scene.validators:
            crew.start(validator.name, "agent", "--config", str(validator.config), "validator", "run")
        history, acts = [published], Acts()
        for trip in range(rounds):
            for vehicle, mine in zip(scene.vehicles, stretches, strict=True):
                scene.vehicle_config(vehicle, mine[trip])
            acts += _drive(scene, trip, _first_round(scene) if trip == 0 else None)
            with console.status(f"The initiator fuses round {trip}"):
                closed = _closed(scene)
            if closed is None:
                console.print(f"round {trip}: no contribution was accepted, so it stays open. The report says why.")
                history.append({"cid": None, "figure": history[-1]["figure"], "fused": []})
                break
            console.print(
                f"round {trip}: {closed['figure']} {closed['before']} -> {closed['after']} {closed['unit']},"
                f" {len(closed['fused'])} contributions fused"
            )
            if closed["next"]:
                with console.status(f"Somebody audits round {trip + 1}"):
                    audited = _audit(scene, closed["next"]["cid"])
                console.print(f"round {trip + 1}: {audited['finding']} from its lineage, byte for byte")
            history.append(closed["next"] or {"cid": None, "figure": closed["after"], "fused": closed["fused"]})
        found = report.gather(scene, published, history, acts, before, time.monotonic() - begun)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(found, indent=1))
        picture.draw(scene, history, file.with_suffix(".png"))
    report.show(console, found, file)
    faults = [*report.faults(found, rounds), *act.faults(found["acts"])]
    for fault in faults:
        console.print(f"[red]not as it should be:[/] {fault}")
    return not faults


def _initiator(scene: Stage, verb: str, *arguments: str, code: int = OK) -> dict[str, Any]:
    words = (verb, "--plan", str(scene.plan), "--test-set", str(scene.test_set), "--json", *arguments)
    config = str(scene.initiator.config)
    printed = scene.crew.call("initiator", "agent", "--config", config, "initiator", *words, code=code)
    facts: dict[str, Any] = json.loads(printed.splitlines()[-1]) if printed else {}
    return facts


def _closed(scene: Stage) -> dict[str, Any] | None:
    """What came of the round; None where it has nothing to fuse."""
    try:
        return _initiator(scene, "close", "--now")
    except ProcessFailed as error:
        if error.facts["code"] != TRY_AGAIN:
            raise
        return None


def _settlement(scene: Stage) -> AccountId:
    """The settlement account that the initiator has made."""
    config = str(scene.initiator.config)
    jobs = json.loads(scene.crew.call("initiator", "agent", "--config", config, "initiator", "status", "--json"))
    return AccountId(next(job["settlement"] for job in jobs if job["settlement"]))


def _audit(scene: Stage, cid: str) -> dict[str, Any]:
    """What anybody with a Horizon and the content store can see; fails when the round is not what it says."""
    config = str(scene.vehicles[0].config)
    facts: dict[str, Any] = json.loads(scene.crew.call("audit", "agent", "--config", config, "audit", cid, "--json"))
    return facts


def _first_round(scene: Stage) -> Round:
    """As its initiator laid it out and published it."""
    return Round.parse((scene.initiator.folder / "state" / "made" / "round-0" / "round.json").read_bytes())


def _drive(scene: Stage, trip: int, betrayed: Round | None = None) -> Acts:
    """One trip of every vehicle, until each has closed its job; then the cars are switched off. `betrayed`: the round
    whose initiator tries to keep its money once all have entered; what came of it."""
    acts = Acts()
    for vehicle in scene.vehicles:
        if vehicle.role == "honest":
            scene.crew.start(vehicle.name, "agent", "--config", str(vehicle.config), "run")
        else:
            scene.crew.start(vehicle.name, "tools.demo.hostile", str(vehicle.config))
    until = time.monotonic() + TRIP_S
    words = TextColumn("{task.description}", table_column=Column(ratio=1))  # wraps, where others would cut it
    bar = BarColumn(max(4, min(40, console.width - 70)))
    columns = (TextColumn("{task.fields[who]:<10}"), bar, words, TimeElapsedColumn())
    with Progress(*columns, console=console) as bars:
        tasks = {v.name: bars.add_task("starting", total=len(STEPS), who=v.name) for v in scene.vehicles}
        waiting = set(tasks)
        while waiting:
            scene.crew.check()
            if betrayed is not None and not acts and act.is_time(scene, trip):
                acts = act.betray(scene, betrayed)
            if time.monotonic() > until:
                raise TooSlow(number=trip, seconds=TRIP_S, folder=scene.crew.folder)
            for vehicle in scene.vehicles:
                if vehicle.name in waiting and _shown(bars, tasks[vehicle.name], vehicle, trip):
                    waiting.discard(vehicle.name)
            time.sleep(LOOK_S)
    scene.crew.end(*(v.name for v in scene.vehicles))
    if betrayed is not None:
        acts.append(act.paid([job for v in scene.vehicles for job in report.jobs(v)[trip : trip + 1]]))
    return acts


def _shown(bars: Progress, task: TaskID, vehicle: Party, trip: int) -> bool:
    """Bring a vehicle's bar up to date; whether its trip's job is over."""
    jobs = report.jobs(vehicle)
    if len(jobs) <= trip:
        return False
    job = jobs[trip]
    words = job.state.value
    if job.state is JobState.TRAINING:
        words += _training(vehicle)
    elif job.is_over:
        words = textwrap.shorten(f"{job.outcome or 'passed'} {job.reason}", 100, placeholder=" …")
    done = STEPS.index(job.state) + 1 if job.state in STEPS else len(STEPS)
    bars.update(task, completed=done, description=words)
    return job.is_over


def _training(vehicle: Party) -> str:
    try:
        training = json.loads((vehicle.folder / "state" / "status.json").read_text())["training"]
        return f", {training['steps']} steps on {training['samples']} frames" if training else ""
    except (OSError, ValueError, KeyError, TypeError):
        return ""
