"""The daemon on real small disks that fill up and that the kernel makes read-only in mid-trip: it says so, drives on,
risks nothing that it could not write down, and goes on by itself."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from agent.content import importer
from agent.core.bundle_files import UPDATE
from agent.core.jobs.contribution import Job, JobState
from agent.core.jobs.fold import Event
from tests.vehicle.test_daemon import Ride
from tests.vehicle.test_daemon import ride as ride
from tests.vehicle.test_daemon import town as town

pytestmark = pytest.mark.slow

WHOLE = ["opened", "chosen", "fetched", "arrived", "trained", "stored", "signed", "entered"]


def run(*command: str | Path) -> None:
    made = subprocess.run(command, capture_output=True, text=True, check=False)
    if made.returncode:
        pytest.skip(f"this machine lets nobody mount a small disk ({made.stderr.strip()})")


@pytest.fixture
def card(tmp_path: Path) -> Iterator[Path]:
    """A state directory on an ext4 of its own, as a card is mounted: read-only after an error."""
    if os.geteuid() != 0 or shutil.which("mkfs.ext4") is None:
        pytest.skip("to mount a disk takes root, and mkfs.ext4")
    image, mount = tmp_path / "card.img", tmp_path / "state"
    with image.open("wb") as file:
        file.truncate(24 << 20)
    mount.mkdir()
    run("mkfs.ext4", "-q", "-O", "^has_journal", image)
    run("mount", "-o", "loop,errors=remount-ro", image, mount)
    yield mount
    subprocess.run(["umount", "-l", mount], check=False)


def test_a_contribution_that_rots_before_it_is_stored_is_made_again(
    ride: Callable[..., Ride], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its stake would be lost: nobody could open what was handed in."""
    one, rotted = ride(), []
    finish = one.vehicle.parts.builder.finish

    def and_rot(job: Job) -> list[Event]:
        made = finish(job)
        if not rotted:
            update = one.vehicle.parts.builder.home(job) / "contribution" / UPDATE
            rotted.append(update.read_bytes())
            update.write_bytes(rotted[0][:-1] + bytes([rotted[0][-1] ^ 1]))
        return made

    monkeypatch.setattr(one.vehicle.parts.builder, "finish", and_rot)
    one.wheel.drives = True
    one.until_it_is(JobState.TRAINING)
    one.until(lambda: one.frames > 3)
    one.wheel.drives = False
    one.until_it_is(JobState.ENTERED)
    (job,) = one.book.open.values()
    stored = one.vehicle.parts.builder.home(job) / "contribution"
    assert rotted
    assert importer.root(stored).text == job.contribution, "what was entered is what lies here, made anew"
    assert (stored / UPDATE).read_bytes()[:-1] != rotted[0][:-1]


@pytest.fixture
def carried(card: Path, ride: Callable[..., Ride]) -> Ride:
    """A car that trains on a trip."""
    one = ride()
    one.wheel.drives = True
    one.until_it_is(JobState.TRAINING)
    one.until(lambda: one.frames > 3)
    return one


def stakes(one: Ride) -> int:
    return len([s for s in one.town.horizon.stakes(one.town.settlement) if s.sponsor == one.car.key.public_key])


def fill(card: Path) -> Path:
    ballast = card / "ballast"
    with contextlib.suppress(OSError), ballast.open("wb", buffering=0) as file:
        for size in (1 << 16, 4096, 512, 64, 8, 1):
            with contextlib.suppress(OSError):
                while True:
                    file.write(bytes(size))
    return ballast


def test_a_card_that_is_full_is_told_risks_nothing_and_the_trip_goes_on_once_there_is_room(
    carried: Ride, card: Path
) -> None:
    ballast = fill(card)
    carried.wheel.drives = False
    carried.until(lambda: "is full" in carried.troubles)
    for _ in range(20):
        carried.vehicle.turn()
    assert "signed" not in carried.kinds
    assert stakes(carried) == 0
    ballast.unlink()
    carried.until_it_is(JobState.ENTERED)
    assert carried.kinds == WHOLE
    assert stakes(carried) == 1


def test_a_card_that_the_kernel_makes_read_only_is_told_and_the_daemon_drives_on(carried: Ride, card: Path) -> None:
    device = Path(subprocess.run(["findmnt", "-no", "SOURCE", card], capture_output=True, text=True).stdout.strip())
    trigger = Path("/sys/fs/ext4") / device.name / "trigger_fs_error"
    if not trigger.exists():
        pytest.skip("this kernel lets nobody break a file system")
    trigger.write_text("1")
    before = carried.vehicle._trip.mileage.total_m
    carried.until(lambda: carried.vehicle._trip.mileage.total_m > before + 100)
    carried.wheel.drives = False
    carried.until(lambda: "is read-only" in carried.troubles)
    for _ in range(20):
        carried.vehicle.turn()
    assert "arrived" not in carried.kinds, "what cannot be written down has not happened"
    assert stakes(carried) == 0
    healed = subprocess.run(["mount", "-o", "remount,rw", card], check=False, capture_output=True).returncode == 0
    if healed:
        carried.until_it_is(JobState.ENTERED)
        assert carried.kinds == WHOLE
        assert stakes(carried) == 1
