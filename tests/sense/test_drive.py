"""Recorded drives, and what a broken recording gets."""

from __future__ import annotations

import csv
import math
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from agent.sense.drive import DriveUnusable, load_drive, load_film
from agent.sense.film import FilmUnusable
from agent.sense.road import write_drive

HEADER = "frame,t,speed_mps,steering_deg,lat,lon,heading_deg,distance_m"


@pytest.fixture(scope="module")
def road(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("road")
    write_drive(folder, seconds=3, fps=20, seed=1)
    return folder


def table(folder: Path, *lines: str) -> Path:
    (folder / "telemetry.csv").write_text("\n".join((HEADER, *lines)) + "\n")
    return folder


def test_a_drive_has_as_many_labels_as_images(road):
    drive = load_drive(road)
    film = drive.images.film(0)
    images = 0
    while film.read() is not None:
        images += 1
    assert images == len(drive.t) == len(drive.steering_deg) == 60


def test_blank_cells_are_unknown_not_zero(tmp_path):
    drive = load_drive(table(tmp_path, "0,0.0,,1.5,,,,", "1,0.1,,,,,,"))
    assert math.isnan(drive.speed_mps[0])
    assert math.isnan(drive.steering_deg[1])
    assert not drive.knows_movement


@pytest.mark.parametrize(
    ("lines", "sentence"),
    [
        (("0,0.0,1,nan,,,,", "1,0.1,1,0,,,,"), "line 2 of telemetry.csv has steering_deg = 'nan'"),
        (("0,0.0,1,0,,,,", "1,0.1,fast,0,,,,"), "line 3 of telemetry.csv has speed_mps = 'fast'"),
        (("0,0.0,1,0,,,,", "1,,1,0,,,,"), "line 3 of telemetry.csv has t = ''"),
        (("0,0.0,1,0,,,,", "2,0.1,1,0,,,,"), "line 3 of telemetry.csv is frame '2', expected 1"),
        (("0,0.0,1,0,,,,", "1,9.5,1,0,,,,"), "9.500 s are missing between lines 2 and 3"),
        (("0,0.5,1,0,,,,", "1,0.1,1,0,,,,"), "t goes back by 0.400 s between lines 2 and 3"),
        (("0,0.0,1,0,,,,",), "has 1 rows"),
        (("0,0.0", "1,0.1"), "line 2 of telemetry.csv has steering_deg = None"),
    ],
)
def test_a_broken_table_is_refused_by_its_line(tmp_path, lines, sentence):
    with pytest.raises(DriveUnusable, match=sentence):
        load_drive(table(tmp_path, *lines))


def test_missing_columns_are_named(tmp_path):
    (tmp_path / "telemetry.csv").write_text("frame,t\n0,0\n")
    with pytest.raises(DriveUnusable, match="no column steering_deg, speed_mps, lat, lon, distance_m"):
        load_drive(tmp_path)


def test_a_folder_without_a_table_is_refused(tmp_path):
    with pytest.raises(DriveUnusable, match=r"telemetry\.csv cannot be read \(No such file"):
        load_drive(tmp_path)


def test_a_table_that_is_no_text_is_refused(tmp_path):
    (tmp_path / "telemetry.csv").write_bytes(b"\xff\xfe\x00frame")
    with pytest.raises(DriveUnusable, match="is no table"):
        load_drive(tmp_path)


def test_a_video_of_another_length_is_refused(road, tmp_path):
    (tmp_path / "video.mp4").write_bytes((road / "video.mp4").read_bytes())
    with pytest.raises(DriveUnusable, match=r"video\.mp4 has 60 frames and telemetry\.csv 2 rows"):
        load_drive(table(tmp_path, "0,0.0,1,0,,,,", "1,0.1,1,0,,,,"))


def test_a_video_that_is_none_is_refused(tmp_path):
    (tmp_path / "video.mp4").write_bytes(b"not a video")
    with pytest.raises(FilmUnusable, match=r"video\.mp4 cannot be decoded"):
        load_drive(table(tmp_path, "0,0.0,1,0,,,,", "1,0.1,1,0,,,,"))


def test_a_film_can_begin_at_any_frame(road):
    drive = load_drive(road)
    film = drive.images.film(0)
    for _ in range(31):
        film.skip()
    assert np.array_equal(film.read(), drive.images.film(31).read())


@pytest.mark.parametrize("name", ["live.mkv", "live.webm", "raw.m4v", "vfr.mkv", "good.mp4"])
def test_a_recording_without_an_index_can_begin_at_any_frame(shared, name):
    """It once began at the first, whatever was asked for."""
    images = load_film(shared / "cases/film" / name, fps=0).images
    whole, later = images.film(0), images.film(25)
    for _ in range(25):
        whole.skip()
    assert np.array_equal(whole.read(), later.read())


@pytest.mark.parametrize("name", ["dashcam.ts", "disc.vob"])
def test_a_broadcast_stream_plays_from_its_first_image(tmp_path, name):
    """Sought for, its first images were lost."""
    if not shutil.which("ffmpeg"):
        pytest.skip("ffmpeg is not installed here (apt-get install ffmpeg)")
    picture = ("-f", "lavfi", "-i", "testsrc=size=160x120:rate=10:duration=3")
    subprocess.run(["ffmpeg", "-loglevel", "quiet", *picture, "-c:v", "mpeg2video", tmp_path / name], check=True)
    drive = load_film(tmp_path / name, fps=0)
    film, images = drive.images.film(0), 0
    while film.read() is not None:
        images += 1
    assert images == len(drive.t) == 30


def test_a_video_file_alone_is_a_drive_without_labels(road):
    drive = load_film(road / "video.mp4", fps=0)
    assert len(drive.t) == 60
    assert drive.t[20] == pytest.approx(1.0)
    assert np.isnan(drive.steering_deg).all()


@pytest.mark.parametrize("name", ["live.mkv", "live.webm", "raw.m4v", "vfr.mkv", "good.mp4"])
def test_a_recording_that_does_not_say_how_long_it_is_plays_to_its_end(shared, name):
    """Streamed, cut off or at an uneven pace: the file's own times count."""
    drive = load_film(shared / "cases/film" / name, fps=0)
    assert len(drive.t) == (60 if name == "live.webm" else 100)
    assert drive.seconds == pytest.approx({"vfr.mkv": 22.1, "live.webm": 2.95}.get(name, 4.95))
    film = drive.images.film(0)
    assert all(film.read() is not None for _ in drive.t)
    assert film.read() is None


def test_a_table_from_a_spreadsheet_is_read(tmp_path):
    table(tmp_path, "0,0.0,1,0,,,,", "1,0.1,2,0,,,,")
    path = tmp_path / "telemetry.csv"
    path.write_text("\ufeff" + path.read_text().replace(",", ";"))
    assert load_drive(tmp_path).speed_mps.tolist() == [1.0, 2.0]


def test_a_folder_of_images_plays_in_the_order_of_names(tmp_path):
    import cv2

    for shade in (30, 10, 20):
        cv2.imwrite(str(tmp_path / f"{shade}.png"), np.full((4, 4, 3), shade, np.uint8))
    film = load_film(tmp_path, fps=5).images.film(0)
    assert [int(film.read()[0, 0, 0]) for _ in range(3)] == [10, 20, 30]


@pytest.mark.parametrize("pack", ["drive_a", "drive_sim", "route_real"])
def test_the_recorded_packs_load_whole(shared, pack):
    drive = load_drive(shared / "data" / pack)
    with (shared / "data" / pack / "telemetry.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(drive.t) == len(rows)
    assert drive.steering_deg[-1] == float(rows[-1]["steering_deg"])
    assert drive.knows_movement is (pack != "drive_a")
