"""A trained classifier puts items in order by z_u, and by z_u of no other space."""

from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pyarrow as pa
import pytest

from urep_jax.core.spaces import Space, SpaceMismatch
from urep_jax.core.vectors import Vectors
from urep_jax.models import preference
from urep_jax.models.preference import PreferenceConfig
from urep_jax.serving.preference import Preference, Read, load_read, restore_preference, save_read

CFG = PreferenceConfig(user_width=4, item_width=3, width=8, hidden=8)
USERS = Space("users-aa", (Space("audio-bb"),))
RNG = np.random.default_rng(0)
READ = Read(
    RNG.normal(size=4).astype(np.float32),
    2.5,
    pa.array([f"track {i}" for i in range(9)]),
    RNG.normal(size=(9, 3)).astype(np.float32),
    USERS,
)
MODEL = Preference("future_listening", preference.init(jax.random.key(0), CFG), CFG, READ)


def z_u(space: Space = USERS, rows: int = 1) -> Vectors:
    values = np.random.default_rng(1).normal(size=(rows, 4)).astype(np.float32)
    return Vectors(pa.array([f"user {i}" for i in range(rows)]), values, space)


@pytest.mark.parametrize("items", [1, 3, 9])
def test_items_are_in_the_order_of_their_log_odds(items: int) -> None:
    asked = READ.item_ids[:items]
    ranked = MODEL.rank(z_u(), asked)
    user = jnp.asarray(np.repeat((z_u().values - READ.user_mean) / 2.5, items, axis=0))
    expected = np.asarray(preference.log_odds(MODEL.params, user, jnp.asarray(READ.items[:items]), CFG))
    np.testing.assert_allclose(ranked.log_odds, np.sort(expected)[::-1], atol=1e-5)
    assert ranked.items == [f"track {i}" for i in np.argsort(-expected)]


def test_what_it_does_not_know_comes_last_without_odds() -> None:
    ranked = MODEL.rank(z_u(), pa.array(["new", "track 3", "newer", "track 0"]))
    assert ranked.items[2:] == ["new", "newer"]
    assert np.isnan(ranked.log_odds).tolist() == [False, False, True, True]
    assert MODEL.rank(z_u(), pa.array(["new"])).items == ["new"]


def test_another_space_is_refused() -> None:
    with pytest.raises(SpaceMismatch, match="can't rank by vectors of users-aa and of users-cc: encode both by one"):
        MODEL.rank(z_u(Space("users-cc")), READ.item_ids)
    with pytest.raises(ValueError, match="there are 2 users and 9 items"):
        MODEL.rank(z_u(rows=2), READ.item_ids)
    with pytest.raises(ValueError, match="there are 1 users and 0 items"):
        MODEL.rank(z_u(), READ.item_ids[:0])


def test_what_it_reads_is_kept_and_found_again(tmp_path: Path) -> None:
    save_read(READ, tmp_path / "reads")
    again = load_read(tmp_path / "reads")
    assert (again.users, again.item_ids, again.user_spread) == (USERS, READ.item_ids, 2.5)
    np.testing.assert_array_equal(again.items, READ.items)
    assert Preference("future_listening", MODEL.params, CFG, again).space == MODEL.space
    assert MODEL.space.ids["users"] == "users-aa"
    (tmp_path / "reads" / "read.json").write_text('{"format": 7}')
    with pytest.raises(ValueError, match="is of format 7, and this version reads 1"):
        load_read(tmp_path / "reads")
    with pytest.raises(FileNotFoundError, match="doesn't tell what a classifier reads"):
        restore_preference(tmp_path)
