"""From parameters and a seed to a log: all users of a streaming world.

Users are drawn side by side in portions of one fixed size; their sessions are laid out on the host and cut into blocks
of events, and these are drawn in portions likewise. So every draw hangs on the numbers of user, session and block, and
is computed in the same shape, to the bit, however many users there are.
"""

import dataclasses
from collections.abc import Callable
from functools import partial
from typing import NamedTuple, TypeVar

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float32, Int8, Int16, Int32, Int64

from urep_jax.simulation.keys import Keys
from urep_jax.simulation.streaming.catalogue import StreamingCatalogue, make_streaming_catalogue
from urep_jax.simulation.streaming.keys import streaming_keys
from urep_jax.simulation.streaming.listening import BLOCK, Block, Heard, hear_shows, hear_tracks, make_libraries
from urep_jax.simulation.streaming.params import StreamingParams
from urep_jax.simulation.streaming.sessions import Sessions, make_sessions
from urep_jax.simulation.streaming.users import User, make_user

Tree = TypeVar("Tree")

USERS = 256
"""Users that are drawn side by side."""

BLOCKS = 512
"""Blocks that are drawn side by side: enough to fill vector units, few enough to stay in cache."""


class StreamingWorld(NamedTuple):
    """A simulated world: what can be played, and who listens."""

    catalogue: StreamingCatalogue
    users: User


class StreamingLog(NamedTuple):
    """The log of a streaming world, ragged: user `u` owns the events `offsets[u]:offsets[u + 1]`, sorted by time.

    Attributes:
        offsets: where each user's events start; the last entry is the number of events. Nobody is left out: who never
            came has no events.
        item: the track, or `num_tracks` + the show.
        timestamp: when the item was left or over, seconds since 1970, UTC; a user's are all different.
        feedback: code of `core.types.Feedback`.
        played_ratio: share of the item that was heard, 0 to 1.
        device: index into `DEVICES`.
        affinity: what the item was worth to the user in that session (see `affinity`).
    """

    offsets: Int64[np.ndarray, "U+1"]
    item: Int32[np.ndarray, "E"]
    timestamp: Int64[np.ndarray, "E"]
    feedback: Int8[np.ndarray, "E"]
    played_ratio: Float32[np.ndarray, "E"]
    device: Int16[np.ndarray, "E"]
    affinity: Float32[np.ndarray, "E"]

    @property
    def user(self) -> Int32[np.ndarray, "E"]:
        """The user of each event."""
        return np.repeat(np.arange(len(self.offsets) - 1, dtype=np.int32), np.diff(self.offsets))


class Plan(NamedTuple):
    """The sessions that begin within the window, user by user in order of time.

    Attributes:
        user: whose it is.
        session: its number among the user's.
        begin: seconds from the start of the window.
        end: when the user's next session begins, or the window ends.
        length: events that it has unless it is cut at `end`.
        device: index into `DEVICES`.
        is_show: whether shows are heard.
    """

    user: Int32[np.ndarray, "Z"]
    session: Int32[np.ndarray, "Z"]
    begin: Int32[np.ndarray, "Z"]
    end: Int32[np.ndarray, "Z"]
    length: Int32[np.ndarray, "Z"]
    device: Int16[np.ndarray, "Z"]
    is_show: Bool[np.ndarray, "Z"]


def make_streaming_world(params: StreamingParams, seed: int) -> StreamingWorld:
    """Draw a world's catalogue and users.

    Args:
        params: the world's parameters.
        seed: the world's seed, at least 0.
    """
    keys, num_users, params = streaming_keys(seed), params.num_users, _shape_free(params)
    pieces = [_make_users(params, jnp.arange(first, first + USERS), keys) for first in range(0, num_users, USERS)]
    # The last portion has users who aren't of this world.
    users = jax.tree.map(lambda *x: np.concatenate(x)[:num_users], *pieces)
    return StreamingWorld(_make_catalogue(params, keys), users)


def simulate_streaming(params: StreamingParams, seed: int) -> StreamingLog:
    """Simulate a streaming service over its whole window.

    Args:
        params: the world's parameters.
        seed: the world's seed, at least 0. The same seed gives the same log, and user `u` has the same log however many
            users there are.
    """
    (catalogue, users), keys = make_streaming_world(params, seed), streaming_keys(seed)
    num_users, start = params.num_users, params.start
    params = _shape_free(params)
    plans, libraries = [], []
    for first in range(0, num_users, USERS):
        some = _rows(users, np.arange(first, first + USERS) % num_users)
        kept = min(USERS, num_users - first)
        sessions = jax.tree.map(lambda x, kept=kept: np.asarray(x)[:kept], _make_sessions(params, some, keys))
        plans.append(lay_out(params, _rows(some, np.arange(kept)), sessions))
        libraries.append(np.asarray(_make_libraries(params, catalogue, some, keys))[:kept])
    plan = Plan(*(np.concatenate(column) for column in zip(*plans, strict=True)))
    library_UxPxQ = np.concatenate(libraries)
    blocks, length_C, session_C = _cut(plan)
    is_show_C = plan.is_show[session_C]

    def tracks(some: Block) -> Heard:
        theirs = library_UxPxQ[some.user]
        return _hear_tracks(params, catalogue, _rows(users, some.user), theirs, keys, some)

    def shows(some: Block) -> Heard:
        return _hear_shows(params, catalogue, _rows(users, some.user), keys, some)

    heard = _nothing_heard(len(session_C))
    _fill(heard, tracks, blocks, np.flatnonzero(~is_show_C))
    _fill(heard, shows, blocks, np.flatnonzero(is_show_C))

    is_there_CxN = np.arange(BLOCK) < length_C[:, None]
    heard = jax.tree.map(lambda x_CxN: x_CxN[is_there_CxN], heard)
    session_E = np.repeat(session_C, length_C)
    total_E = np.cumsum(heard.seconds, dtype=np.int64)
    before_Z = np.concatenate([[0], total_E])[np.searchsorted(session_E, np.arange(len(plan.user)))]
    time_E = plan.begin[session_E] + total_E - before_Z[session_E]
    is_in_E = time_E < plan.end[session_E]
    session_E, time_E = session_E[is_in_E], time_E[is_in_E]
    heard = jax.tree.map(lambda x_E: x_E[is_in_E], heard)
    counts_U = np.bincount(plan.user[session_E], minlength=num_users)
    return StreamingLog(
        offsets=np.concatenate([[0], np.cumsum(counts_U)]).astype(np.int64),
        item=heard.item,
        timestamp=time_E + start,
        feedback=heard.feedback,
        played_ratio=heard.played_ratio,
        device=plan.device[session_E],
        affinity=heard.affinity,
    )


def lay_out(params: StreamingParams, users: User, sessions: Sessions) -> Plan:
    """The sessions that begin within the window, with their times.

    Args:
        params: the world's parameters.
        users: users, with a leading axis.
        sessions: theirs.
    """
    pause_UxS = np.maximum(np.asarray(sessions.pause), 1).astype(np.int64)
    begin_UxS = np.cumsum(pause_UxS, axis=1)
    end_UxS = np.concatenate([begin_UxS[:, 1:], np.full((len(begin_UxS), 1), params.num_seconds)], axis=1)
    is_in_UxS = (begin_UxS < params.num_seconds) & (begin_UxS > np.asarray(users.registered)[:, None])
    row_Z, session_Z = np.nonzero(is_in_UxS)
    return Plan(
        user=np.asarray(users.number)[row_Z].astype(np.int32),
        session=session_Z.astype(np.int32),
        begin=begin_UxS[is_in_UxS].astype(np.int32),
        end=np.minimum(end_UxS[is_in_UxS], params.num_seconds).astype(np.int32),
        length=np.asarray(sessions.length)[is_in_UxS],
        device=np.asarray(sessions.device)[is_in_UxS].astype(np.int16),
        is_show=np.asarray(sessions.is_show)[is_in_UxS],
    )


def _cut(plan: Plan) -> tuple[Block, np.ndarray, np.ndarray]:
    """The plan's blocks in order, how many events each has, and the session that each is of."""
    blocks_Z = -(-plan.length // BLOCK)
    session_C = np.repeat(np.arange(len(plan.user)), blocks_Z)
    first_C = np.repeat(np.cumsum(blocks_Z) - blocks_Z, blocks_Z)
    block_C = (np.arange(len(session_C)) - first_C).astype(np.int32)
    length_C = np.minimum(plan.length[session_C] - BLOCK * block_C, BLOCK)
    blocks = Block(plan.user[session_C], plan.session[session_C], block_C, plan.begin[session_C])
    return blocks, length_C, session_C


def _rows(tree: Tree, rows: np.ndarray) -> Tree:
    """These rows of all arrays."""
    return jax.tree.map(lambda x: x[rows], tree)


def _fill(heard: Heard, hear: Callable[[Block], Heard], blocks: Block, rows: np.ndarray) -> None:
    """Write what is heard in these rows, a portion at a time."""
    for first in range(0, len(rows), BLOCKS):
        # The last portion repeats its rows, so that all have one shape.
        some = np.resize(rows[first : first + BLOCKS], BLOCKS)
        kept = min(BLOCKS, len(rows) - first)
        for column, piece in zip(heard, hear(_rows(blocks, some)), strict=True):
            column[some[:kept]] = np.asarray(piece)[:kept]


def _nothing_heard(num_blocks: int) -> Heard:
    """Room for what is heard in so many blocks."""
    shape = (num_blocks, BLOCK)
    return Heard(
        item=np.empty(shape, np.int32),
        feedback=np.empty(shape, np.int8),
        played_ratio=np.empty(shape, np.float32),
        seconds=np.empty(shape, np.int32),
        affinity=np.empty(shape, np.float32),
    )


def _shape_free(params: StreamingParams) -> StreamingParams:
    """Without what traced functions don't read, so that a larger world needs no new trace."""
    return dataclasses.replace(params, num_users=1, start=0)


@partial(jax.jit, static_argnames="params")
def _make_catalogue(params: StreamingParams, keys: Keys) -> StreamingCatalogue:
    return make_streaming_catalogue(params, keys=keys)


@partial(jax.jit, static_argnames="params")
def _make_users(params: StreamingParams, numbers_U: Int32[Array, "U"], keys: Keys) -> User:
    return jax.vmap(lambda number: make_user(params, number, keys=keys))(numbers_U)


@partial(jax.jit, static_argnames="params")
def _make_sessions(params: StreamingParams, users: User, keys: Keys) -> Sessions:
    return jax.vmap(lambda user: make_sessions(params, user, keys=keys))(users)


@partial(jax.jit, static_argnames="params")
def _make_libraries(params: StreamingParams, catalogue: StreamingCatalogue, users: User, keys: Keys) -> Array:
    return make_libraries(params, catalogue, users, keys=keys)


@partial(jax.jit, static_argnames="params")
def _hear_tracks(
    params: StreamingParams, catalogue: StreamingCatalogue, users: User, libraries: Array, keys: Keys, blocks: Block
) -> Heard:
    return hear_tracks(params, catalogue, users, libraries, blocks, keys=keys)


@partial(jax.jit, static_argnames="params")
def _hear_shows(
    params: StreamingParams, catalogue: StreamingCatalogue, users: User, keys: Keys, blocks: Block
) -> Heard:
    return hear_shows(params, catalogue, users, blocks, keys=keys)
