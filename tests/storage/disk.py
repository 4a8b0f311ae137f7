"""A disk that loses power: what a program wrote is recorded call by call, and what a cut leaves of it is laid out anew.

No block device that drops writes is needed, nor root: strace writes down every call of a real process, SQLite's too
(dm-flakey wants a kernel with device-mapper). A cut then keeps what was synced, and of the rest any part, in pages, as
file systems may (Pillai et al. 2014, "All File Systems Are Not Created Equal"; Mohan et al. 2018, CrashMonkey).
Stricter than ext4: a file's fsync says nothing of its name.
"""

from __future__ import annotations

import os
import random
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

CALLS = (
    "openat,write,pwrite64,writev,lseek,ftruncate,rename,renameat,renameat2,link,linkat,unlink,unlinkat,rmdir,mkdir,"
    "mkdirat,fsync,fdatasync,sendfile,copy_file_range"
)
PAGE = 4096
CALL = re.compile(r"(\d+) +(\w+)\((.*)\) += (-?\d+)(?:<.*>)?(?: .*)?$")
CUT_SHORT = re.compile(r"(\d+) +(.*) <unfinished \.\.\.>$")
RESUMED = re.compile(r"(\d+) +<\.\.\. \w+ resumed>(.*)$")
PROMISED = "promised "


def record(folder: Path, *program: str) -> Recording:
    """What `python -m PROGRAM… FOLDER` does to `folder`, which is empty before and whole afterwards."""
    strace = shutil.which("strace")
    if strace is None:
        pytest.skip("strace is not installed (apt-get install strace)")
    log = folder.with_name(f"{folder.name}.strace")
    traced = [
        strace,
        "-f",
        "-qq",
        "-y",
        "-xx",
        "-s",
        "99999999",
        "-e",
        "signal=none",
        "-e",
        f"trace={CALLS}",
        "-o",
        log,
    ]
    command = [*traced, sys.executable, "-m", *program, str(folder)]
    root = Path(__file__).parents[2]
    ran = subprocess.run(command, capture_output=True, text=True, check=False, cwd=root)
    if "ptrace" in ran.stderr.lower():
        pytest.skip("this machine lets nobody trace a process")
    assert ran.returncode == 0, ran.stderr
    return Recording(folder, list(_whole_lines(log.read_text(encoding="ascii"))))


def _whole_lines(text: str) -> Iterator[str]:
    """Calls that another thread's came between are put together again, where they ended."""
    begun: dict[str, str] = {}
    for line in text.splitlines():
        if found := CUT_SHORT.match(line):
            begun[found[1]] = line.removesuffix(" <unfinished ...>")
        elif found := RESUMED.match(line):
            yield begun.pop(found[1]) + found[2]
        else:
            yield line


@dataclass(eq=False)
class Inode:
    """A file's bytes or a folder's names: as they are on the disk, and what was done to them since."""

    is_folder: bool
    data: bytearray = field(default_factory=bytearray)
    names: dict[str, Inode] = field(default_factory=dict)
    pending: list[Write] = field(default_factory=list)
    """Of a file."""
    now: dict[str, Inode] = field(default_factory=dict)
    """Of a folder: its names as the program sees them."""

    def size(self) -> int:
        size = len(self.data)
        for write in self.pending:
            size = write.at if write.data is None else max(size, write.at + len(write.data))
        return size


@dataclass(frozen=True)
class Write:
    """Bytes at a place; without any: the file ends there."""

    at: int
    data: bytes | None

    def do(self, to: bytearray) -> None:
        if self.data is None:
            del to[self.at :]
            to.extend(bytes(self.at - len(to)))
            return
        to.extend(bytes(max(0, self.at + len(self.data) - len(to))))
        to[self.at : self.at + len(self.data)] = self.data

    def pages(self) -> Iterator[Write]:
        """As the disk takes them, each for itself."""
        if self.data is None:
            yield self
            return
        at = self.at
        while at < self.at + len(self.data):
            end = min(self.at + len(self.data), (at // PAGE + 1) * PAGE)
            yield Write(at, self.data[at - self.at : end - self.at])
            at = end


@dataclass(frozen=True)
class Named:
    """A change of names, whole or not at all: what goes, and what comes."""

    gone: tuple[tuple[Inode, str], ...]
    come: tuple[tuple[Inode, str, Inode], ...]

    @property
    def folders(self) -> set[Inode]:
        return {folder for folder, *_ in (*self.gone, *self.come)}


@dataclass(frozen=True)
class Cut:
    """What one power cut left, and what the program had promised by then."""

    promised: tuple[str, ...]
    where: str
    root: dict[str, bytes | None]
    """By path; None: a folder."""

    def lay(self, folder: Path) -> Path:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        for name, data in self.root.items():
            if data is None:
                (folder / name).mkdir()
            else:
                (folder / name).write_bytes(data)
                (folder / name).chmod(0o600)
        return folder


@dataclass
class Recording:
    """The calls that a program made on one folder."""

    folder: Path
    lines: Sequence[str]

    def cuts(self, seed: int, each: int = 3) -> Iterator[Cut]:
        """Power cuts before every sync and at the end: of what was not synced nothing is left; all; only bytes; only
        names; and `each` parts by chance. What looks the same twice is given once."""
        disk, chance, seen = Disk(self.folder), random.Random(seed), set[int]()
        for number, line in enumerate([*self.lines, "end"]):
            if line == "end" or "sync(" in line or PROMISED.encode().hex(" ").replace(" ", r"\x") in line:
                for how, (bytes_too, names_too) in WAYS.items():
                    for part in range(each if how == "a part" else 1):
                        kept = disk.kept(chance if how == "a part" else None, bytes_too, names_too)
                        mark = hash((tuple(disk.promised), tuple(kept.items())))
                        if mark not in seen:
                            seen.add(mark)
                            yield Cut(tuple(disk.promised), f"call {number}, {how} {part}", kept)
            if line != "end":
                disk.call(line)


WAYS = {"nothing": (0.0, 0.0), "all": (1.0, 1.0), "bytes": (1.0, 0.0), "names": (0.0, 1.0), "a part": (0.5, 0.5)}


class Disk:
    """The folder as the program sees it and as the disk holds it."""

    def __init__(self, folder: Path) -> None:
        self.folder = os.fspath(folder)
        self.root = Inode(is_folder=True)
        self.renames: list[Named] = []
        """Changes of names that no sync has made last, in order."""
        self.offsets: dict[str, int] = {}
        self.promised: list[str] = []

    # --- what the program does

    def call(self, line: str) -> None:
        found = CALL.match(line)
        if found is None or int(found[4]) < 0:
            return
        name, given, result = found[2], _split(found[3]), int(found[4])
        if (do := getattr(self, f"_{name}", None)) is not None:
            do(given, result)

    def _openat(self, given: list[str], result: int) -> None:
        path, flags = self._at(given[0], given[1]), given[2]
        self.offsets[str(result)] = 0
        if path is None:
            return
        inode = self._inode(path)
        if inode is None and "O_CREAT" in flags:
            self._enter(path, Inode(is_folder=False))
        elif inode is not None and "O_TRUNC" in flags:
            inode.pending.append(Write(0, None))

    def _write(self, given: list[str], result: int) -> None:
        fd, path = _descriptor(given[0])
        data = _bytes(given[1])[:result]
        if fd == "1" and data.startswith(PROMISED.encode()):
            self.promised += [line.removeprefix(PROMISED) for line in data.decode().splitlines()]
        if (inode := self._inode(self._within(path))) is not None:
            at = self.offsets.get(fd, 0)
            inode.pending.append(Write(at, data))
            self.offsets[fd] = at + result

    def _pwrite64(self, given: list[str], result: int) -> None:
        _, path = _descriptor(given[0])
        if (inode := self._inode(self._within(path))) is not None:
            inode.pending.append(Write(int(given[3]), _bytes(given[1])[:result]))

    def _lseek(self, given: list[str], result: int) -> None:
        self.offsets[_descriptor(given[0])[0]] = result

    def _sendfile(self, given: list[str], result: int) -> None:
        (fd, path), (_, source) = _descriptor(given[0]), _descriptor(given[1])
        self._copy(fd, path, source, result)

    def _copy_file_range(self, given: list[str], result: int) -> None:
        (_, source), (fd, path) = _descriptor(given[0]), _descriptor(given[2])
        self._copy(fd, path, source, result)

    def _copy(self, fd: str, path: str, source: str, size: int) -> None:
        """From a file that is still there: where it was copied from, it was whole."""
        if (inode := self._inode(self._within(path))) is not None:
            at = self.offsets.get(fd, 0)
            inode.pending.append(Write(at, Path(source).read_bytes()[at : at + size]))
            self.offsets[fd] = at + size

    def _ftruncate(self, given: list[str], _result: int) -> None:
        _, path = _descriptor(given[0])
        if (inode := self._inode(self._within(path))) is not None:
            inode.pending.append(Write(int(given[1]), None))

    def _mkdir(self, given: list[str], _result: int) -> None:
        self._enter(self._within(_text(given[0])), Inode(is_folder=True))

    def _mkdirat(self, given: list[str], _result: int) -> None:
        self._enter(self._at(given[0], given[1]), Inode(is_folder=True))

    def _rename(self, given: list[str], _result: int) -> None:
        self._move(self._within(_text(given[0])), self._within(_text(given[1])))

    def _renameat(self, given: list[str], _result: int) -> None:
        self._move(self._at(given[0], given[1]), self._at(given[2], given[3]))

    _renameat2 = _renameat

    def _link(self, given: list[str], _result: int) -> None:
        self._enter(self._within(_text(given[1])), self._there(self._within(_text(given[0]))))

    def _linkat(self, given: list[str], _result: int) -> None:
        self._enter(self._at(given[2], given[3]), self._there(self._at(given[0], given[1])))

    def _unlink(self, given: list[str], _result: int) -> None:
        self._leave(self._within(_text(given[0])))

    _rmdir = _unlink

    def _unlinkat(self, given: list[str], _result: int) -> None:
        self._leave(self._at(given[0], given[1]))

    def _fsync(self, given: list[str], _result: int) -> None:
        inode = self._inode(self._within(_descriptor(given[0])[1]))
        if inode is None:
            return
        for write in inode.pending:
            write.do(inode.data)
        inode.pending.clear()
        mine = [change for change in self.renames if inode in change.folders]
        for change in mine:
            _apply(change)
        self.renames = [change for change in self.renames if change not in mine]

    _fdatasync = _fsync

    # --- what a cut leaves

    def kept(self, chance: random.Random | None, bytes_too: float, names_too: float) -> dict[str, bytes | None]:
        """Each page and each change of names not yet synced with this probability; all or none without `chance`."""

        def lasts(likely: float) -> bool:
            return chance.random() < likely if chance is not None else likely == 1.0

        seen: dict[Inode, dict[str, Inode]] = {}
        for change in self.renames:
            if lasts(names_too):
                _apply(change, seen)
        found: dict[str, bytes | None] = {}
        waiting = [("", self.root)]
        while waiting:
            at, folder = waiting.pop(0)
            for name, inode in sorted(seen.get(folder, folder.names).items()):
                path = f"{at}{name}"
                if inode.is_folder:
                    found[path] = None
                    waiting.append((f"{path}/", inode))
                    continue
                data = bytearray(inode.data)
                for write in inode.pending:
                    for page in write.pages():
                        if lasts(bytes_too):
                            page.do(data)
                found[path] = bytes(data)
        return found

    # --- names

    def _within(self, path: str) -> str | None:
        """Below the folder, '' for itself; None: elsewhere, or a file without a name."""
        if path == self.folder:
            return ""
        return path.removeprefix(f"{self.folder}/") if path.startswith(f"{self.folder}/") else None

    def _at(self, base: str, path: str) -> str | None:
        return self._within(os.fspath(Path(_descriptor(base)[1]) / _text(path)))

    def _inode(self, path: str | None) -> Inode | None:
        if path is None:
            return None
        inode: Inode | None = self.root
        for name in filter(None, path.split("/")):
            inode = inode.now.get(name) if inode is not None else None
        return inode

    def _there(self, path: str | None) -> Inode:
        inode = self._inode(path)
        assert inode is not None, path
        return inode

    def _enter(self, path: str | None, inode: Inode) -> None:
        if path is not None:
            self._change((), ((*self._split(path), inode),))

    def _leave(self, path: str | None) -> None:
        if path is not None:
            self._change((self._split(path),), ())

    def _move(self, path: str | None, to: str | None) -> None:
        if path is not None and to is not None:
            self._change((self._split(path),), ((*self._split(to), self._there(path)),))

    def _split(self, path: str) -> tuple[Inode, str]:
        folder, _, name = path.rpartition("/")
        return self._there(folder), name

    def _change(self, gone: tuple[tuple[Inode, str], ...], come: tuple[tuple[Inode, str, Inode], ...]) -> None:
        for folder, name in gone:
            del folder.now[name]
        for folder, name, inode in come:
            folder.now[name] = inode
        self.renames.append(Named(gone, come))


def _apply(change: Named, seen: dict[Inode, dict[str, Inode]] | None = None) -> None:
    """On the disk; or in `seen`, copies of its folders."""

    def names(folder: Inode) -> dict[str, Inode]:
        return folder.names if seen is None else seen.setdefault(folder, dict(folder.names))

    for folder, name in change.gone:
        names(folder).pop(name, None)
    for folder, name, inode in change.come:
        names(folder)[name] = inode


def _split(text: str) -> list[str]:
    """A call's arguments. Texts are hexadecimal, so no comma stands in one."""
    return text.split(", ")


def _text(quoted: str) -> str:
    return os.fsdecode(_bytes(quoted))


def _bytes(quoted: str) -> bytes:
    return bytes.fromhex(quoted.strip('"').replace(r"\x", ""))


def _descriptor(word: str) -> tuple[str, str]:
    """('3', '/path'), or ('AT_FDCWD', '/folder')."""
    number, _, path = word.partition("<")
    return number, os.fsdecode(bytes.fromhex(path.rstrip(">").replace(r"\x", ""))) if r"\x" in path else ""
