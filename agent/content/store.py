"""From addresses to a content store."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from agent.content.folder import FolderStore
from agent.core import redact
from agent.errors import USAGE, Refused

if TYPE_CHECKING:
    from agent.content.nodes import NodeStore

_FOLDER, _GATEWAY, _PINNING = "folder:", "gateway:", "pinning:"


class NotAStore(Refused):
    """{url!r} is not the address of a content store: write folder:/path (alone), http(s)://node:5001,
    gateway:https://host or pinning:https://host."""

    exit_code = USAGE


def open_store(
    urls: Sequence[str],
    state: Path,
    tokens: Mapping[str, str] | None = None,
    ca_bundle: Path | None = None,
    timeout_seconds: float = 60.0,
    good_link: Callable[[], bool] = lambda: False,
    sleep: Callable[[float], None] = time.sleep,
) -> FolderStore | NodeStore:
    """A store over `urls`, the first preferred.

    `folder:/path` (alone), `http(s)://node` (RPC, base path allowed), `gateway:https://…` to read from,
    `pinning:https://…` to ask for pins. `tokens`: a bearer token by URL as written. `state`: a folder of
    our own. `good_link`: see NodeStore. Raises Refused for an address that is none of these.
    """
    if len(urls) == 1 and urls[0].startswith(_FOLDER):
        return FolderStore(Path(urls[0].removeprefix(_FOLDER)))
    # Reaching nodes brings in an HTTP stack, which `folder:` and the CLI's `cid` do without.
    from agent.content.gateway import Gateway
    from agent.content.kubo import Kubo
    from agent.content.nodes import NodeStore
    from agent.content.pinning import PinningService

    nodes, gateways, services = [], [], []
    for url in urls:
        token = (tokens or {}).get(url)
        if url.startswith(("http://", "https://")):
            nodes.append(Kubo(url, token, ca_bundle, timeout_seconds))
        elif url.startswith(_GATEWAY):
            gateways.append(Gateway(url.removeprefix(_GATEWAY), token, ca_bundle, timeout_seconds))
        elif url.startswith(_PINNING):
            services.append(PinningService(url.removeprefix(_PINNING), token, ca_bundle, timeout_seconds))
        else:
            raise NotAStore(url=redact.shown(url))
    return NodeStore(state, nodes, gateways, services, good_link, sleep)
