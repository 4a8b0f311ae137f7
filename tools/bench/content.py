"""Content addressing against plain sha256 over the same file, and a bundle up and down a bad link to a real node.

The link is a proxy in user space on loopback (`tools.ipfs.link`): 1 Mbit/s, 2 % of the segments lost, and an outage of
30 s in the middle of each direction, in which the transfer is also killed with SIGKILL, as when the key turns.
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import click

from agent.content import importer, open_store
from agent.content.importer import PROFILES
from agent.core.cid import Cid
from agent.errors import Unavailable
from agent.ports import BundleLimits
from tools.ipfs.link import BadLink
from tools.ipfs.node import Node

_MIB = 1 << 20
_RUNS = 5
_POLL_SECONDS = 0.1
_BREAK_AT = 0.6
"""Of the bundle has passed when the link breaks."""


@click.command()
@click.option("--size-mib", default=1024, show_default=True, help="File to hash.")
@click.option(
    "--bundle-kib", default=4096, show_default=True, help="Bundle to send over the bad link; 0: leave it out."
)
@click.option("--outage-seconds", default=30.0, show_default=True)
@click.option("--json", "as_json", is_flag=True, help="The last line is one JSON object.")
def main(size_mib: int, bundle_kib: int, outage_seconds: float, as_json: bool) -> None:
    """Content addressing against plain sha256; a bad link."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "file"
        _random_file(path, size_mib * _MIB)
        found: dict[str, object] = {"file_mib": size_mib, "cores": os.cpu_count(), "profiles": {}}
        click.echo(f"{size_mib} MiB of random bytes, {os.cpu_count()} cores; best of {_RUNS} runs, taken in turn")
        for name in PROFILES:
            speed = _speed(path, name)
            found["profiles"] |= {name: asdict(speed)}  # type: ignore[operator]
            click.echo(
                f"{name:>15}: {speed.mib_per_second:5.0f} MiB/s, sha256 {speed.sha256_mib_per_second:5.0f} MiB/s, "
                f"ratio {speed.ratio:.2f}, memory +{speed.memory_mib:.1f} MiB"
            )
        path.unlink()
        if bundle_kib:
            found["link"] = _link(Path(folder), bundle_kib * 1024, outage_seconds)
    if as_json:
        click.echo(json.dumps(found))


def _random_file(path: Path, size: int) -> None:
    with path.open("wb") as file:
        for _ in range(size // _MIB):
            file.write(os.urandom(_MIB))


# --- throughput -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Speed:
    """`ratio`: our throughput over sha256's. `memory_mib`: growth of the process while it hashed the whole file."""

    mib_per_second: float
    sha256_mib_per_second: float
    ratio: float
    memory_mib: float


def _speed(path: Path, profile: str) -> Speed:
    """Measured in a fresh process, so that its memory is its own."""
    ran = subprocess.run(
        [sys.executable, "-m", "tools.bench.content", str(path), profile], capture_output=True, text=True, check=True
    )
    plain, ours, memory = map(float, ran.stdout.split())
    size = path.stat().st_size / _MIB
    return Speed(round(size / ours), round(size / plain), round(plain / ours, 3), round(memory, 1))


def measure(path: Path, profile: str) -> tuple[float, float, float]:
    """Seconds of sha256, seconds of ours, and MiB by which this process grew in ours."""
    before = _status_mib("VmRSS")
    importer.root(path, PROFILES[profile])
    memory = _status_mib("VmHWM") - before
    turns = [
        (_timed(lambda: _sha256(path)), _timed(lambda: importer.root(path, PROFILES[profile]))) for _ in range(_RUNS)
    ]
    return min(plain for plain, _ in turns), min(ours for _, ours in turns), memory


def _status_mib(name: str) -> float:
    """Memory of this process from the kernel. (getrusage's peak would include the parent's, from before exec.)"""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(name)) / 1024


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb", buffering=0) as file:
        while piece := file.read(_MIB):
            digest.update(piece)
    return digest.hexdigest()


def _timed(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


# --- a bad link -----------------------------------------------------------------------------------------------------


def _link(folder: Path, size: int, outage: float) -> dict[str, object]:
    bundle = folder / "bundle"
    bundle.mkdir()
    (bundle / "update.safetensors").write_bytes(os.urandom(size))
    root = importer.root(bundle)
    total = sum(block.size for block in importer.blocks(bundle))
    with Node(folder / "node") as node:
        with BadLink(node.api) as link:
            up = _broken(lambda: link.up_bytes, link, ["put", link.url, folder / "up", bundle], total, outage)
        with BadLink(node.api) as link:
            into = folder / "into"
            command = ["get", link.url, folder / "down", into, root]
            down = _broken(lambda: link.down_bytes, link, command, total, outage)
        right = importer.root(into) == root
    for name, way in (("up", up), ("down", down)):
        click.echo(
            f"{name:>15}: {way.seconds:.0f} s for {total} bytes with an outage of {outage:.0f} s and a kill -9; "
            f"{way.resumed_share:.0%} was not sent again"
        )
    return {"bundle_bytes": total, "outage_seconds": outage, "right": right, "up": asdict(up), "down": asdict(down)}


@dataclass(frozen=True, slots=True)
class Broken:
    """A transfer that was broken and went on. `link_bytes`: all that passed, with headers and repeated segments.
    `resumed_bytes`: of the bundle, not sent again after the break. `best_seconds`: the link's rate without a fault."""

    seconds: float
    best_seconds: float
    link_bytes: int
    link_bytes_after_break: int
    resumed_bytes: int
    resumed_share: float


def _broken(passed: Callable[[], int], link: BadLink, command: list[object], total: int, outage: float) -> Broken:
    arguments = [sys.executable, "-m", "tools.bench.content", *map(str, command)]
    began = time.monotonic()
    with subprocess.Popen(arguments) as first:
        while passed() < _BREAK_AT * total:
            time.sleep(_POLL_SECONDS)
        first.kill()
    link.cut(outage)
    before = passed()
    subprocess.run(arguments, check=True)
    after = passed() - before
    return Broken(
        seconds=round(time.monotonic() - began, 1),
        best_seconds=round(total * 8 / 1e6, 1),
        link_bytes=passed(),
        link_bytes_after_break=after,
        resumed_bytes=max(0, total - after),
        resumed_share=round(max(0, total - after) / total, 3),
    )


def _transfer(way: str, url: str, state: Path, folder: Path, root: str = "") -> None:
    """Until it is done: what a vehicle's job does, without its long pauses."""
    store = open_store([url], state)
    while True:
        try:
            if way == "put":
                store.put(folder)
            else:
                store.get(Cid.parse(root), folder, BundleLimits())
            return
        except Unavailable:
            time.sleep(1)


if __name__ == "__main__":
    if sys.argv[1] in ("put", "get"):
        _transfer(sys.argv[1], sys.argv[2], Path(sys.argv[3]), Path(sys.argv[4]), *sys.argv[5:])
    else:
        print(*measure(Path(sys.argv[1]), sys.argv[2]))
