"""What everybody counts on who writes a file."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from agent import errors, files

SMALL = """
import sys
from pathlib import Path
from agent import files
from agent.errors import MilepostError
data = b"x" * 500_000
for write, content in ((files.write_whole, data), (files.write_new, data), (files.write_folder, {"weights": data})):
    try:
        write(Path(sys.argv[1]) / write.__name__, content)
    except MilepostError as error:
        print(type(error).__name__, error.exit_code)
print(sorted(path.name for path in Path(sys.argv[1]).iterdir()))
"""


def test_a_file_is_there_whole_and_for_its_owner_alone(tmp_path: Path) -> None:
    files.write_whole(tmp_path / "weights", b"old")
    files.write_whole(tmp_path / "weights", b"new")
    assert (tmp_path / "weights").read_bytes() == b"new"
    assert stat.S_IMODE((tmp_path / "weights").stat().st_mode) == 0o600
    assert [path.name for path in tmp_path.iterdir()] == ["weights"]


def test_what_was_cut_off_by_a_power_cut_is_written_over(tmp_path: Path) -> None:
    (tmp_path / "weights.part").write_bytes(b"hal")
    files.write_whole(tmp_path / "weights", b"whole")
    assert [path.name for path in tmp_path.iterdir()] == ["weights"]


def test_a_link_that_lies_in_the_way_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "weights.part").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(errors.Unavailable):
        files.write_whole(tmp_path / "weights", b"whole")
    assert not (tmp_path / "elsewhere").exists()


def test_what_must_never_be_replaced_is_not(tmp_path: Path) -> None:
    files.write_new(tmp_path / "key", b"mine")
    with pytest.raises(files.AlreadyThere):
        files.write_new(tmp_path / "key", b"yours")
    assert (tmp_path / "key").read_bytes() == b"mine"
    assert [path.name for path in tmp_path.iterdir()] == ["key"]


def test_a_folder_is_there_whole_in_place_of_what_was(tmp_path: Path) -> None:
    (tmp_path / "teacher").write_bytes(b"copied")
    for name in ("round", "round.part"):  # the second is what a power cut left
        (tmp_path / name).mkdir()
        (tmp_path / name / "old").write_bytes(b"old")
    files.write_folder(tmp_path / "round", {"weights": b"new", "teacher": tmp_path / "teacher"})
    found = {path.name: path.read_bytes() for path in (tmp_path / "round").iterdir()}
    assert found == {"weights": b"new", "teacher": b"copied"}
    assert not (tmp_path / "round.part").exists()


@pytest.mark.parametrize(("option", "sentence"), [("size=300k", "DiskFull 69"), ("ro", "DiskReadOnly 69")])
def test_a_disk_that_is_full_or_read_only_is_a_sentence_and_leaves_nothing(
    tmp_path: Path, option: str, sentence: str
) -> None:
    mount = tmp_path / "small"
    mount.mkdir()
    script = f'mount -t tmpfs -o {option} none {mount} && exec "$@"'
    command = ["unshare", "-rm", "sh", "-c", script, "sh", sys.executable, "-c", SMALL, str(mount)]
    ran = subprocess.run(command, capture_output=True, text=True, check=False, env={**os.environ, "PYTHONPATH": "."})
    if "unshare" in ran.stderr or "mount:" in ran.stderr:
        pytest.skip("this machine lets nobody mount a small disk")
    assert ran.stdout.splitlines() == [sentence, sentence, sentence, "[]"], ran.stderr
