"""What comes back is what went in, and a hostile bundle costs no more than the limits allow."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.content import importer, node, protobuf
from agent.content.importer import PROFILES, Layout
from agent.content.node import Link
from agent.content.walker import EVERYTHING, File, drain, walk
from agent.core.cid import Cid
from agent.errors import Malformed, MilepostError, Refused
from agent.ports import BundleLimits

LIMITS = BundleLimits(total_bytes=1_000_000, files=8, depth=2)


def _files(root: Cid, memory: Any, limits: BundleLimits = LIMITS) -> dict[str, bytes]:
    return {
        str(step.path): b"".join(step.chunks) for step in walk(root, memory.fetch, limits) if isinstance(step, File)
    }


@pytest.mark.slow
@pytest.mark.parametrize("layout", [*PROFILES.values(), Layout(0, False, 32, 4), Layout(0, True, 33, 2)])
def test_a_bundle_cut_in_any_way_comes_back(bundle: Path, memory: Callable[..., Any], layout: Layout) -> None:
    files = _files(importer.root(bundle, layout), memory(bundle, layout))
    assert files == {str(path.relative_to(bundle)): path.read_bytes() for path in bundle.rglob("*") if path.is_file()}


@settings(max_examples=60)
@given(data=st.binary(max_size=3000), chunk=st.integers(1, 400), links=st.integers(2, 5), raw=st.booleans())
def test_any_file_in_any_layout_comes_back(
    data: bytes, chunk: int, links: int, raw: bool, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("any")
    (folder / "file").write_bytes(data)
    blocks = list(importer.blocks(folder, Layout(0, raw, max(chunk, len(data) // 500 + 1), links)))
    held = {block.cid.digest: block.to_bytes() for block in blocks}
    steps = walk(blocks[-1].cid, lambda cid: held[cid.digest], EVERYTHING)
    assert [b"".join(step.chunks) for step in steps if isinstance(step, File)] == [data]


@given(st.binary(max_size=300))
def test_no_block_does_more_harm_than_a_refusal(data: bytes) -> None:
    with suppress(Refused):
        node.read(data)


# --- hostile bundles ----------------------------------------------------------------------------------------


def _folder(memory: Any, *links: Link) -> Cid:
    cid: Cid = memory.add(node.directory_block(links))
    return cid


def _total(block: bytes) -> int:
    return len(block) + sum(link.total for link in node.read(block).links)


def _refused(root: Cid, memory: Any, why: str, limits: BundleLimits = LIMITS) -> None:
    with pytest.raises(Refused, match=why):
        _files(root, memory, limits)


@pytest.mark.parametrize("name", ["../x", "..", ".", "", "a/b", "/etc/passwd", "a\x00b", "a\nb", "a\\b", "\x1b[2J"])
def test_a_name_that_leads_out_of_the_folder_is_refused(memory: Callable[..., Any], name: str) -> None:
    evil = memory()
    leaf = evil.add(b"x", raw=True)
    _refused(_folder(evil, Link(leaf, 1, name)), evil, "not a plain file name")


def test_a_name_too_long_for_a_file_system_is_refused(memory: Callable[..., Any]) -> None:
    evil = memory()
    _refused(_folder(evil, Link(evil.add(b"x", raw=True), 1, "é" * 128)), evil, "more than 255 bytes")


def test_a_name_that_occurs_twice_is_refused(memory: Callable[..., Any]) -> None:
    evil = memory()
    leaf = evil.add(b"x", raw=True)
    _refused(_folder(evil, Link(leaf, 1, "a"), Link(leaf, 1, "a")), evil, "a name occurs twice")


def test_a_bundle_that_claims_too_much_is_refused_before_a_leaf_is_asked_for(
    memory: Callable[..., Any],
) -> None:
    evil = memory()
    root = _folder(evil, Link(Cid.v1(0x55, bytes(32)), 10**15, "weights"))
    _refused(root, evil, "it claims 1000000000000")
    assert evil.asked == [root]


def test_a_file_larger_than_the_limit_is_refused_before_its_parts_are_asked_for(
    memory: Callable[..., Any],
) -> None:
    evil = memory()
    file = node.file_block([Link(Cid.v1(0x55, bytes(32)), 2_000_000)], [2_000_000])
    cid = evil.add(file)
    _refused(_folder(evil, Link(cid, _total(file), "weights")), evil, "more than 1000000 bytes")
    assert Cid.v1(0x55, bytes(32)) not in evil.asked


def _bomb(memory: Any, leaf_size: int, levels: int, width: int = 2) -> Link:
    """A tree in which all parts of each node are the same node: few blocks, width**levels leaves."""
    data = bytes(leaf_size)
    link, size = Link(memory.add(data, raw=True), leaf_size), leaf_size
    for _ in range(levels):
        block = node.file_block([link] * width, [size] * width)
        link, size = Link(memory.add(block), len(block) + width * link.total), width * size
    return link


def test_a_block_bomb_is_refused_at_once(memory: Callable[..., Any]) -> None:
    """Fifty blocks that unfold into a petabyte."""
    evil = memory()
    bomb = _bomb(evil, 1, 50)
    root = _folder(evil, Link(bomb.cid, bomb.total, "bomb"))
    _refused(root, evil, "it claims")
    assert evil.asked == [root]


@pytest.mark.slow
def test_a_block_bomb_of_empty_parts_is_refused_after_so_many_blocks(memory: Callable[..., Any]) -> None:
    evil = memory()
    bomb = _bomb(evil, 0, 3, width=100)
    root = _folder(evil, Link(bomb.cid, 0, "bomb"))
    _refused(root, evil, "bytes were declared for it")
    honest = _folder(evil, Link(bomb.cid, bomb.total, "bomb"))
    _refused(honest, evil, "more than 131072 blocks", EVERYTHING)
    assert len(evil.asked) < 131072 + 10


def test_a_tree_as_deep_as_a_well_is_refused(memory: Callable[..., Any]) -> None:
    evil = memory()
    link = Link(evil.add(b"x", raw=True), 1)
    for _ in range(2000):
        block = node.file_block([link], [1])
        link = Link(evil.add(block), len(block) + link.total)
    root = _folder(evil, Link(link.cid, link.total, "well"))
    _refused(root, evil, "deeper than 16", EVERYTHING)


def test_a_file_of_too_many_parts_is_refused(memory: Callable[..., Any]) -> None:
    evil = memory()
    leaf = Link(evil.add(b"x", raw=True), 1)
    block = node.file_block([leaf] * 1025, [1] * 1025)
    _refused(_folder(evil, Link(evil.add(block), _total(block), "wide")), evil, "wider than 1024")


def test_too_many_files_and_too_deep_folders_are_refused(memory: Callable[..., Any]) -> None:
    evil = memory()
    leaf = evil.add(b"x", raw=True)
    _refused(_folder(evil, *(Link(leaf, 1, str(n)) for n in range(9))), evil, "more than 8 files and folders")
    link = Link(leaf, 1, "x")
    for _ in range(3):
        block = node.directory_block([link])
        link = Link(evil.add(block), _total(block), "d")
    _refused(link.cid, evil, "deeper than 2")


def _lies(memory: Any) -> Sequence[tuple[str, Link, str]]:
    leaf = Link(memory.add(b"four", raw=True), 4)
    wrapped = b"".join((node.leaf_frame(4)[0], b"four", node.leaf_frame(4)[1]))
    wrapped_link = Link(memory.add(wrapped), len(wrapped))

    def file(links: Sequence[Link], sizes: Sequence[int]) -> Link:
        block = node.file_block(links, sizes)
        return Link(memory.add(block), _total(block), "f")

    def unixfs(*fields: bytes, links: bytes = b"") -> Link:
        block = links + protobuf.payload(1, b"".join(fields))
        return Link(memory.add(block), len(block), "f")

    kind = protobuf.number(1, 2)
    return [
        ("a raw file of another size", Link(leaf.cid, 5, "f"), "should have 5 bytes has 4"),
        ("a part of another size", file([leaf], [5]), "should have 5 bytes has 4"),
        ("a wrapped part of another size", file([wrapped_link], [3]), "should have 3 bytes has 4"),
        ("a part whose tree has another size", file([Link(wrapped_link.cid, 99)], [4]), "99 bytes were declared"),
        ("a sum that does not add up", unixfs(kind, protobuf.number(3, 9), protobuf.payload(2, b"1")), "claims 9"),
        ("sizes without parts", unixfs(kind, protobuf.number(4, 9)), "0 parts and 1 sizes"),
        ("a symbolic link", unixfs(protobuf.number(1, 4), protobuf.payload(2, b"/etc")), "a symbolic link"),
        ("a sharded folder", unixfs(protobuf.number(1, 5)), "a sharded directory"),
        ("an unknown kind", unixfs(protobuf.number(1, 9)), "kind 9"),
        ("a part with a name", file([Link(leaf.cid, 4, "x")], [4]), "has a name"),
        ("not dag-pb", Link(memory.add(b"\xff\xff"), 2, "f"), "a number in it is cut short"),
        ("a folder as a part", file([Link(memory.add(node.directory_block([])), 4)], [0]), "should have 0 bytes|part"),
    ]


@pytest.mark.parametrize("number", range(12))
def test_what_a_block_declares_must_add_up(memory: Callable[..., Any], number: int) -> None:
    evil = memory()
    _, link, why = _lies(evil)[number]
    _refused(_folder(evil, Link(link.cid, link.total, "f")), evil, why)


def test_a_root_that_is_a_file_is_no_bundle(memory: Callable[..., Any]) -> None:
    evil = memory()
    _refused(evil.add(b"x", raw=True), evil, "a single file")
    _refused(evil.add(node.file_block([], [])), evil, "a single file")


def test_a_walk_that_only_lists_asks_for_no_leaf(bundle: Path, memory: Callable[..., Any]) -> None:
    layout = PROFILES["raw"]
    held = memory(bundle, layout)
    sizes = {
        str(s.path): s.size for s in walk(importer.root(bundle, layout), held.fetch, LIMITS) if isinstance(s, File)
    }
    assert sizes["update.safetensors"] == 700_000
    assert len(held.asked) == 3


def test_draining_looks_at_every_block(bundle: Path, memory: Callable[..., Any]) -> None:
    held = memory(bundle)
    found = drain(walk(importer.root(bundle), held.fetch, LIMITS))
    assert (found.files, found.size) == (3, 700_014)
    assert {cid.digest for cid in held.asked} == set(held.blocks)


def test_every_refusal_is_a_sentence(memory: Callable[..., Any]) -> None:
    evil = memory()
    with pytest.raises(MilepostError, match=r"^The bundle Qm\w+ was refused: it is a single file, not a folder$"):
        _files(evil.add(node.file_block([], [])), evil)
    with pytest.raises(Malformed, match=r"^a folder is malformed: the name '\.\./x' .*\. It is not used\.$"):
        _files(_folder(evil, Link(evil.add(b"x", raw=True), 1, "../x")), evil)
