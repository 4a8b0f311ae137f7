"""Every content store keeps the contract of the door: the folder, and a real IPFS node."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from agent.content import importer, open_store
from agent.core.cid import Cid
from agent.errors import Malformed, Refused, Unavailable
from agent.ports import BundleLimits, ContentStore
from tools.ipfs.node import Node
from tools.npm import NoNpm

pytestmark = pytest.mark.timeout(900)  # the first run on a machine installs the node


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    try:
        with Node(tmp_path_factory.mktemp("js-ipfs")) as node:
            yield node.api
    except NoNpm as error:
        pytest.skip(str(error))


@pytest.fixture(params=["folder", pytest.param("node", marks=pytest.mark.slow)])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[ContentStore]:
    url = f"folder:{tmp_path / 'store'}" if request.param == "folder" else request.getfixturevalue("api")
    opened = open_store([url], tmp_path / "state")
    yield opened
    opened.close()


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    """A folder whose content no other test stores: the node is shared."""
    folder = tmp_path / "bundle"
    (folder / "sub").mkdir(parents=True)
    (folder / "round.json").write_text(str(tmp_path))
    (folder / "weights.safetensors").write_bytes(bytes(range(256)) * 2500)
    (folder / "sub" / "é").write_bytes(b"")
    return folder


def _files(folder: Path) -> dict[Path, bytes]:
    return {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_folder_comes_back_as_it_was(store: ContentStore, bundle: Path, tmp_path: Path) -> None:
    cid = store.put(bundle)
    store.get(cid, tmp_path / "a" / "into", BundleLimits())
    assert _files(tmp_path / "a" / "into") == _files(bundle)


def test_what_is_dropped_is_gone_and_can_be_stored_again(store: ContentStore, bundle: Path, tmp_path: Path) -> None:
    (bundle / "sub" / "é").write_bytes(b"an empty file is every bundle's")
    cid = store.put(bundle)
    store.drop(bundle)
    store.drop(bundle)
    with pytest.raises(Unavailable):
        store.get(cid, tmp_path / "into", BundleLimits(seconds=5))
    assert store.put(bundle) == cid
    assert store.has(cid)


def test_the_cid_is_the_one_that_kubo_gives(store: ContentStore, bundle: Path) -> None:
    cid = store.put(bundle)
    assert cid == importer.root(bundle) == Cid.v0(cid.digest)


def test_putting_and_getting_twice_changes_nothing(store: ContentStore, bundle: Path, tmp_path: Path) -> None:
    cid = store.put(bundle)
    assert store.put(bundle) == cid
    for _ in range(2):
        store.get(cid, tmp_path / "into", BundleLimits())
    assert _files(tmp_path / "into") == _files(bundle)


def test_an_empty_folder_can_be_filled(store: ContentStore, bundle: Path, tmp_path: Path) -> None:
    (tmp_path / "into").mkdir()
    store.get(store.put(bundle), tmp_path / "into", BundleLimits())
    assert _files(tmp_path / "into") == _files(bundle)


def test_a_single_file_is_wrapped_in_a_folder(store: ContentStore, bundle: Path, tmp_path: Path) -> None:
    store.get(store.put(bundle / "round.json"), tmp_path / "into", BundleLimits())
    assert _files(tmp_path / "into") == {Path("round.json"): (bundle / "round.json").read_bytes()}


def test_has_is_true_once_the_whole_is_there(store: ContentStore, bundle: Path) -> None:
    assert store.has(store.put(bundle))


@pytest.mark.parametrize(
    "limits",
    [BundleLimits(total_bytes=1000), BundleLimits(files=2), BundleLimits(depth=1)],
    ids=["bytes", "files", "depth"],
)
def test_what_is_beyond_the_limits_is_refused_and_leaves_nothing(
    store: ContentStore, bundle: Path, tmp_path: Path, limits: BundleLimits
) -> None:
    with pytest.raises(Refused):
        store.get(store.put(bundle), tmp_path / "into", limits)
    assert sorted(path.name for path in tmp_path.iterdir() if path.name not in ("store", "state")) == ["bundle"]


def test_a_folder_that_cannot_be_stored_is_refused(store: ContentStore, bundle: Path) -> None:
    (bundle / "link").symlink_to("round.json")
    with pytest.raises(Refused, match="symbolic link"):
        store.put(bundle)


def test_a_root_that_is_no_folder_is_refused(store: ContentStore, bundle: Path, tmp_path: Path) -> None:
    store.put(bundle)
    with pytest.raises(Refused, match="single file"):
        store.get(importer.root(bundle / "round.json"), tmp_path / "into", BundleLimits())


# A node looks on its network for half a minute for what it has not; the folder says so at once.
def test_what_is_not_there_makes_the_work_wait(tmp_path: Path) -> None:
    store = open_store([f"folder:{tmp_path / 'store'}"], tmp_path / "state")
    with pytest.raises(Unavailable, match="is not to be had now"):
        store.get(Cid.v0(bytes(32)), tmp_path / "into", BundleLimits())
    assert not store.has(Cid.v0(bytes(32)))


def test_a_rotten_block_in_a_folder_is_noticed_and_healed(bundle: Path, tmp_path: Path) -> None:
    store = open_store([f"folder:{tmp_path / 'store'}"], tmp_path / "state")
    cid = store.put(bundle)
    for path in (tmp_path / "store").iterdir():
        path.write_bytes(path.read_bytes()[:-1] + b"!")
    assert not store.has(cid)
    with pytest.raises(Unavailable):
        store.get(cid, tmp_path / "into", BundleLimits())
    assert store.put(bundle) == cid
    assert store.has(cid)


def test_another_hash_is_named(tmp_path: Path) -> None:
    with pytest.raises(Malformed, match="sha2-256"):
        Cid.parse("bafk2bzaced5smcgxbvmlnlw3vjogiavhhllrmxnkkvsfdvrkfrzuvdrmlkd7g")
