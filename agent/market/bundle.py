"""Bundles on disk: what is behind a digest (PROTOCOL section 2).

round         round.json, weights.safetensors, model.onnx, with a teacher also teacher.onnx, with a root root.sealed
contribution  contribution.json, update.sealed
test set      set.sealed
record        record.json
dispute       dispute.json
ruling        ruling.json
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from agent import files
from agent.content import exporter, importer
from agent.core.bundle_files import CONTRIBUTION as CONTRIBUTION
from agent.core.bundle_files import DISPUTE as DISPUTE
from agent.core.bundle_files import GRAPH as GRAPH
from agent.core.bundle_files import RECORD as RECORD
from agent.core.bundle_files import ROOT as ROOT
from agent.core.bundle_files import ROUND as ROUND
from agent.core.bundle_files import RULING as RULING
from agent.core.bundle_files import TEACHER as TEACHER
from agent.core.bundle_files import TEST_SET as TEST_SET
from agent.core.bundle_files import UPDATE as UPDATE
from agent.core.bundle_files import WEIGHTS as WEIGHTS
from agent.core.cid import Cid
from agent.core.dispute import Dispute, Ruling
from agent.core.documents import Contribution, D, SettlementRecord
from agent.core.ids import AccountId, CidText
from agent.core.round import Round
from agent.errors import Malformed
from agent.market import sealed
from agent.ports import BundleLimits, ContentStore

if TYPE_CHECKING:
    from stellar_sdk import Keypair

ROUND_LIMITS = BundleLimits(total_bytes=1 << 30, files=5, depth=1)
CONTRIBUTION_LIMITS = BundleLimits(total_bytes=1 << 30, files=2, depth=1)
"""Of one that a committee has accepted. Before that it is bounded by what its round can need (`validator.porter`)."""
SET_LIMITS = BundleLimits(total_bytes=1 << 30, files=1, depth=1)
RECORD_LIMITS = BundleLimits(total_bytes=2 << 20, files=1, depth=1)
DISPUTE_LIMITS = BundleLimits(total_bytes=128 << 10, files=1, depth=1)
"""Of a ruling too."""


class Shelf:
    """The bundles this machine has fetched, by CID, whole and verified; `keep` newest are kept."""

    def __init__(self, folder: Path, store: ContentStore, keep: int = 8) -> None:
        self.folder = folder
        self.store = store
        self._keep = keep

    def get(self, cid: CidText, limits: BundleLimits) -> Path:
        """The bundle's folder, fetched if it is not here. Raises Unavailable, Refused, Malformed."""
        path = self.folder / cid
        if not path.is_dir():
            files.make_folder(self.folder)
            with files.room_for(self.folder):
                self.store.get(Cid.parse(cid), path, limits)
            self._tidy(path)
        else:
            os.utime(path)
        return path

    def holds(self, cid: CidText) -> bool:
        return (self.folder / cid).is_dir()

    def is_sound(self, cid: CidText) -> bool:
        """Whether what lies on the disk is still what was fetched: its bytes make the CID again."""
        return exporter.holds(self.folder / cid, Cid.parse(cid))

    def is_plain(self, cid: CidText) -> bool:
        """Whether storing these files again makes this CID, as it does where a vehicle cut them as `put` does."""
        return importer.root(self.folder / cid) == Cid.parse(cid)

    def drop(self, cid: CidText) -> None:
        """Forget a bundle, so that it is fetched again."""
        files.remove_folder(self.folder / cid)

    def round(self, cid: CidText) -> Round:
        return _parse(Round, self.get(cid, ROUND_LIMITS) / ROUND)

    def taking(self, cid: CidText) -> dict[CidText, Round]:
        """The rounds whose entries count while round `cid` is the newest, by CID: itself, then its forebears within its
        `staleness`, as far as the committee is the same: another one cannot open what was sealed to that."""
        newest = self.round(cid)
        found, step = {cid: newest}, newest.previous
        while step is not None and len(found) <= newest.staleness:
            before = self.round(step)
            if before.committee != newest.committee:
                break
            found[step] = before
            step = before.previous
        return found

    def contribution(self, cid: CidText) -> Contribution:
        return _parse(Contribution, self.get(cid, CONTRIBUTION_LIMITS) / CONTRIBUTION)

    def record(self, cid: CidText) -> SettlementRecord:
        return _parse(SettlementRecord, self.get(cid, RECORD_LIMITS) / RECORD)

    def dispute(self, cid: CidText) -> Dispute:
        return _parse(Dispute, self.get(cid, DISPUTE_LIMITS) / DISPUTE)

    def ruling(self, cid: CidText) -> Ruling:
        return _parse(Ruling, self.get(cid, DISPUTE_LIMITS) / RULING)

    def update(self, cid: CidText, reader: Keypair, initiator: AccountId) -> bytes:
        """A contribution's update, opened with one reader's key. Raises Malformed where its round's initiator could not
        read it: nobody is paid for what cannot be fused."""
        contribution = self.contribution(cid)
        if initiator not in contribution.keys:
            raise Malformed(what=f"the contribution {cid}", why="its key is not sealed to the initiator")
        return self.opened(cid, sealed.key(contribution.keys, reader))

    def opened(self, cid: CidText, key: bytes) -> bytes:
        """A contribution's update, opened with the update's own key. Raises Malformed."""
        contribution = self.contribution(cid)
        ciphertext = _read(self.get(cid, CONTRIBUTION_LIMITS) / UPDATE, CONTRIBUTION_LIMITS.total_bytes)
        purpose = update_purpose(contribution.base, contribution.vehicle)
        return sealed.unseal(ciphertext, purpose, contribution.keys, key)

    def test_set(self, round_: Round, reader: Keypair) -> bytes:
        """The round's global test set, opened with one validator's key."""
        ciphertext = _read(self.get(round_.global_set.cid, SET_LIMITS) / TEST_SET, SET_LIMITS.total_bytes)
        boxes = round_.global_set.keys
        return sealed.unseal(ciphertext, test_set_purpose(round_.model), boxes, sealed.key(boxes, reader))

    def root(self, cid: CidText, reader: Keypair, most: int) -> bytes:
        """The root update of a round that has one, of at most so many bytes, opened with one validator's key. Raises
        Malformed, also where not the whole committee can read it: some would judge by it and some not."""
        round_ = self.round(cid)
        boxes = round_.root.keys if round_.root else {}
        if boxes.keys() != set(round_.committee):
            raise Malformed(what=f"the root update of {cid}", why="it is not sealed to the committee and nobody else")
        ciphertext = _read(self.get(cid, ROUND_LIMITS) / ROOT, sealed.OVERHEAD + most)
        purpose = root_purpose(round_.model, round_.number)
        return sealed.unseal(ciphertext, purpose, boxes, sealed.key(boxes, reader))

    def _tidy(self, newest: Path) -> None:
        there = (p for p in self.folder.iterdir() if p.is_dir() and not p.name.startswith("."))  # .: under way
        bundles = sorted(there, key=lambda p: p.stat().st_mtime)
        for old in bundles[: -self._keep]:
            if old != newest:
                files.remove_folder(old)
        for half in self.folder.glob(f".*{files.GOING}"):  # a power cut came before all of it was gone
            shutil.rmtree(half, ignore_errors=True)


def update_purpose(base: CidText, vehicle: AccountId) -> str:
    """An update is for one base round and one vehicle: another vehicle cannot hand in the same ciphertext."""
    return f"milepost/update/{base}/{vehicle}"


def test_set_purpose(model: str) -> str:
    return f"milepost/test-set/{model}"


def root_purpose(model: str, number: int) -> str:
    return f"milepost/root/{model}/{number}"


def lay(folder: Path, contents: Mapping[str, bytes | Path]) -> Path:
    """Write a bundle's files into a fresh folder, synced, ready for `ContentStore.put`. Runs twice without harm."""
    files.write_folder(folder, contents)
    return folder


def write(path: Path, content: bytes) -> None:
    """One file of a folder that is being laid out, whole or not at all. Until it is there, nothing of it is in the
    folder, whose files are the bundle's."""
    files.write_whole(path, content, aside=path.parent.with_name(f"{path.parent.name}.{path.name}{files.PART}"))


def _read(path: Path, most: int) -> bytes:
    if not path.is_file():
        raise Malformed(what=f"the bundle {path.parent.name}", why=f"it has no {path.name}")
    if path.stat().st_size > most:
        raise Malformed(what=f"{path.name} of {path.parent.name}", why=f"larger than {most} bytes")
    return path.read_bytes()


def _parse(kind: type[D], path: Path) -> D:
    return kind.parse(_read(path, kind.max_bytes))
