"""Real listeners' logs as everything is learnt from them: what is known of items and listeners, and who is tested."""

from collections.abc import Mapping

import jax.numpy as jnp
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from experiments.responses_from_logs.settings import Settings
from experiments.satisfaction_from_logs.logged import NEW_LISTENERS, Logged, Part
from experiments.user_representation.encoders import known_items as items_that_tell
from experiments.user_representation.encoders import told_words
from urep_jax.agents.learned_world import Service
from urep_jax.baselines.spectral import spectral_vectors
from urep_jax.core.streams import numpy_stream, stream
from urep_jax.core.types import SECONDS_PER_DAY, Feedback
from urep_jax.data.cases import Cases, Split
from urep_jax.data.listening_history import known_items
from urep_jax.data.log import EventLog
from urep_jax.data.response_log import response_log
from urep_jax.data.sessions import sessions_of
from urep_jax.data.user_features.profiles import Profiles
from urep_jax.simulation.satisfaction.candidates import laid_out
from urep_jax.simulation.satisfaction.world import Items

LATER_LISTENERS = "later listeners"
TESTS = (NEW_LISTENERS, LATER_LISTENERS)
"""What is judged on: listeners of whom nothing was learnt who came at the same time, and those who came last."""

WORDS = "genres"
"""The column of the items table whose words say what an item is like."""

_VALIDATED = 8
"""One in so many of the listeners that are learnt from says when to stop."""

_LEAST_MINUTES = 0.1

_RIDGE = 10.0
"""Listeners that the mean of all counts as, in what a profile tells of taste."""


def read(log: EventLog, tables: Mapping[str, pa.Table], profiles: Profiles, settings: Settings) -> Logged:
    """The logs, and what is known beforehand of items and listeners.

    Items are vectors of who was up for them, and of their words; of a listener is known what those with the same
    profile were up for. Both are told by listeners of whom nothing else is learnt: in vectors that its own answers had
    made, a model would find these again, and learn little of anybody else.

    Args:
        log: the log.
        tables: beside it, by name.
        profiles: who its users are.
        settings: the run's.

    Raises:
        ValueError: if too few listeners are left.
    """
    known_U, train, validation, others, tests = _people(log, settings)
    items = _items(log, tables, known_U, settings)
    vectors_SxF = _vectors(log, profiles, np.asarray(items.content), known_U)
    repeat_days = float(settings.params.repeat_days)

    def part(users: np.ndarray) -> Part:
        of = response_log(log, users, np.asarray(items.minutes), settings.most_events, repeat_days)
        return Part(of, vectors_SxF[users])

    pools_PxN, pools_of_SxQ = settings.offer(stream(settings.seed, "pools"), items, jnp.asarray(vectors_SxF))
    styles_G = jnp.arange(1 + int(items.style.max()), dtype=jnp.int32)
    return Logged(
        settings.seed,
        Service(items, jnp.asarray(vectors_SxF), pools_of_SxQ, pools_PxN, styles_G, laid_out(items, pools_PxN)),
        known_items(items),
        part(train),
        part(validation),
        (part(others[0]), part(others[1])),
        {name: part(users) for name, users in zip(TESTS, tests, strict=True)},
    )


def days_of(log: EventLog) -> float:
    """From the first event to the last."""
    return float(log.timestamp.max() - log.timestamp.min()) / SECONDS_PER_DAY


def _people(
    log: EventLog, settings: Settings
) -> tuple[np.ndarray, np.ndarray, np.ndarray, tuple[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]:
    """Who tells of items, who trains, who validates, others of either, and who is tested: by number, none twice."""
    users = np.flatnonzero(np.diff(log.offsets) >= settings.least_events)
    came_U = np.asarray(log.timestamp)[log.offsets[users]]
    users = users[np.argsort(came_U, kind="stable")]
    first = len(users) - round(settings.later * len(users))
    there = numpy_stream(settings.seed, "people").permutation(users[:first])
    tested, telling = (round(share * len(there)) for share in (settings.tested, settings.telling))
    begin = tested + telling
    half = (len(there) - begin) // 2
    validated = max(1, half // _VALIDATED)
    if min(half - validated, tested, telling) < 1 or first == len(users):
        raise ValueError(
            f"{len(users)} listeners have {settings.least_events} events or more, which leaves nobody to learn from or "
            "to test; lower logs.least_events, or take a larger log"
        )
    one, other = there[begin : begin + half], there[begin + half : begin + 2 * half]
    return (
        there[tested:begin],
        one[validated:],
        one[:validated],
        (other[validated:], other[:validated]),
        (there[:tested], users[first:]),
    )


def _items(log: EventLog, tables: Mapping[str, pa.Table], known_U: np.ndarray, settings: Settings) -> Items:
    start, stop = np.asarray(log.offsets[:-1]), np.asarray(log.offsets[1:])
    split = Split(np.sort(known_U).astype(np.int32), start, stop, Cases.empty(), Cases.empty())
    spectral_VxD = spectral_vectors(log, split, settings.width, seed=settings.seed)
    words_VxW = _words(log.item_ids, tables)
    # Of unit length each; brought to numbers of variance 1.
    content_VxF = np.concatenate([x * np.sqrt(x.shape[1]) for x in (spectral_VxD, words_VxW)], axis=1)
    is_known_S = np.isin(np.arange(log.num_sequences), known_U)
    is_known_E = np.repeat(is_known_S, np.diff(log.offsets))
    count_V = np.bincount(np.asarray(log.item)[is_known_E], minlength=log.num_items)
    style_V = words_VxW.argmax(1) if words_VxW.shape[1] else np.zeros(log.num_items)
    minutes = _typical_minutes(log, is_known_E)
    return Items(
        content=jnp.asarray(content_VxF, jnp.float32),
        style=jnp.asarray(style_V, jnp.int32),
        artist=jnp.arange(log.num_items, dtype=jnp.int32),
        log_popularity=jnp.asarray(np.log((count_V + 1) / (count_V.sum() + log.num_items)), jnp.float32),
        minutes=jnp.full(log.num_items, minutes, jnp.float32),
        is_show=jnp.zeros(log.num_items, bool),
    )


def _words(item_ids: pa.StringArray, tables: Mapping[str, pa.Table]) -> np.ndarray:
    """Of each item, V x W, of unit length; W = 0 where no table tells of any."""
    items = tables.get("items")
    if items is None or WORDS not in items.column_names:
        return np.zeros((len(item_ids), 0), np.float32)
    known = items_that_tell("words", {"items": items}, WORDS)
    told = told_words(known, WORDS)
    vectors = told.vectors(told.words.unique())
    place_V = pc.index_in(item_ids, value_set=known["item_id"].combine_chunks())
    row_V = place_V.fill_null(-1).to_numpy(zero_copy_only=False)
    found: np.ndarray = np.where((row_V >= 0)[:, None], vectors[row_V], 0.0)
    return found


def _typical_minutes(log: EventLog, is_known_E: np.ndarray) -> float:
    """The median time between two events of a session: what an event takes, where nobody says how long items are."""
    goes_on_E = is_known_E.copy()
    goes_on_E[sessions_of(log).first] = False
    gaps = np.diff(log.timestamp)[goes_on_E[1:]]
    return max(float(np.median(gaps)) / 60, _LEAST_MINUTES) if len(gaps) else 1.0


def _vectors(log: EventLog, profiles: Profiles, content_VxF: np.ndarray, known_U: np.ndarray) -> np.ndarray:
    """What is known of each user beforehand, in the space of items: the mean of what such people were up for.

    A ridge regression of listeners' mean content of ups on their profile, of those who are learnt from, brought to
    numbers of variance 1 of these means.
    """
    is_up_E = np.asarray(log.feedback) == Feedback.UP
    user_E = np.repeat(np.arange(log.num_sequences), np.diff(log.offsets))
    total_SxF = np.zeros((log.num_sequences, content_VxF.shape[1]))
    np.add.at(total_SxF, user_E[is_up_E], content_VxF[np.asarray(log.item)[is_up_E]])
    ups_S = np.bincount(user_E[is_up_E], minlength=log.num_sequences)
    taught_U = known_U[ups_S[known_U] > 0]
    mean_UxF = total_SxF[taught_U] / ups_S[taught_U, None]
    profile_SxP = _profile(profiles)
    x_UxP = profile_SxP[taught_U]
    middle_F, middle_P = mean_UxF.mean(0), x_UxP.mean(0)
    x_UxP = x_UxP - middle_P
    penalty_PxP = _RIDGE * np.eye(x_UxP.shape[1])
    slope_PxF = np.linalg.solve(x_UxP.T @ x_UxP + penalty_PxP, x_UxP.T @ (mean_UxF - middle_F))
    vectors_SxF = middle_F + (profile_SxP - middle_P) @ slope_PxF
    return (vectors_SxF / np.maximum(mean_UxF.std(0).mean(), 1e-6)).astype(np.float32)


def _profile(profiles: Profiles) -> np.ndarray:
    """Categories, 1 for each that somebody is in, and age, brought to variance 1; S x P."""
    columns = []
    for name, code_S in profiles.category.items():
        columns.append(code_S[:, None] == np.arange(len(profiles.values[name])))
    age_S = np.asarray(profiles.age, np.float64)
    told_S = np.isfinite(age_S)
    if told_S.any():
        spread = max(float(age_S[told_S].std()), 1e-6)
        columns.append((np.where(told_S, age_S - age_S[told_S].mean(), 0.0) / spread)[:, None])
    if not columns:
        return np.zeros((len(age_S), 0))
    return np.concatenate(columns, axis=1).astype(np.float64)
