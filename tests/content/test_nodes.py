"""Up and down over a link that breaks."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from agent.content import importer, open_store
from agent.content.download import NoSource
from agent.content.importer import GOOD_LINK
from agent.content.kubo import NotLetIn
from agent.content.nodes import Changed, NodeStore
from agent.content.store import NotAStore
from agent.content.walker import TooMuch
from agent.core.cid import Cid
from agent.errors import Unavailable
from agent.ports import BundleLimits
from tools.ipfs.stand_in import Answer, Request, StandIn

pytestmark = pytest.mark.slow


@pytest.fixture
def store(serve: Callable[..., str], tmp_path: Path) -> Iterator[Callable[..., NodeStore]]:
    """A store over stand-ins, with the same state each time, that never waits."""
    made: list[NodeStore] = []

    def over(*parties: Any, urls: tuple[str, ...] = (), **options: Any) -> NodeStore:
        addresses = [*urls, *(serve(party.respond) for party in parties)]
        opened = open_store(addresses, tmp_path / "state", sleep=lambda seconds: None, **options)
        assert isinstance(opened, NodeStore)
        made.append(opened)
        return opened

    yield over
    for opened in made:
        opened.close()


def _blocks(bundle: Path) -> int:
    return len({block.cid for block in importer.blocks(bundle)})


def _once(node: StandIn) -> bool:
    return len(node.sent) == len(set(node.sent))


# --- up -----------------------------------------------------------------------------------------------------


def test_the_root_goes_last_and_is_pinned(bundle: Path, store: Callable[..., NodeStore]) -> None:
    node = StandIn()
    root = store(node).put(bundle)
    assert (root, root.version) == (importer.root(bundle), 0)
    assert node.sent[-1] == node.blocks[root.digest]
    assert node.pins == {str(root)}
    assert _once(node)
    assert len(node.sent) == _blocks(bundle)


def test_storing_the_same_again_sends_nothing(
    bundle: Path, store: Callable[..., NodeStore], serve: Callable[..., str]
) -> None:
    node = StandIn()
    url = serve(node.respond)
    first = store(urls=(url,)).put(bundle)
    assert store(urls=(url,)).put(bundle) == first
    assert len(node.sent) == _blocks(bundle)


def test_an_upload_goes_on_after_the_link_was_lost(
    bundle: Path, store: Callable[..., NodeStore], serve: Callable[..., str]
) -> None:
    node = StandIn()
    node.down_after = 2
    url = serve(node.respond)
    with pytest.raises(Unavailable):
        store(urls=(url,)).put(bundle)
    assert not node.pins
    node.down_after = None
    store(urls=(url,)).put(bundle)
    assert _once(node)
    assert len(node.sent) == _blocks(bundle)


def test_a_block_whose_answer_was_lost_is_not_sent_again(bundle: Path, store: Callable[..., NodeStore]) -> None:
    node = StandIn()
    node.lose_answers = 2
    store(node).put(bundle)
    assert _once(node)


PUT = """
import sys
from pathlib import Path
from agent.content import open_store
store = open_store([sys.argv[1]], Path(sys.argv[2]))
print(store.put(Path(sys.argv[3])))
"""


@pytest.mark.parametrize("after", [1, 3])
def test_an_upload_goes_on_after_kill_9_without_sending_a_block_twice(
    bundle: Path, serve: Callable[..., str], store: Callable[..., NodeStore], tmp_path: Path, after: int
) -> None:
    node = StandIn()
    reached, go_on = threading.Event(), threading.Event()

    def respond(request: Request) -> Answer:
        answer = node.respond(request)
        if request.path.endswith("block/put") and len(node.sent) == after:
            reached.set()
            go_on.wait(60)
        return answer

    url = serve(respond)
    with subprocess.Popen([sys.executable, "-c", PUT, url, str(tmp_path / "state"), str(bundle)]) as child:
        assert reached.wait(60)
        os.kill(child.pid, signal.SIGKILL)
    go_on.set()
    assert store(urls=(url,)).put(bundle) == importer.root(bundle)
    assert _once(node)
    assert len(node.sent) == _blocks(bundle)


def test_a_node_that_lost_blocks_gets_them_again(
    bundle: Path, store: Callable[..., NodeStore], serve: Callable[..., str]
) -> None:
    node = StandIn()
    url = serve(node.respond)
    root = store(urls=(url,)).put(bundle)
    node.blocks.clear()
    node.pins.clear()
    node.refuse_pins = 1
    assert store(urls=(url,)).put(bundle) == root
    assert len(node.blocks) == _blocks(bundle)


def test_the_next_node_is_used_when_the_first_is_away_or_refuses(
    bundle: Path, store: Callable[..., NodeStore], serve: Callable[..., str]
) -> None:
    refusing = serve(lambda request: Answer(status=403))
    node = StandIn()
    store(node, urls=("http://127.0.0.1:1", refusing)).put(bundle)
    assert len(node.pins) == 1


def test_a_wrong_token_is_said_and_the_work_waits(
    bundle: Path, store: Callable[..., NodeStore], serve: Callable[..., str]
) -> None:
    with pytest.raises(NotLetIn):
        store(urls=(serve(lambda request: Answer(status=401)),)).put(bundle)


def test_a_store_without_a_node_cannot_take_anything(bundle: Path, store: Callable[..., NodeStore]) -> None:
    with pytest.raises(Unavailable, match="none is configured"):
        store(urls=("gateway:http://127.0.0.1:1",)).put(bundle)


def test_a_folder_that_changes_while_it_is_sent_gets_no_root(
    bundle: Path, store: Callable[..., NodeStore], serve: Callable[..., str]
) -> None:
    node = StandIn()

    def respond(request: Request) -> Answer:
        (bundle / "update.safetensors").write_bytes(b"something else")
        return node.respond(request)

    with pytest.raises(Changed, match="changed while it was sent"):
        store(urls=(serve(respond),)).put(bundle)
    assert not node.pins


def test_a_good_link_takes_larger_blocks_and_a_bundle_once_begun_keeps_its_cid(
    bundle: Path, store: Callable[..., NodeStore], serve: Callable[..., str]
) -> None:
    node = StandIn()
    url = serve(node.respond)
    wide = store(urls=(url,), good_link=lambda: True).put(bundle)
    assert wide == importer.root(bundle, GOOD_LINK) != importer.root(bundle)
    assert wide.version == 0
    assert store(urls=(url,), good_link=lambda: False).put(bundle) == wide


# --- pins ---------------------------------------------------------------------------------------------------


class PinningStandIn:
    def __init__(self) -> None:
        self.asked: list[dict[str, Any]] = []
        self.status = "queued"
        self.away = False

    def respond(self, request: Request) -> Answer:
        import json

        if self.away or request.headers.get("authorization") != "Bearer key":
            return Answer(status=503 if self.away else 401)
        if request.method == "GET":
            known = [{"status": self.status} for pin in self.asked if pin["cid"] == request.query["cid"]]
            return Answer(json.dumps({"count": len(known), "results": known}).encode())
        self.asked.append(json.loads(request.body))
        return Answer(json.dumps({"requestid": "1", "status": self.status}).encode(), status=202)


def test_a_pinning_service_is_asked_once_and_told_where_to_fetch(
    bundle: Path, store: Callable[..., NodeStore], serve: Callable[..., str]
) -> None:
    node, pinning = StandIn(), PinningStandIn()
    urls = (serve(node.respond), f"pinning:{serve(pinning.respond)}/psa")
    root = store(urls=urls, tokens={urls[1]: "key"}).put(bundle)
    store(urls=urls, tokens={urls[1]: "key"}).put(bundle)
    assert pinning.asked == [{"cid": str(root), "name": str(root), "origins": ["/ip4/127.0.0.1/tcp/4001/p2p/12D3"]}]


def test_a_pinning_service_that_is_away_is_asked_later(
    bundle: Path, store: Callable[..., NodeStore], serve: Callable[..., str]
) -> None:
    node, pinning = StandIn(), PinningStandIn()
    pinning.away = True
    urls = (serve(node.respond), f"pinning:{serve(pinning.respond)}")
    over = store(urls=urls, tokens={urls[1]: "key"})
    root = over.put(bundle)
    assert not pinning.asked
    pinning.away = False
    assert over.put(bundle) == root
    assert len(pinning.asked) == 1


# --- down ---------------------------------------------------------------------------------------------------


def _holding(bundle: Path) -> StandIn:
    node = StandIn()
    node.blocks = {block.cid.digest: block.to_bytes() for block in importer.blocks(bundle)}
    return node


def test_what_came_before_a_break_is_not_fetched_again(
    bundle: Path, store: Callable[..., NodeStore], serve: Callable[..., str], tmp_path: Path
) -> None:
    node, got = _holding(bundle), []
    broken = threading.Event()

    def respond(request: Request) -> Answer:
        if len(got) == 3 and not broken.is_set():
            return Answer(status=502)
        got.append(request.query["arg"])
        return node.respond(request)

    url = serve(respond)
    with pytest.raises(NoSource):
        store(urls=(url,)).get(importer.root(bundle), tmp_path / "into", BundleLimits())
    assert not (tmp_path / "into").exists()
    broken.set()
    store(urls=(url,)).get(importer.root(bundle), tmp_path / "into", BundleLimits())
    assert len(got) == len(set(got)) == _blocks(bundle)
    assert list((tmp_path / "state" / "partial").iterdir()) == []


def test_each_source_gives_what_it_has_and_liars_are_passed_over(
    bundle: Path, store: Callable[..., NodeStore], tmp_path: Path
) -> None:
    liar, first, second = _holding(bundle), _holding(bundle), _holding(bundle)
    liar.blocks = dict.fromkeys(liar.blocks, b"wrong")
    for number, digest in enumerate(list(first.blocks)):
        del (first if number % 2 else second).blocks[digest]
    store(liar, first, second).get(importer.root(bundle), tmp_path / "into", BundleLimits())
    assert importer.root(tmp_path / "into") == importer.root(bundle)


def test_when_nobody_answers_the_work_waits_and_says_why(
    bundle: Path, store: Callable[..., NodeStore], tmp_path: Path
) -> None:
    urls = ("http://127.0.0.1:1", "gateway:http://127.0.0.1:2")
    with pytest.raises(NoSource, match=r"No source gives the block Qm\w+ now: .*:1 .*; .*:2 .*\. What came"):
        store(urls=urls).get(importer.root(bundle), tmp_path / "into", BundleLimits())


def test_a_bundle_beyond_the_limits_leaves_nothing_on_the_disk(
    bundle: Path, store: Callable[..., NodeStore], tmp_path: Path
) -> None:
    with pytest.raises(TooMuch, match="more than 2 files"):
        store(_holding(bundle)).get(importer.root(bundle), tmp_path / "into", BundleLimits(files=2))
    assert list((tmp_path / "state" / "partial").iterdir()) == []
    assert not (tmp_path / "into").exists()


def test_a_rotten_block_in_the_partial_store_is_fetched_again(
    bundle: Path, store: Callable[..., NodeStore], tmp_path: Path
) -> None:
    root = importer.root(bundle)
    (tmp_path / "state" / "partial").mkdir(parents=True)
    (tmp_path / "state" / "partial" / root.digest.hex()).write_bytes(b"rot")
    store(_holding(bundle)).get(root, tmp_path / "into", BundleLimits())
    assert importer.root(tmp_path / "into") == root


def test_has_tells_pinned_whole_and_missing_apart(
    bundle: Path, store: Callable[..., NodeStore], tmp_path: Path
) -> None:
    root = importer.root(bundle)
    whole, half = _holding(bundle), _holding(bundle)
    half.blocks.popitem()
    half.blocks.pop(next(iter(half.blocks)))
    assert not store(half).has(root)
    assert store(whole).has(root)
    pinned = StandIn()
    pinned.pins.add(str(root))
    assert store(pinned).has(root)
    with pytest.raises(Unavailable):
        store(urls=("http://127.0.0.1:1",)).has(Cid.v0(bytes(32)))


def test_an_address_of_nothing_known_is_refused(tmp_path: Path) -> None:
    for url in ("ftp://node", "folder:/a and more", "/a"):
        with pytest.raises(NotAStore, match="write folder:/path"):
            open_store([url, url], tmp_path)
