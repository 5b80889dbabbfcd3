"""The transformer over feedback sequences: a hybrid of SASRec and BERT4Rec.

Source: Negative Feedback for Music Personalization, §3.
"""

import dataclasses
from typing import Any, Literal, get_args

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from urep_jax.core.precision import Compute
from urep_jax.core.streams import name_key
from urep_jax.core.types import Feedback
from urep_jax.data.sequences import Batch
from urep_jax.data.vocabulary import FIRST_ITEM, FIRST_STATION, MASK, NULL_STATION, PAD, UNKNOWN, UNKNOWN_STATION
from urep_jax.models.fold_in import fold_in
from urep_jax.models.layers import LINEAR_MAPS, Block, LinearMap, dropout

Params = dict
"""`tables`: one array for each embedding that is looked up by id; `body`: all else."""

_INIT_SCALE = 0.02
_FOLD_IN_RIDGE, _FOLD_IN_BIAS_RIDGE = 8.0, 1.0


@dataclasses.dataclass(frozen=True)
class TransformerConfig:
    """Size and inputs of the model.

    Attributes:
        num_items: items of the vocabulary.
        num_stations: stations of the vocabulary; 0 where the data has none.
        num_devices: devices of the vocabulary, read where `device` is set.
        max_length: positions L.
        width: D, a multiple of `heads`.
        blocks: transformer blocks.
        heads: attention heads.
        expansion: width of a block's two-layer network, in multiples of `width`.
        dropout: share of activations dropped in training, from 0 up to, but not, 1.
        attention: `bidirectional` sees the whole sequence, `causal` only what came before (SASRec).
        position: whether positions are embedded.
        distance: whether attention has a bias for each head and distance between two positions.
        feedback: whether the feedback type is embedded; without it the model can't tell an up from a down.
        device: whether the device is embedded.
        hour: whether the hour of the day is embedded.
        item_bias: whether items have a bias, the last column of their table; scores are then products with vectors
            whose last entry is 1.
        fold_in: whether what a logistic regression makes of the history is added to the output (`models.fold_in`). How
            much of an up a skip is in it is learnt, from half an up on. Needs `item_bias`, and bidirectional attention.
        compute: what the operands of matrix products are rounded to, in the blocks and in a softmax over all items;
            parameters, and what lies between products, stay float32.

    Raises:
        ValueError: if a value is out of range.
    """

    num_items: int
    num_stations: int = 0
    num_devices: int = 0
    max_length: int = 200
    width: int = 64
    blocks: int = 2
    heads: int = 1
    expansion: int = 4
    dropout: float = 0.2
    attention: Literal["bidirectional", "causal"] = "bidirectional"
    position: bool = True
    distance: bool = False
    feedback: bool = True
    device: bool = False
    hour: bool = False
    item_bias: bool = False
    fold_in: bool = False
    compute: Compute = "float32"

    def __post_init__(self) -> None:
        for name in ("num_items", "max_length", "width", "blocks", "heads", "expansion"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} is {getattr(self, name)}, but must be at least 1")
        if self.width % self.heads:
            raise ValueError(f"width is {self.width}, but must be a multiple of heads, {self.heads}")
        if not 0 <= self.dropout < 1:
            raise ValueError(f"dropout is {self.dropout}, but must be from 0 up to, but not, 1")
        if self.attention not in ("bidirectional", "causal"):
            raise ValueError(f"attention is {self.attention!r}, but must be 'bidirectional' or 'causal'")
        if self.compute not in get_args(Compute):
            raise ValueError(f"compute is {self.compute!r}, but must be one of {', '.join(get_args(Compute))}")
        if self.device and not self.num_devices:
            raise ValueError("device is true, but the data has no devices; set device=false")
        if self.fold_in and not self.item_bias:
            raise ValueError("fold_in is true, but items have no bias, which it takes as given; set item_bias=true")
        if self.fold_in and self.attention == "causal":
            raise ValueError("fold_in is true with causal attention, but is made for bidirectional; set fold_in=false")


def init(key: jax.Array, cfg: TransformerConfig) -> Params:
    """Fresh parameters.

    Rows that stand for nothing known start at zero, so that an unknown song or station adds nothing to the sum.
    """

    def table(name: str, rows: int, *zero: int) -> Float[Array, "R D"]:
        values = _INIT_SCALE * jax.random.normal(name_key(key, name), (rows, cfg.width))
        return values.at[jnp.array(zero, int)].set(0.0)

    items = table("item", FIRST_ITEM + cfg.num_items, PAD, UNKNOWN)
    tables = {
        "item": jnp.pad(items, ((0, 0), (0, 1))) if cfg.item_bias else items,
        "station": table("station", FIRST_STATION + cfg.num_stations, NULL_STATION, UNKNOWN_STATION),
    }
    x_1xLxD = jnp.zeros((1, cfg.max_length, cfg.width))
    context = jnp.zeros((1, cfg.max_length), jnp.int32)
    row = jnp.zeros(1, jnp.int32)
    body = dict(_Body(cfg).init(name_key(key, "body"), x_1xLxD, context, context, context, row, None)["params"])
    if cfg.fold_in:
        ridges = jnp.log(jnp.array([_FOLD_IN_RIDGE, _FOLD_IN_BIAS_RIDGE]))
        body["fold_in"] = {"log_ridges": ridges, "skip": jnp.zeros(())}
    return {"tables": tables, "body": body}


def linear_maps(params: Params) -> dict[str, LinearMap | dict | None]:
    """For each parameter, how it maps vectors to vectors, or None: for tables, biases, scales of norms.

    It is what `training.optimizers.muon` has to know.
    """

    def of(path: tuple[Any, ...], _: Array) -> LinearMap | None:
        return LINEAR_MAPS.get(path[-1].key) if path[0].key == "body" else None

    found: dict[str, LinearMap | dict | None] = jax.tree_util.tree_map_with_path(of, params)
    return found


def encode(
    params: Params, batch: Batch, cfg: TransformerConfig, *, key: jax.Array | None = None
) -> Float[Array, "B L F"]:
    """What the model makes of every position: the vector that is multiplied with a song's row to score it there.

    The input at a position is the sum of the embeddings of song, station, feedback and position (paper §3), and of
    device and hour where the config asks for them.

    Args:
        params: from `init`.
        batch: right-aligned sequences of at most `cfg.max_length` positions.
        cfg: as given to `init`.
        key: consumed by dropout; without one there is no dropout and the result is deterministic.

    Returns:
        F = D numbers, and a last 1 where items have a bias.
    """
    tables, body = params["tables"], dict(params["body"])
    items_BxLxF = tables["item"][batch.item]
    song_BxLxD = items_BxLxF[..., : cfg.width]
    folded_Bx1xD: Array | float = 0.0
    if cfg.fold_in:
        learnt = body.pop("fold_in")
        is_event_BxL = (batch.item != MASK) & (batch.feedback != Feedback.NONE)
        bias_BxL = jax.lax.stop_gradient(items_BxLxF[..., cfg.width])
        is_up_BxL = (batch.feedback == Feedback.UP).astype(jnp.float32)
        liked_BxL = jnp.where(batch.feedback == Feedback.SKIP, jax.nn.sigmoid(learnt["skip"]), is_up_BxL)
        ridges = jnp.exp(learnt["log_ridges"])
        folded_Bx1xD = fold_in(song_BxLxD, bias_BxL, liked_BxL, is_event_BxL, *ridges)[:, None]
    x_BxLxD = song_BxLxD + tables["station"][batch.station]
    hidden_BxLxD: Array = _Body(cfg).apply(
        {"params": body}, x_BxLxD, batch.feedback, batch.device, batch.hour, batch.row, key
    )
    hidden_BxLxD = hidden_BxLxD + folded_Bx1xD
    return jnp.pad(hidden_BxLxD, ((0, 0), (0, 0), (0, 1)), constant_values=1.0) if cfg.item_bias else hidden_BxLxD


def at_tasks(hidden: Float[Array, "B L D"], task: Int[Array, "B T"]) -> Float[Array, "B T D"]:
    """The vectors at the task positions."""
    return jnp.take_along_axis(hidden, task[:, :, None].astype(jnp.int32), axis=1)


def score(hidden: Float[Array, "... D"], items: Float[Array, "... D"]) -> Float[Array, "..."]:
    """Dot product of each vector with its song's embedding: larger means liked more."""
    return jnp.sum(hidden * items, axis=-1)


class _Body(nn.Module):
    cfg: TransformerConfig

    @nn.compact
    def __call__(
        self,
        x_BxLxD: Float[Array, "B L D"],
        feedback_BxL: Int[Array, "B L"],
        device_BxL: Int[Array, "B L"],
        hour_BxL: Int[Array, "B L"],
        row_B: Int[Array, "B"],
        key: jax.Array | None,
    ) -> Float[Array, "B L D"]:
        cfg = self.cfg
        L = x_BxLxD.shape[1]

        def table(name: str, rows: int) -> Float[Array, "R D"]:
            return self.param(name, nn.initializers.normal(_INIT_SCALE), (rows, cfg.width))

        if cfg.feedback:
            x_BxLxD = x_BxLxD + table("feedback", len(Feedback))[feedback_BxL]
        if cfg.position:
            # Counted from the end, so that padding on the left moves nothing.
            x_BxLxD = x_BxLxD + table("position", cfg.max_length)[cfg.max_length - L :]
        if cfg.device:
            x_BxLxD = x_BxLxD + table("device", 1 + cfg.num_devices)[device_BxL]
        if cfg.hour:
            x_BxLxD = x_BxLxD + table("hour", 25)[hour_BxL]
        valid_BxL = feedback_BxL != Feedback.NONE
        mask_Bx1xLxL = valid_BxL[:, None, None, :]
        if cfg.attention == "causal":
            mask_Bx1xLxL = mask_Bx1xLxL & jnp.tril(jnp.ones((L, L), bool))
        x_BxLxD = dropout(x_BxLxD, cfg.dropout, name_key(key, "input"), row_B)
        reach = cfg.max_length if cfg.distance else 0
        for i in range(cfg.blocks):
            block = Block(cfg.heads, cfg.expansion * cfg.width, cfg.dropout, reach, cfg.compute, name=f"block_{i}")
            x_BxLxD = block(x_BxLxD, mask_Bx1xLxL, row_B, name_key(key, f"block_{i}"))
        # Beside what is folded in, the transformer begins at nothing, and learns what to add.
        scale = nn.initializers.zeros if cfg.fold_in else nn.initializers.ones
        return nn.LayerNorm(name="norm", scale_init=scale)(x_BxLxD)
