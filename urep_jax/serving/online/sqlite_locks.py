"""`PartitionLocks`: which partitions a worker has, by locks on files that the system takes back from the dead."""

import fcntl
import os
from collections.abc import Collection
from pathlib import Path

from urep_jax.serving.online.partitions import fair_share


class PartitionLocks:
    """Each living worker holds a seat, and the partitions that are its share by its place among the seats.

    A seat and a partition are locks on files: two can't have one, and no clock plays a role. There are as many seats as
    partitions; a worker that finds none free waits for one.
    """

    def __init__(self, folder: Path, partitions: int) -> None:
        """Open the files.

        Args:
            folder: where they are, or are made.
            partitions: how many there are.
        """
        folder.mkdir(parents=True, exist_ok=True)
        self._seats = [_opened(folder / f"seat-{place:04d}") for place in range(partitions)]
        self._files = [_opened(folder / f"partition-{place:04d}") for place in range(partitions)]
        self._seat: int | None = None
        self.owned: set[int] = set()

    def settle(self, busy: Collection[int]) -> None:
        """Take the partitions of this worker's share that are free, and let go of those that are not of it.

        Args:
            busy: partitions that can't be let go of yet.
        """
        wanted = self._share()
        for partition in self.owned - wanted - set(busy):
            fcntl.flock(self._files[partition], fcntl.LOCK_UN)
            self.owned.remove(partition)
        self.owned |= {partition for partition in wanted - self.owned if _locked(self._files[partition])}

    def close(self) -> None:
        """Let go of all."""
        self.owned.clear()
        for file in (*self._seats, *self._files):
            os.close(file)
        self._seats, self._files, self._seat = [], [], None

    def _share(self) -> frozenset[int]:
        if self._seat is None:
            self._seat = next((seat for seat, file in enumerate(self._seats) if _locked(file)), None)
        if self._seat is None:
            return frozenset()
        living = [seat for seat, file in enumerate(self._seats) if seat == self._seat or _is_locked(file)]
        return fair_share(living.index(self._seat), len(living), len(self._seats))


def _opened(path: Path) -> int:
    return os.open(path, os.O_RDWR | os.O_CREAT, 0o600)


def _locked(file: int) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _is_locked(file: int) -> bool:
    # Shared, so that two who look don't take each other for a worker.
    try:
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    fcntl.flock(file, fcntl.LOCK_UN)
    return False
