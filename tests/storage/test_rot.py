"""A card that changes bytes and tells nobody: what has rotted is told, made or fetched again, and never believed."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from agent.content.folder import FolderStore
from agent.core.ids import CidText
from agent.errors import MilepostError
from agent.learn import checkpoint
from agent.ledger import keys
from agent.market.bundle import Shelf
from agent.ports import BundleLimits
from tests.hostile.rot import bytes_flipped

TRIES = 300


def each_rotten(path: Path, use: Callable[[], object]) -> int:
    """`use`, after each of many ways in which the file could rot. How often it said so."""
    whole, chance, told = path.read_bytes(), random.Random(14), 0
    for _ in range(TRIES):
        path.write_bytes(bytes_flipped(whole, chance))
        try:
            use()
        except MilepostError:
            told += 1
    path.write_bytes(whole)
    return told


def test_a_checkpoint_with_another_bit_is_not_gone_on_from(tmp_path: Path) -> None:
    """A weight with another bit is a weight: it was trained on, and handed in."""
    state, layer = checkpoint.TrainingState(steps=7, loss=0.5), {"layer": np.ones((4, 6), np.float32)}
    checkpoint.save(tmp_path, state, layer, layer)

    def load() -> None:
        found = checkpoint.load(tmp_path)
        assert found is not None
        assert found.state == state
        assert (found.weights["layer"] == 1).all()

    load()
    assert each_rotten(tmp_path / checkpoint.NAME, load) > TRIES * 0.9


def test_a_rotten_block_is_not_in_the_store_until_it_is_put_again(tmp_path: Path) -> None:
    folder = tmp_path / "bundle"
    folder.mkdir()
    (folder / "weights").write_bytes(bytes(5000))
    store = FolderStore(tmp_path / "store")
    cid = store.put(folder)
    for block in (tmp_path / "store").iterdir():
        block.write_bytes(block.read_bytes()[:-1] + b"!")
        assert not store.has(cid)
        assert store.put(folder) == cid
        assert store.has(cid)


def test_a_bundle_that_rotted_on_the_shelf_is_known(tmp_path: Path) -> None:
    folder = tmp_path / "bundle"
    folder.mkdir()
    (folder / "weights").write_bytes(bytes(5000))
    store = FolderStore(tmp_path / "store")
    shelf, cid = Shelf(tmp_path / "shelf", store), CidText(str(store.put(folder)))
    there = shelf.get(cid, BundleLimits()) / "weights"
    assert shelf.is_sound(cid)
    there.write_bytes(bytes(4999) + b"!")
    assert not shelf.is_sound(cid)


def test_a_rotten_key_is_a_sentence_and_never_another_account(tmp_path: Path) -> None:
    mine = keys.generate(tmp_path / "key")

    def load() -> None:
        assert keys.address(tmp_path / "key") == mine

    assert each_rotten(tmp_path / "key", load) > TRIES * 0.9


@pytest.mark.parametrize(
    "rotten", [b"", b"[]", b'{"pid": "x"}', b'{"pid": 1}', b"\xff", b'{"pid": 99999999999999999999}']
)
def test_a_rotten_status_file_is_no_daemon(tmp_path: Path, rotten: bytes) -> None:
    from agent.host import status_file

    (tmp_path / status_file.FILE).write_bytes(rotten)
    with pytest.raises(status_file.NoDaemon):
        status_file.look(tmp_path)
