"""A js-ipfs daemon on loopback, on free ports, without a network: it holds what it is given and nothing
else."""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path
from types import TracebackType

from agent.errors import MilepostError
from tools.ipfs.install import CLI, install

_POLYFILL = Path(__file__).with_name("with_resolvers.cjs")
_ANY_PORT = "/ip4/127.0.0.1/tcp/0"
_CONFIG = {
    "Addresses": {"Swarm": [], "Delegates": [], "API": _ANY_PORT, "Gateway": _ANY_PORT, "RPC": _ANY_PORT},
    "Bootstrap": [],
    "Pubsub": {"Enabled": False},
    "Discovery": {"MDNS": {"Enabled": False}, "webRTCStar": {"Enabled": False}},
}
_ADDRESS = re.compile(r"(API|Gateway).* listening on /ip4/127\.0\.0\.1/tcp/(\d+)")


class NodeFailed(MilepostError):
    """The IPFS node did not start: {why}"""


class Node:
    """`with Node(folder) as node:` runs a daemon whose repository is `folder`; it is ended on the way out.

    Raises NoNpm, InstallFailed or NodeFailed.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.api = ""
        """URL of the RPC, without `/api/v0`."""
        self.gateway = ""
        self._process: subprocess.Popen[str] | None = None

    def __enter__(self) -> Node:
        install()
        if not (self.folder / "config").is_file():
            self.folder.mkdir(parents=True, exist_ok=True)
            (self.folder / "start.json").write_text(json.dumps(_CONFIG))
            begun = self._run("init", "--empty-repo", "--defaultConfig", str(self.folder / "start.json"))
            _, complaints = begun.communicate()
            if begun.returncode:
                raise NodeFailed(why=complaints[-500:])
        self._process = self._run("daemon", "--offline", "--enable-preload=false")
        self._read_addresses(self._process)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.communicate()

    def _run(self, *arguments: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            ["node", "--require", str(_POLYFILL), str(CLI), *arguments],
            env={**os.environ, "IPFS_PATH": str(self.folder)},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def _read_addresses(self, daemon: subprocess.Popen[str]) -> None:
        said = []
        for line in daemon.stdout or ():
            said.append(line)
            if match := _ADDRESS.search(line):
                url = f"http://127.0.0.1:{match[2]}"
                self.api, self.gateway = (url, self.gateway) if match[1] == "API" else (self.api, url)
            if "Daemon is ready" in line:
                return
        raise NodeFailed(why="".join(said)[-500:])
