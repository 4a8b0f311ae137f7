"""One process per state directory. The kernel drops the lock with the process, however it dies."""

from __future__ import annotations

import contextlib
import fcntl
import os
from pathlib import Path

from agent.files import DiskFails, DiskFull, DiskReadOnly, make_folder, room_for
from agent.journal.errors import AlreadyRunning, StateClosed


class StateLock:
    """Held from construction to `release`. Raises AlreadyRunning, StateClosed, DiskFull, DiskReadOnly."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "lock"
        try:
            make_folder(folder)
            with room_for(folder):
                self._fd: int | None = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except (DiskFull, DiskReadOnly):
            raise  # it may mend itself: the agent is to be started again
        except DiskFails as error:
            raise StateClosed(folder=folder, why=getattr(error.__cause__, "strerror", None) or error) from error
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            pid = os.pread(self._fd, 20, 0).decode(errors="replace").strip() or "unknown"
            self.release()
            raise AlreadyRunning(pid=pid, folder=folder) from None
        self._sign(self._fd)

    def _sign(self, fd: int) -> None:
        # For the other one's error message only: on a full disk the lock holds without a name in it.
        with contextlib.suppress(OSError):
            os.ftruncate(fd, 0)
            os.pwrite(fd, f"{os.getpid()}\n".encode(), 0)

    def release(self) -> None:
        """Idempotent. The file stays: unlinking it would let two processes hold two different inodes."""
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None

    def __repr__(self) -> str:
        return f"<StateLock {self.path} {'held' if self._fd is not None else 'released'}>"
