"""x_u: one pure function from a user's events and profile at a moment to numbers."""

from collections.abc import Iterator
from typing import NamedTuple, TypeAlias

import jax
import numpy as np
from jaxtyping import Float32, Int, Int8, Int32, Int64
from scipy.sparse import csr_array

from urep_jax.core.types import LISTENED, SECONDS_PER_DAY, Feedback
from urep_jax.data.ragged import lists_as_matrix, offsets_of, ranges
from urep_jax.data.user_features.groups import FeatureConfig, Group, switched_on
from urep_jax.data.user_features.inputs import Inputs
from urep_jax.data.user_features.windows import events_before

Columns: TypeAlias = Float32[np.ndarray, "_ _"]

_COUNTED = {"plays": LISTENED, "ups": (Feedback.UP,), "skips": (Feedback.SKIP,)}
"""Events that are counted, and what they are."""


def feature_groups(inputs: Inputs, cfg: FeatureConfig) -> tuple[Group, ...]:
    """The groups of x_u, in the order of its columns."""
    groups = list(_all_groups(inputs, cfg))
    return tuple(group for group, on in zip(groups, switched_on(groups, cfg.without), strict=True) if on)


def user_features(
    inputs: Inputs, user: Int[np.ndarray, "N"], time: Int64[np.ndarray, "N"], cfg: FeatureConfig
) -> Float32[np.ndarray, "N F"]:
    r"""Features of users at moments, as they are: NaN where nothing is known (`Standardisation` imputes it).

    .. math:: x_u = [c_u, a_u, v_u]

    v_u, a_u and their like are means of the vectors of what was heard in the last week, month and half-year, weighted
    by the share of it that was heard; c_u is all the rest. Nothing that happened at `time` or later can reach it, but
    for the onboarding, which may be answered at `time`.

    Args:
        inputs: events, profiles and vectors.
        user: the log's numbers of users.
        time: seconds since 1970, UTC, for each of them.
        cfg: which features.

    Source:
        Generalized User Representations, Eq. 1, §3.2.2, §3.3.2 and §4.3.
    """
    groups = list(_all_groups(inputs, cfg))
    columns = _all_columns(inputs, np.asarray(user, np.int64), np.asarray(time, np.int64), cfg)
    kept = [x for x, on in zip(columns, switched_on(groups, cfg.without), strict=True) if on]
    return np.concatenate(kept, axis=1)


def _all_groups(inputs: Inputs, cfg: FeatureConfig) -> Iterator[Group]:
    profiles = inputs.profiles
    tags: tuple[str, ...]
    for days in cfg.windows:
        for modality in inputs.modalities:
            tags = (modality.name, f"{days}d", "modalities")
            yield Group(f"{modality.name}/{days}d", tags, modality.width, "vector")
            yield Group(f"{modality.name}/{days}d/known", tags, 1, "indicator")
        yield Group(f"activity/{days}d", ("activity", f"{days}d"), len(_COUNTED), "real")
    yield Group("activity/pause", ("activity",), 1, "real")
    yield Group("activity/known", ("activity",), 1, "indicator")
    if inputs.device is not None:
        yield Group("devices", ("devices",), len(inputs.device_words), "indicator")
    for name, words in profiles.values.items():
        yield Group(name, (name, "static"), len(words), "indicator")
    yield Group("age", ("age", "static"), 1, "real")
    yield Group("age/known", ("age", "static"), 1, "indicator")
    yield Group("tenure", ("tenure", "static"), 1, "real")
    yield Group("tenure/known", ("tenure", "static"), 1, "indicator")
    for modality in inputs.artists:
        tags = (modality.name, "onboarding", "onboarding_artists", "modalities")
        yield Group(f"onboarding/{modality.name}", tags, modality.width, "vector")
        yield Group(f"onboarding/{modality.name}/known", tags, 1, "indicator")
    tags = ("onboarding", "onboarding_languages")
    yield Group("onboarding/languages", tags, len(profiles.language_ids), "indicator")
    yield Group("onboarding/languages/known", tags, 1, "indicator")


def _all_columns(
    inputs: Inputs, user_N: np.ndarray, time_N: np.ndarray, cfg: FeatureConfig
) -> Iterator[Float32[np.ndarray, "N _"]]:
    """The columns of each group of `_all_groups`."""
    log, profiles = inputs.log, inputs.profiles
    stop_N = until_N = events_before(log, user_N, time_N)
    heard: _Heard | None = None
    for days in cfg.windows:
        since_N = events_before(log, user_N, time_N - days * SECONDS_PER_DAY)
        # A window holds the shorter ones: only what it adds is read.
        added = _heard(inputs, since_N, until_N)
        heard = added if heard is None else jax.tree.map(np.add, heard, added)
        until_N = since_N
        for mean_NxD in heard.means():
            yield mean_NxD
            yield _known(mean_NxD[:, 0])
        yield np.log1p(heard.counts)
    assert heard is not None
    has_N = stop_N > log.offsets[user_N]
    last_N = time_N.copy()
    last_N[has_N] = log.timestamp[stop_N[has_N] - 1]
    pause_N = np.where(has_N, np.log1p((time_N - last_N) / SECONDS_PER_DAY), np.nan)
    yield _column(pause_N)
    yield _known(pause_N)
    if inputs.device is not None:
        yield np.nan_to_num(_mean(heard.devices, heard.devices.sum(axis=1)))
    for name, words in profiles.values.items():
        yield _one_hot(profiles.category[name][user_N], len(words))
    age_N = profiles.age[user_N]
    yield _column(age_N)
    yield _known(age_N)
    since_N = profiles.registered[user_N]
    there_N = since_N <= time_N
    tenure_N = np.where(there_N, np.log1p((time_N - np.minimum(since_N, time_N)) / SECONDS_PER_DAY), np.nan)
    yield _column(tenure_N)
    yield _known(tenure_N)
    yield from _onboarding(inputs, user_N, time_N, cfg)


def _onboarding(inputs: Inputs, user_N: np.ndarray, time_N: np.ndarray, cfg: FeatureConfig) -> Iterator[Columns]:
    profiles = inputs.profiles
    answered_N = profiles.answered[user_N]
    ago_N = time_N - np.minimum(answered_N, time_N)
    counts_N = (answered_N <= time_N) & (ago_N < cfg.onboarding_days * SECONDS_PER_DAY)
    picked = lists_as_matrix(profiles.artist_offsets, profiles.artists, user_N, len(profiles.artist_ids), counts_N)
    for artists in inputs.artists:
        sums = picked @ artists.summable
        mean_NxD = _mean(sums[:, :-1], sums[:, -1])
        yield mean_NxD
        yield _known(mean_NxD[:, 0])
    picked = lists_as_matrix(
        profiles.language_offsets, profiles.languages, user_N, len(profiles.language_ids), counts_N
    )
    yield np.minimum(picked.toarray(), 1.0)
    yield _column(np.diff(picked.indptr) > 0)


class _Heard(NamedTuple):
    """What users heard in some time, summed up.

    Attributes:
        vectors: for each modality, vectors times the share heard, and a last column with the shares themselves.
        counts: events of each kind of `_COUNTED`.
        devices: shares heard by device.
    """

    vectors: tuple[Columns, ...]
    counts: Columns
    devices: Columns

    def means(self) -> Iterator[Columns]:
        """The mean vector of each modality; NaN where nothing was heard."""
        return (_mean(sums_NxD[:, :-1], sums_NxD[:, -1]) for sums_NxD in self.vectors)


def _heard(inputs: Inputs, start_N: np.ndarray, stop_N: np.ndarray) -> _Heard:
    """What was heard in the events `start:stop` of each user."""
    log, num_users = inputs.log, len(start_N)
    event_E, length_N = ranges(start_N, stop_N), stop_N - start_N
    feedback_E = np.asarray(log.feedback[event_E])
    share_E = _share_heard(feedback_E, None if log.played_ratio is None else log.played_ratio[event_E])

    def summed(index_E: np.ndarray, values_VxD: Columns) -> Columns:
        by_user = csr_array((share_E, index_E, offsets_of(length_N)), shape=(num_users, len(values_VxD)))
        return by_user @ values_VxD

    item_E = np.asarray(log.item[event_E])
    vectors = tuple(summed(item_E, one.summable) for one in inputs.modalities)
    owner_E = np.repeat(np.arange(num_users), length_N)
    counts = (np.bincount(owner_E[np.isin(feedback_E, kinds)], minlength=num_users) for kinds in _COUNTED.values())
    devices_NxC = np.zeros((num_users, len(inputs.device_words)), np.float32)
    if inputs.device is not None:
        # The last row takes what was heard on none that is known.
        device_E = inputs.device[event_E] % (1 + len(inputs.device_words))
        devices_NxC = summed(device_E, np.eye(1 + len(inputs.device_words), len(inputs.device_words), dtype=np.float32))
    return _Heard(vectors, np.stack(list(counts), axis=1).astype(np.float32), devices_NxC)


def _share_heard(
    feedback_E: Int8[np.ndarray, "E"], played_ratio_E: Float32[np.ndarray, "E"] | None
) -> Float32[np.ndarray, "E"]:
    """How much of each track was heard: what the log says, else all of it unless it was skipped; of a down nothing."""
    share_E = np.where(feedback_E == Feedback.SKIP, 0.0, 1.0).astype(np.float32)
    if played_ratio_E is not None:
        told = ~np.isnan(played_ratio_E) & (feedback_E != Feedback.UP)
        share_E = np.where(told, played_ratio_E, share_E)
    return np.where(feedback_E == Feedback.DOWN, np.float32(0), share_E)


def _mean(sums_NxD: Columns, weight_N: Float32[np.ndarray, "N"]) -> Columns:
    """Sums by their weight; NaN where there is none."""
    has_N = weight_N > 0
    mean_NxD = sums_NxD / np.where(has_N, weight_N, 1)[:, None]
    return np.where(has_N[:, None], mean_NxD, np.float32(np.nan))


def _one_hot(code_N: Int32[np.ndarray, "N"], width: int) -> Columns:
    """Each code as a row; zeros where it isn't known."""
    return (code_N[:, None] == np.arange(width)).astype(np.float32)


def _column(values_N: np.ndarray) -> Columns:
    return values_N.astype(np.float32)[:, None]


def _known(values_N: np.ndarray) -> Columns:
    return _column(~np.isnan(values_N))
