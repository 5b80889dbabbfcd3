"""`reading`: hold on to batches for as long as something is done with them."""

import contextlib
import logging
import secrets
import threading
from collections.abc import Iterable, Iterator

from urep_jax.lineage.batch import Reader
from urep_jax.lineage.errors import Busy, LineageError, Unknown
from urep_jax.lineage.store import LineageStore

log = logging.getLogger(__name__)


class Hold:
    """What `reading` gives: who reads, and whether it still can.

    Attributes:
        reader: as the store has it, by a name of its own.
    """

    def __init__(self, reader: Reader) -> None:
        self.reader = reader
        self._lost: LineageError | None = None

    def check(self) -> None:
        """Whether all that is read is still there.

        Raises:
            Unknown: if the hold could not be renewed in time, and something was dropped.
            LineageError: if it could not be renewed in time, so that something may have been.
        """
        if self._lost is not None:
            raise self._lost


@contextlib.contextmanager
def reading(
    store: LineageStore, chain: str, reader_name: str, space_ids: Iterable[str], seconds: float = 60.0
) -> Iterator[Hold]:
    """Inside, none of these batches is dropped; what would drop one is refused and names the reader.

    A thread renews the hold. If the process dies the hold ends at once on the same machine, and elsewhere in time.

    Args:
        store: where the chain is.
        chain: its name.
        reader_name: who reads; a few letters are added, so that several may read by one name.
        space_ids: of all that is read, such as `serving(model).spaces.values()`.
        seconds: after which the hold ends if it isn't renewed.

    Raises:
        Unknown: if one of them isn't there; at the end, if the hold was lost meanwhile.
        LineageError: at the end, if it can't be told whether it was lost, whatever the reason.
        Busy: if another process holds the file for too long as it begins or ends.
        ValueError: if `seconds` isn't above 0.
    """
    if not seconds > 0:
        raise ValueError(f"seconds is {seconds}, but must be above 0; the hold would be over before it began")
    name, ids = f"{reader_name}:{secrets.token_hex(4)}", frozenset(space_ids)
    hold = Hold(store.read(chain, name, ids, store.clock() + seconds))
    done = threading.Event()

    def renew() -> None:
        # Three times as often as needed, so that one busy moment loses nothing.
        until = hold.reader.until
        while not done.wait(seconds / 3):
            try:
                until = store.read(chain, name, ids, store.clock() + seconds).until
            except Unknown as lost:
                hold._lost = _lost(hold.reader, lost)
                return
            except Exception as error:
                # Nobody would be told by a thread that ends; what was wrong may be mended before the time is over.
                log.warning("%s could not say that it reads on: %s", hold.reader, error)
                if store.clock() > until:
                    hold._lost = _lost(hold.reader, error)
            else:
                hold._lost = None

    thread = threading.Thread(target=renew, name=f"reading {name}", daemon=True)
    thread.start()
    try:
        yield hold
        if isinstance(hold._lost, Unknown):
            raise hold._lost
        try:
            # Whoever slept past its hold has lost nothing if all is still there.
            store.read(chain, name, ids, store.clock() + seconds)
        except Busy:
            raise
        except Exception as error:
            raise _lost(hold.reader, error) from error
    finally:
        done.set()
        thread.join()
        try:
            store.release(chain, name)
        except Exception as error:
            # It ends in time by itself, and what was done meanwhile counts.
            log.warning("%s could not say that it is done: %s", hold.reader, error)


def let_go(holds: contextlib.ExitStack) -> None:
    """End what `reading` has begun, where nothing is lost with a hold: that one was lost before is logged only."""
    try:
        holds.close()
    except LineageError as error:
        log.warning("%s", error)


def _lost(reader: Reader, why: Exception) -> LineageError:
    if isinstance(why, Unknown):
        return Unknown(
            f"{reader} could not say in time that it reads on, and lost what it read; do all of it again: {why}"
        )
    return LineageError(
        f"{reader} could not say in time that it reads on, and may have lost what it read; mend the cause, and do all "
        f"of it again: {why}"
    )
