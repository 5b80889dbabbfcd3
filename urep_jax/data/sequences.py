"""From a log to batches: crop, cloze mask, hard negatives, right-aligned packing. All of it on many rows at once.

Source: Negative Feedback for Music Personalization, §2 and §3.
"""

import dataclasses
from collections.abc import Sequence
from typing import Literal, NamedTuple

import numpy as np
from jaxtyping import Bool, Int8, Int32, Int64, UInt64

from urep_jax.core.streams import row_uniform
from urep_jax.core.types import FEEDBACK_WORDS, SECONDS_PER_DAY, Feedback
from urep_jax.data.cases import Cases
from urep_jax.data.hard_negatives import Rung, draw_hard_negatives
from urep_jax.data.log import EventLog
from urep_jax.data.ragged import offsets_of, ranges, running_count
from urep_jax.data.vocabulary import MASK, NULL_STATION, PAD, Vocabulary

TaskKind = Literal["cloze", "next"]


@dataclasses.dataclass(frozen=True)
class SequenceConfig:
    """How sequences become inputs and tasks.

    Attributes:
        max_length: input positions L, the mask at the end included.
        inputs: words of the feedback that the model sees.
        p_task: share of a crop's ups (and downs, if they are asked about) that are tasks, above 0 and at most 1; the
            last up always is one.
        p_hard: probability that a task position gets a hard negative, if there is one. Decided anew each epoch.
        tasks: `cloze` masks the tasks and the model sees both sides; `next` asks at every position for the next up, for
            a causal model (SASRec).
        down_tasks: whether downs are tasks as ups are, each with itself as the negative and no target.

    Raises:
        ValueError: if a value is out of range.
    """

    max_length: int = 200
    inputs: Sequence[str] = ("up", "down", "skip")
    p_task: float = 0.15
    p_hard: float = 1.0
    tasks: TaskKind = "cloze"
    down_tasks: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "inputs", tuple(self.inputs))
        if self.max_length < 2:
            raise ValueError(f"max_length is {self.max_length}, but must be at least 2: one event and the mask")
        if not self.inputs or not set(self.inputs) <= set(FEEDBACK_WORDS) - {"play"}:
            raise ValueError(f"inputs is {list(self.inputs)}, but must name one or more of up, down, skip")
        if not 0 < self.p_task <= 1:
            raise ValueError(f"p_task is {self.p_task}, but must be above 0 and at most 1")
        if not 0 <= self.p_hard <= 1:
            raise ValueError(f"p_hard is {self.p_hard}, but must be between 0 and 1")
        if self.tasks not in ("cloze", "next"):
            raise ValueError(f"tasks is {self.tasks!r}, but must be 'cloze' or 'next'")
        if self.tasks == "next" and self.p_hard > 0:
            raise ValueError(
                f"p_hard is {self.p_hard} with tasks='next' (causal attention), which draws no hard negatives; "
                "set p_hard=0"
            )
        if self.tasks == "next" and "up" not in self.inputs:
            raise ValueError(
                f"inputs is {list(self.inputs)} with tasks='next' (causal attention), which asks for ups; "
                "add up to them"
            )

    @property
    def max_tasks(self) -> int:
        """Task positions T of the longest sequence at most."""
        return self.max_tasks_in(self.max_length)

    def max_tasks_in(self, length: int) -> int:
        """Task positions T of a sequence of `length` positions at most."""
        return length - 1 if self.tasks == "next" else max(1, int(np.ceil(self.p_task * length)))

    @property
    def input_codes(self) -> tuple[int, ...]:
        """Codes of `inputs`."""
        return tuple(int(Feedback.from_word(word)) for word in self.inputs)


class Batch(NamedTuple):
    """Input and tasks of B sequences, right-aligned: the latest event stands at position L - 1.

    Item and station are rows of the model's tables (`data.vocabulary`). Where `target` and `negative` are `PAD` there
    is no task; where only `target` is, the task is a down, with itself as the negative. Where only `negative` is, or it
    has no columns at all, the negative is to be drawn at random.
    """

    row: Int32[np.ndarray, "B"]
    """Number of the row in the whole batch, wherever the row is computed: it names the row's random draws."""
    item: Int32[np.ndarray, "B L"]
    station: Int32[np.ndarray, "B L"]
    feedback: Int8[np.ndarray, "B L"]
    device: Int32[np.ndarray, "B L"]
    hour: Int32[np.ndarray, "B L"]
    """Hour of the day, 1 to 24 where there is an event, else 0."""
    task: Int32[np.ndarray, "B T"]
    target: Int32[np.ndarray, "B T"]
    negative: Int32[np.ndarray, "B T"] | Int32[np.ndarray, "B 0"]
    """Item row of the hard negative; no columns where the config allows for none."""
    rung: Int8[np.ndarray, "B T"]


class Window(NamedTuple):
    """Events of B crops, right-aligned in W columns; `NONE` feedback where there is nothing."""

    item: Int32[np.ndarray, "B W"]
    station: Int32[np.ndarray, "B W"]
    feedback: Int8[np.ndarray, "B W"]
    device: Int32[np.ndarray, "B W"]
    local_time: Int64[np.ndarray, "B W"]


class Sequences:
    """Reads crops of one log in the rows of one vocabulary. Holds memory maps and small look-up arrays, no state.

    Args:
        log: the events.
        vocabulary: what the model knows.
        cfg: how sequences become inputs and tasks.
    """

    def __init__(self, log: EventLog, vocabulary: Vocabulary, cfg: SequenceConfig) -> None:
        self.log, self.vocabulary, self.cfg = log, vocabulary, cfg
        self.item_rows = vocabulary.item_rows(log.item_ids)
        # One entry more than there are stations, so that NO_STATION = -1 finds the null row at the end.
        self.station_rows = np.append(vocabulary.station_rows(log.station_ids), np.int32(NULL_STATION))
        self._device_rows = np.append(vocabulary.device_rows(log.device_ids), np.int32(0))
        self._is_input = np.zeros(len(Feedback), bool)
        self._is_input[list(cfg.input_codes)] = True
        asked = {Feedback.UP}
        if cfg.down_tasks:
            # Skips stand in for downs in a log that has none.
            asked.add(Feedback.DOWN if np.any(log.feedback == Feedback.DOWN) else Feedback.SKIP)
        self._is_asked = np.isin(np.arange(len(Feedback)), list(asked))
        # Hard negatives lie between inputs, whether or not they are inputs themselves.
        negatives = {Feedback.DOWN, Feedback.SKIP} if cfg.p_hard > 0 else set()
        self._is_read = self._is_input | np.isin(np.arange(len(Feedback)), list(asked | negatives))

    def window(
        self,
        start: Int64[np.ndarray, "B"],
        stop: Int64[np.ndarray, "B"],
        inputs: int,
        laid_out: Bool[np.ndarray, "F"],
    ) -> Window:
        """The events of each crop: back from `stop` until `inputs` input events are in it, not past `start`.

        Args:
            start: where each sequence begins, a flat index.
            stop: one past the last event of each crop.
            inputs: how many input events a crop has at most.
            laid_out: by feedback, which events take up a column; what doesn't costs nothing, however much there is.
        """
        # Most rows span few more events than inputs; the others are read back twice as far each time.
        first = np.maximum(start, stop - 2 * inputs)
        while True:
            event, offsets = ranges(first, stop), offsets_of(stop - first)
            feedback = self.log.feedback[event]
            before = running_count(self._is_input[feedback])
            lacks_B = (before[offsets[1:]] - before[offsets[:-1]] <= inputs) & (first > start)
            if not lacks_B.any():
                break
            first = np.where(lacks_B, np.maximum(start, 2 * first - stop), first)
        row = np.repeat(np.arange(len(stop)), stop - first)
        from_here = before[offsets[1:]][row] - before[:-1]
        keep = laid_out[feedback] & (from_here <= inputs)
        event, row, feedback = event[keep], row[keep], feedback[keep]

        end_B = np.cumsum(np.bincount(row, minlength=len(stop)))
        from_end = end_B[row] - np.arange(len(row))
        # No axis is ever empty.
        width = max(1, int(from_end.max(initial=1)))
        event_BxW = np.zeros((len(stop), width), np.int64)
        feedback_BxW: np.ndarray = np.full(event_BxW.shape, Feedback.NONE, np.int8)
        event_BxW[row, width - from_end], feedback_BxW[row, width - from_end] = event, feedback
        return self._read(event_BxW, feedback_BxW)

    def _read(self, event_BxW: np.ndarray, feedback_BxW: np.ndarray) -> Window:
        log = self.log
        zeros = np.zeros(event_BxW.shape, np.int32)
        time = log.timestamp[event_BxW]
        return Window(
            item=self.item_rows[log.item[event_BxW]],
            station=zeros if log.station is None else self.station_rows[log.station[event_BxW]],
            feedback=feedback_BxW,
            device=zeros if log.device is None else self._device_rows[log.device[event_BxW]],
            local_time=time if log.utc_offset is None else time + log.utc_offset[event_BxW],
        )

    def training_batch(
        self,
        seed: UInt64[np.ndarray, "B"],
        start: Int64[np.ndarray, "B"],
        stop: Int64[np.ndarray, "B"],
        length: int | None = None,
    ) -> Batch:
        """Tasks drawn from the crops that end at `stop`, where each crop's last event is an up.

        Args:
            seed: names each row's random choices, which hang on nothing in other rows.
            start: where each sequence begins, a flat index.
            stop: one past the last event of each crop; a row whose `start` equals its `stop` is padding.
            length: positions of the batch, if none of its crops fills `max_length`.
        """
        length = self.cfg.max_length if length is None else length
        window = self.window(start, stop, length, self._is_read)
        if self.cfg.tasks == "next":
            return _next_tasks(pack(window, self._is_input[window.feedback], length), self._is_asked)
        max_tasks = self.cfg.max_tasks_in(length)
        task_BxT, is_task_BxT = draw_tasks(seed, self._is_asked[window.feedback], self.cfg.p_task, max_tasks)
        is_up_BxT = np.take_along_axis(window.feedback, task_BxT, axis=1) == Feedback.UP
        wanted_BxT = is_task_BxT & is_up_BxT & (row_uniform(seed, "p_hard", max_tasks) < self.cfg.p_hard)
        day_BxW = (window.local_time // SECONDS_PER_DAY).astype(np.int32)
        station_BxW = window.station
        if self.log.station is not None and self.log.num_stations:
            # What was heard off any station has nothing in common: each such event is a station of its own.
            own_W = -1 - np.arange(station_BxW.shape[1], dtype=np.int32)
            station_BxW = np.where(station_BxW == NULL_STATION, own_W, station_BxW)
        # A down that is asked about is no other task's negative.
        free_BxW = np.where(_scattered(window.feedback.shape, task_BxT, is_task_BxT), np.int8(0), window.feedback)
        column_BxT, rung_BxT = draw_hard_negatives(
            seed, window.item, free_BxW, day_BxW, station_BxW, task_BxT, wanted_BxT
        )
        tasks = _Tasks(task_BxT, is_task_BxT, is_up_BxT, column_BxT, rung_BxT)
        batch = _cloze_tasks(window, self._is_input, tasks, length)
        may_be_hard = self.cfg.p_hard > 0 or self.cfg.down_tasks
        return batch if may_be_hard else batch._replace(negative=batch.negative[:, :0])

    def question_batch(self, cases: Cases, rows: Int64[np.ndarray, "B"]) -> Batch:
        """The questions of an evaluation, at the place that `task` names: see `append_question`."""
        L = self.cfg.max_length
        start, stop = cases.start[rows], cases.stop[rows]
        window = self.window(start, stop, L - 1, self._is_input)
        station_B = self.station_rows[cases.station[rows]]
        return append_question(pack(window, self._is_input[window.feedback], L), station_B, self.cfg.tasks)


def pack(window: Window, keep: Bool[np.ndarray, "B W"], length: int) -> Batch:
    """The kept events of each row, moved together and right-aligned in `length` positions; no tasks yet."""
    B = len(keep)
    place_BxW = length - np.cumsum(keep[:, ::-1], axis=1)[:, ::-1]
    row, column = np.nonzero(keep & (place_BxW >= 0))
    place = place_BxW[row, column]

    def packed(source_BxW: np.ndarray, dtype: type) -> np.ndarray:
        target_BxL: np.ndarray = np.zeros((B, length), dtype)
        target_BxL[row, place] = source_BxW[row, column]
        return target_BxL

    nothing = np.zeros((B, 0), np.int32)
    return Batch(
        row=np.arange(B, dtype=np.int32),
        item=packed(window.item, np.int32),
        station=packed(window.station, np.int32),
        feedback=packed(window.feedback, np.int8),
        device=packed(window.device, np.int32),
        hour=packed(1 + window.local_time // 3600 % 24, np.int32),
        task=nothing,
        target=nothing,
        negative=nothing,
        rung=nothing.astype(np.int8),
    )


def append_question(batch: Batch, station: Int32[np.ndarray, "B"], tasks: TaskKind) -> Batch:
    """Shift a packed batch by one and ask, as in training, for the next up.

    A `cloze` question is a mask at the end, with the station that is asked about. A `next` one is put to the latest
    event, which then stands where the last event that training asks stands, with nothing after it; it knows of no
    station. The first position falls out, so the batch is packed with room for one event fewer.

    Args:
        batch: from `pack`.
        station: rows of the stations that are asked about.
        tasks: how the model was trained to be asked.
    """
    B, L = batch.item.shape

    def shifted(values_BxL: np.ndarray, last: np.ndarray | int) -> np.ndarray:
        moved_BxL = np.roll(values_BxL, -1, axis=1)
        moved_BxL[:, -1] = last
        return moved_BxL

    if tasks == "next":
        columns = ("item", "station", "feedback", "device", "hour")
        moved = {column: shifted(getattr(batch, column), 0) for column in columns}
        return batch._replace(**moved, task=np.full((B, 1), L - 2, np.int32))
    return batch._replace(
        item=shifted(batch.item, MASK),
        station=shifted(batch.station, station),
        feedback=shifted(batch.feedback, int(Feedback.UP)),
        # The moment of the question is that of the latest event: nothing later is known.
        device=shifted(batch.device, batch.device[:, -1]),
        hour=shifted(batch.hour, batch.hour[:, -1]),
        task=np.full((B, 1), L - 1, np.int32),
    )


def draw_tasks(
    seed: UInt64[np.ndarray, "B"], asked: Bool[np.ndarray, "B W"], p_task: float, max_tasks: int
) -> tuple[Int32[np.ndarray, "B T"], Bool[np.ndarray, "B T"]]:
    """Choose `p_task` of each row's events that may be asked as tasks; the last column, if it may, always is one.

    The number of tasks is `p_task` times such events, rounded at random so that its mean is exact, and at least 1.

    Args:
        seed: names each row's choice.
        asked: which events may be tasks: the ups, as a rule.
        p_task: share of them that are.
        max_tasks: T.

    Returns:
        Columns of the tasks, and which of the T places hold one.
    """
    W, T = asked.shape[1], max_tasks
    order_BxW = np.where(asked, row_uniform(seed, "tasks", W), 2.0)
    order_BxW[asked[:, -1], -1] = -1.0
    column_BxT = np.argsort(order_BxW, axis=1)[:, :T].astype(np.int32)
    num_asked_B = asked.sum(1)
    num_tasks_B = np.clip(np.floor(p_task * num_asked_B + row_uniform(seed, "number_of_tasks", 1)[:, 0]), 1, T)
    is_task_BxT = np.arange(column_BxT.shape[1]) < np.minimum(num_tasks_B, num_asked_B)[:, None]
    pad = ((0, 0), (0, T - column_BxT.shape[1]))
    return np.pad(column_BxT, pad), np.pad(is_task_BxT, pad)


class _Tasks(NamedTuple):
    """What is asked in a window."""

    column: np.ndarray
    is_task: np.ndarray
    is_up: np.ndarray
    negative_column: np.ndarray
    """-1 where there is no hard negative."""
    rung: np.ndarray


def _cloze_tasks(window: Window, is_input: Bool[np.ndarray, "F"], tasks: _Tasks, length: int) -> Batch:
    """Mask the tasks, take the used negatives out of the input, and pack what is left."""
    task_BxT, is_task_BxT, is_up_BxT, negative_column_BxT, rung_BxT = tasks
    row_B1 = np.arange(len(task_BxT))[:, None]
    served_BxT = is_task_BxT & (negative_column_BxT >= 0)
    taken_BxW = _scattered(window.feedback.shape, negative_column_BxT, served_BxT)
    masked_BxW = _scattered(window.feedback.shape, task_BxT, is_task_BxT)

    keep_BxW = (is_input[window.feedback] & ~taken_BxW) | masked_BxW
    place_BxW = length - np.cumsum(keep_BxW[:, ::-1], axis=1)[:, ::-1]
    place_BxT = place_BxW[row_B1, task_BxT]
    # Masks are kept even where ups are no input, so a row of many tasks can be longer than L: its oldest fall out.
    is_task_BxT = is_task_BxT & (place_BxT >= 0)
    asked_item_BxT = window.item[row_B1, task_BxT]
    target_BxT = np.where(is_task_BxT & is_up_BxT, asked_item_BxT, PAD)
    negative_BxT = np.where(served_BxT & is_task_BxT, window.item[row_B1, negative_column_BxT], PAD)
    # A down is its own negative. It is asked like an up: how it was received must not show.
    negative_BxT = np.where(is_task_BxT & ~is_up_BxT, asked_item_BxT, negative_BxT)
    masked = window._replace(
        item=np.where(masked_BxW, np.int32(MASK), window.item),
        feedback=np.where(masked_BxW, np.int8(Feedback.UP), window.feedback),
    )
    return pack(masked, keep_BxW, length)._replace(
        task=np.where(is_task_BxT, place_BxT, 0).astype(np.int32),
        target=target_BxT.astype(np.int32),
        negative=negative_BxT.astype(np.int32),
        rung=np.where(is_task_BxT, rung_BxT, Rung.RANDOM).astype(np.int8),
    )


def _scattered(shape: tuple[int, ...], column_BxT: np.ndarray, where_BxT: np.ndarray) -> np.ndarray:
    """Which places of a B x W window some columns name."""
    named_BxW: np.ndarray = np.zeros(shape, bool)
    np.logical_or.at(named_BxW, (np.arange(len(column_BxT))[:, None], column_BxT), where_BxT)
    return named_BxW


def _next_tasks(batch: Batch, is_asked: Bool[np.ndarray, "F"]) -> Batch:
    """Ask at every position for the event after it, where that event is an up, or a down that is asked about."""
    B, L = batch.item.shape
    following_BxT = batch.feedback[:, 1:]
    has_past_BxT = batch.feedback[:, :-1] != Feedback.NONE
    is_up_BxT = has_past_BxT & (following_BxT == Feedback.UP)
    is_down_BxT = has_past_BxT & is_asked[following_BxT] & (following_BxT != Feedback.UP)
    asks_downs = is_asked.sum() > 1
    return batch._replace(
        task=np.broadcast_to(np.arange(L - 1, dtype=np.int32), (B, L - 1)),
        target=np.where(is_up_BxT, batch.item[:, 1:], np.int32(PAD)),
        negative=np.where(is_down_BxT, batch.item[:, 1:], np.int32(PAD))[:, : L if asks_downs else 0],
        rung=np.full((B, L - 1), Rung.RANDOM, np.int8),
    )
