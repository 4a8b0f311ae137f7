"""Tables as spreadsheets of half the world write them."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from agent.core.round import Task
from agent.sense.album import pictures
from agent.sense.drive import DriveUnusable, load_drive
from agent.sense.sheet import Sheet

PLAIN = "frame,t,steering_deg,speed_mps,distance_m,lat,lon\n0,0.0,-1.5,3.5,0,,\n1,0.1,2.25,3.5,0.35,,\n"
SEMICOLONS = PLAIN.replace(",", ";").replace(".", ",")

WAYS = {
    "as it should be": PLAIN.encode(),
    "with a byte-order mark": b"\xef\xbb\xbf" + PLAIN.encode(),
    "semicolons": PLAIN.replace(",", ";").encode(),
    "semicolons and decimal commas": SEMICOLONS.encode(),
    "tabs": PLAIN.replace(",", "\t").encode(),
    "unicode text of a spreadsheet": PLAIN.replace(",", "\t").replace(".", ",").encode("utf-16"),
    "a line that names the separator": b"sep=;\r\n" + SEMICOLONS.replace("\n", "\r\n").encode(),
    "blanks after commas": PLAIN.replace(",", ", ").encode(),
    "quotes": ('"' + PLAIN.partition("\n")[0].replace(",", '","') + '"\n' + PLAIN.partition("\n")[2]).encode(),
}


@pytest.mark.parametrize("way", WAYS)
def test_a_drive_is_read_whoever_wrote_its_table(tmp_path: Path, way: str) -> None:
    (tmp_path / "telemetry.csv").write_bytes(WAYS[way])
    drive = load_drive(tmp_path)
    assert drive.steering_deg.tolist() == [-1.5, 2.25]
    assert drive.speed_mps.tolist() == [3.5, 3.5]


@pytest.mark.parametrize("table", ["image;steering_deg\na.png;-3,5\n", "image\tsteering_deg\na.png\t-3.5\n"])
def test_an_album_is_read_whoever_wrote_its_table(tmp_path: Path, table: str) -> None:
    (tmp_path / "steering.csv").write_text(table)
    assert [picture.label for picture in pictures(tmp_path, Task(kind="steering"))] == [-3.5]


def test_a_name_with_a_comma_stays_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("image;steering_deg\nbend 1,5 m.png;1,5\n")
    assert list(Sheet(tmp_path / "t.csv")) == [(2, {"image": "bend 1,5 m.png", "steering_deg": "1.5"})]


def test_a_table_of_one_column_is_none(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("recorded on Monday\n1\n")
    with pytest.raises(csv.Error, match="names no columns"):
        Sheet(tmp_path / "t.csv")


def test_an_angle_that_no_wheel_has_is_refused_by_its_line(tmp_path: Path) -> None:
    (tmp_path / "telemetry.csv").write_text(PLAIN.replace("2.25", "99999"))
    with pytest.raises(DriveUnusable, match=r"line 3 of .* has steering_deg = 99999, and no wheel turns beyond 1500"):
        load_drive(tmp_path)
