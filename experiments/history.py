"""A training's history as it grows: `history.jsonl` for programs, TensorBoard events to be watched."""

import json
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType

from tensorboardX.event_file_writer import EventsWriter
from tensorboardX.proto.event_pb2 import Event
from tensorboardX.summary import scalar

from experiments.folder import write_whole
from experiments.processes import is_first
from urep_jax.training.fit import Epoch

_NAME = "history.jsonl"


def read_history(folder: Path) -> list[Epoch]:
    """The epochs of a training, as `HistoryWriter` left them.

    Raises:
        FileNotFoundError: if no epoch of it has ended.
    """
    return [Epoch(**json.loads(line)) for line in (folder / _NAME).read_text().splitlines()]


class HistoryWriter:
    """Writes the epochs of one training while it runs. Use as a context manager, and call it with what there is.

    A continued training writes all its epochs again, so nothing is missing or there twice after a kill.

    Args:
        folder: made if missing; what an earlier call left there is replaced.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._written = 0

    def __enter__(self) -> "HistoryWriter":
        if not is_first():
            return self
        for old in self._folder.glob("events.out.tfevents.*"):
            old.unlink()
        # Not a SummaryWriter: that writes from a thread of its own, whenever it likes.
        self._board = EventsWriter(str(self._folder / "events"))
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if is_first():
            self._board.close()

    def __call__(self, history: Sequence[Epoch]) -> None:
        """Write the epochs that are new; cheap when none is."""
        if len(history) == self._written or not is_first():
            return
        lines = [json.dumps(epoch._asdict()) + "\n" for epoch in history]
        write_whole(self._folder / _NAME, "".join(lines))
        for epoch in history[self._written :]:
            numbers = {"loss": epoch.loss, "validation": epoch.validation, "waiting for input": epoch.share_waited}
            for name, value in (numbers | epoch.metrics).items():
                event = Event(wall_time=time.time(), step=epoch.step, summary=scalar(name, value))
                self._board.write_event(event)
        self._board.flush()
        self._written = len(history)
