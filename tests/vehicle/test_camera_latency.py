"""The latency of a car's camera: measured once, remembered, and what the source says comes first."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from agent.journal import Journal
from agent.sense.alignment import Aligner
from agent.sense.sources import said_latency
from agent.vehicle.camera_latency import CameraLatency
from tests.sense.panorama import panorama, wandering

CAMERA, ODOMETER = "rtsp://10.0.0.5/front", "can:can0?dbc=a&map=b"


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    journal = Journal(tmp_path / "journal.sqlite")
    yield journal
    journal.close()


@pytest.fixture(scope="module")
def drive() -> Aligner:
    aligner = Aligner()
    panorama(aligner, wandering, late_s=0.4)
    return aligner


def latency(journal: Journal, source: str = CAMERA) -> CameraLatency:
    return CameraLatency(journal, source, ODOMETER, said_latency(source))


def test_what_a_drive_showed_is_there_after_a_restart(journal: Journal, drive: Aligner) -> None:
    first = latency(journal)
    assert first.for_labels_s == 0.0
    assert first.told()["sentence"] == "Not measured yet."
    first.look(drive.meter)
    again = latency(journal)
    assert again.for_labels_s == pytest.approx(0.4, abs=0.06)
    assert again.told()["measured"] == first.told()["measured"]
    assert "labels follow it" in again.told()["sentence"]


def test_another_camera_is_measured_anew(journal: Journal, drive: Aligner) -> None:
    latency(journal).look(drive.meter)
    assert latency(journal, "v4l2:/dev/video0").for_labels_s == 0.0


def test_what_the_source_says_comes_first_and_is_held_against_the_drive(journal: Journal, drive: Aligner) -> None:
    """The source's 0.2 s are off a frame's stamp already; the drive shows 0.4 s more."""
    said = latency(journal, f"{CAMERA}#latency=0.2")
    said.look(drive.meter)
    assert said.for_labels_s == 0.0
    assert said.told()["measured"]["seconds"] == pytest.approx(0.6, abs=0.06)
    assert said.told()["sentence"].endswith(
        "but 0.20 s is what the source says. Correct its latency=, or leave it out."
    )


def test_a_recording_is_learnt_as_its_table_has_it(journal: Journal, drive: Aligner) -> None:
    replay = latency(journal, "replay:/data/drive")
    replay.look(drive.meter)
    assert replay.for_labels_s == 0.0


def test_a_drive_that_shows_nothing_leaves_what_was_known(journal: Journal, drive: Aligner) -> None:
    known = latency(journal)
    known.look(drive.meter)
    known.look(Aligner().meter)
    assert known.for_labels_s == pytest.approx(0.4, abs=0.06)
    assert "60 s are needed" in known.told()["why"]


def test_steering_of_the_wrong_sign_is_a_trouble(journal: Journal) -> None:
    mirrored = Aligner()
    panorama(mirrored, wandering, late_s=0.4, sign=-1)
    found = latency(journal)
    found.look(mirrored.meter)
    assert found.trouble is not None
    assert "check the sign of its mapping" in found.trouble
    assert found.for_labels_s == 0.0
