"""Windows of logs that a response model learns from: events in a row, and what is remembered of all before them."""

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pyarrow as pa
from jaxtyping import Array, Bool, Float32, Int64

from urep_jax.data.epochs import RowBatches, Rows
from urep_jax.data.listening_history import Asked, History, KnownItems, Outcome, features, no_history, remember
from urep_jax.simulation.satisfaction.logs import Log


class Windows(NamedTuple):
    """`B` windows of `R` events each.

    Attributes:
        history: what is remembered where each begins.
        vector: what is known of its listener beforehand.
        asked: the items that were offered.
        outcome: what came of them.
        is_there: which events there are.
    """

    history: History
    vector: Float32[Array, "B Z"]
    asked: Asked
    outcome: Outcome
    is_there: Bool[Array, "B R"]


class ResponseWindows(RowBatches[Windows]):
    """The windows of a log, as batches to be trained on.

    They begin every half window, so that most events are seen twice, once with little before them and once with much.

    Args:
        log: whose events.
        vectors: what is known of the log's listeners beforehand, a row for each of its rows.
        items: what is known of items.
        num_styles: styles that items may be of.
        window: R, at least 2.
        batch_size: windows of a batch.
        seed: names the run's random streams.

    Raises:
        ValueError: if `window` is below 2.
    """

    def __init__(
        self,
        log: Log,
        vectors: Float32[np.ndarray, "U Z"],
        items: KnownItems,
        num_styles: int,
        window: int,
        batch_size: int,
        seed: int,
    ) -> None:
        if window < 2:
            raise ValueError(f"window is {window}, but must be at least 2; raise it")
        self.window, self._vectors = window, np.asarray(vectors)
        stride = window // 2
        T = log.item.shape[1]
        padded = -(-T // stride) * stride + window

        def pad(x: Any) -> np.ndarray:
            return np.pad(np.asarray(x), ((0, 0), (0, padded - T)))

        events = log._replace(listener=np.zeros(log.item.shape, np.int32))
        self._log = Log(*(pad(x) for x in events))
        starts = padded // stride - window // stride
        self._history = jax.device_get(histories(self._log, items, num_styles, stride, starts))
        self._asked, self._outcome = jax.device_get(asked_and_outcome(self._log))
        self._row_N, self._start_N = np.nonzero(self._log.is_there[:, : starts * stride : stride])
        self._stride = stride
        who = np.asarray(log.listener)
        super().__init__(self._row_N, pa.array([str(one) for one in who]), batch_size, seed)

    def batch(self, rows: Rows) -> Windows:
        """These windows; of those that are none, no event counts."""
        start_B, (user_B, place_BxR) = self._start_N[rows.row], self._places(rows.row)

        def cut(x: np.ndarray) -> np.ndarray:
            return x[user_B[:, None], place_BxR]

        return Windows(
            history=jax.tree.map(lambda x: x[start_B, user_B], self._history),
            vector=self._vectors[user_B],
            asked=jax.tree.map(cut, self._asked),
            outcome=jax.tree.map(cut, self._outcome),
            is_there=cut(self._log.is_there) & rows.is_row[:, None],
        )

    def events_of(self, step: int) -> tuple[Int64[np.ndarray, "B"], Int64[np.ndarray, "B R"]]:
        """Which events of the log batch `step` holds: their rows of it, and places in these."""
        return self._places(self.rows(step))

    def _places(self, row_B: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return self._row_N[row_B], self._start_N[row_B][:, None] * self._stride + np.arange(self.window)


def asked_and_outcome(log: Log) -> tuple[Asked, Outcome]:
    """What a log has of each event before and after its outcome."""
    asked = Asked(log.item, log.heard, log.began, log.hour, log.device, log.place, log.days_since)
    outcome = Outcome(log.feedback, log.ratio, log.session_over, log.came_back, log.days_away)
    return jax.tree.map(jnp.asarray, (asked, outcome))


def histories(log: Log, items: KnownItems, num_styles: int, stride: int, starts: int) -> History:
    """What is remembered before events 0, `stride`, 2 `stride`, ... of each listener: arrays of starts x listeners.

    Args:
        log: whose events.
        items: what is known of items.
        num_styles: styles that items may be of.
        stride: events from one to the next.
        starts: how many of them.
    """
    length = starts * stride

    def cut(x: Any) -> np.ndarray:
        x_UxT = np.asarray(x)[:, :length]
        return np.pad(x_UxT, ((0, 0), (0, length - x_UxT.shape[1])))

    events = Log(*(cut(x) for x in log._replace(listener=log.item)))
    return _histories(*asked_and_outcome(events), events.is_there, items, num_styles, stride)


def told_once(of: Windows) -> Bool[Array, "B R"]:
    """Which events to look at, so that each of a log is looked at once: in the window with the most before it."""
    R = of.is_there.shape[1]
    is_late_R = jnp.arange(R) >= R - R // 2
    return of.is_there & (is_late_R | (of.history.items == 0)[:, None])


def window_features(of: Windows, items: KnownItems) -> Any:
    """What a model reads at each event of these windows: `listening_history.Features` of B x R."""

    def one(history: History, vector: jax.Array, asked: Asked, outcome: Outcome, is_there: jax.Array) -> Any:
        def step(history: History, event: tuple[Asked, Outcome, jax.Array]) -> tuple[History, Any]:
            seen = features(history, event[0], vector, items)
            return _kept(event[2], remember(history, event[0], event[1], items), history), seen

        return jax.lax.scan(step, history, (asked, outcome, is_there))[1]

    return jax.vmap(one)(of.history, of.vector, of.asked, of.outcome, of.is_there)


@partial(jax.jit, static_argnames=("num_styles", "stride"))
def _histories(
    asked: Asked, outcome: Outcome, is_there: Any, items: KnownItems, num_styles: int, stride: int
) -> History:
    def cut(x_UxT: Any) -> jax.Array:
        return jnp.moveaxis(jnp.reshape(x_UxT, (x_UxT.shape[0], -1, stride)), 0, 2)

    def event(history: History, of: tuple[Asked, Outcome, jax.Array]) -> tuple[History, None]:
        after = jax.vmap(lambda h, a, o: remember(h, a, o, items))(history, of[0], of[1])
        return jax.vmap(_kept)(of[2], after, history), None

    def window(history: History, of: Any) -> tuple[History, History]:
        return jax.lax.scan(event, history, of)[0], history

    number = asked.item.shape[0]
    fresh = jax.tree.map(lambda x: jnp.broadcast_to(x, (number, *x.shape)), no_history(items, num_styles))
    return jax.lax.scan(window, fresh, jax.tree.map(cut, (asked, outcome, is_there)))[1]


def _kept(is_there: jax.Array, after: History, before: History) -> History:
    return jax.tree.map(lambda x, y: jnp.where(is_there, x, y), after, before)
