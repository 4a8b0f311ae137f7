"""A folder appears under its name when it is whole."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath
from typing import Any

import pytest

from agent import files
from agent.content import exporter, importer
from agent.content.importer import GOOD_LINK
from agent.content.walker import File, Folder, Step, walk
from agent.errors import Unavailable
from agent.ports import BundleLimits


def _broken() -> Iterator[Step]:
    def chunks() -> Iterator[bytes]:
        yield b"half"
        raise Unavailable(what="The node")

    yield Folder(PurePosixPath())
    yield File(PurePosixPath("weights"), 8, chunks())


def test_nothing_is_left_of_a_download_that_breaks(tmp_path: Path) -> None:
    with pytest.raises(Unavailable):
        exporter.export(_broken(), tmp_path / "into")
    assert list(tmp_path.iterdir()) == []


def test_what_was_there_stays_until_the_new_is_whole(tmp_path: Path) -> None:
    (tmp_path / "into").mkdir()
    (tmp_path / "into" / "old").write_text("old")
    with pytest.raises(Unavailable):
        exporter.export(_broken(), tmp_path / "into")
    assert (tmp_path / "into" / "old").read_text() == "old"


def test_a_new_download_replaces_what_was_there(bundle: Path, memory: Callable[..., Any], tmp_path: Path) -> None:
    into = tmp_path / "a" / "into"
    into.mkdir(parents=True)
    (into / "old").write_text("old")
    exporter.export(walk(importer.root(bundle), memory(bundle).fetch, BundleLimits()), into)
    assert sorted(path.name for path in into.iterdir()) == ["contribution.json", "sub", "update.safetensors"]
    assert exporter.holds(into, importer.root(bundle))


@pytest.mark.parametrize("layout", [importer.CIDV0, GOOD_LINK])
def test_a_download_that_lies_there_whole_is_recognised(bundle: Path, layout: importer.Layout) -> None:
    assert exporter.holds(bundle, importer.root(bundle, layout))
    (bundle / "more").touch()
    assert not exporter.holds(bundle, importer.root(bundle.parent / "bundle" / "sub", layout))


FULL = """
import sys
from pathlib import Path
from agent.content.folder import FolderStore
from agent.errors import MilepostError
store = FolderStore(Path(sys.argv[1]) / "store")
try:
    store.put(Path(sys.argv[2]))
except MilepostError as error:
    print(type(error).__name__, error)
print([path.name for path in Path(sys.argv[1]).rglob("*.part")])
"""


def test_a_full_disk_is_a_sentence_and_leaves_nothing_half_written(bundle: Path, tmp_path: Path) -> None:
    mount = tmp_path / "small"
    mount.mkdir()
    script = f'mount -t tmpfs -o size=300k none {mount} && exec "$@"'
    command = ["unshare", "-rm", "sh", "-c", script, "sh", sys.executable, "-c", FULL, str(mount), str(bundle)]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    if "unshare" in ran.stderr or "mount:" in ran.stderr:
        pytest.skip("this machine lets nobody mount a small disk")
    assert ran.stdout.startswith("DiskFull The disk under "), ran.stderr
    assert ran.stdout.endswith("[]\n")


def test_a_disk_that_is_gone_makes_the_work_wait(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="No such file"), files.room_for(tmp_path):
        (tmp_path / "gone" / "file").write_bytes(b"")
