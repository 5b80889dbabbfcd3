r"""How a listener responds to an item, given what came before: a causal transformer over the latest events, with heads.

At event t the model reads what is remembered of all before it, the item that is offered and the moment, and by
attention the same of the events of a window before it, whose outcomes are in what is remembered at the next one:

.. math::
    e_t = f(s_t, c_t, x_t) + W (P s_t \odot Q x_t), \quad h_t = \mathrm{blocks}(e_{t-R+1}, \dots, e_t)

with s the listener's numbers, x the item's and c those of how the two stand to each other. Of h it says what the
feedback is, and how much is heard of what is left early; of h and these, whether the session ends after the item.

How long the listener stays away if so is told by a line, which is learnt apart (`training.brings_back`). Of the numbers
l that outlast a session, and of what was done with the item, o, the hazard of coming back on piece k of the time away:

.. math:: \log \lambda_k = b_k + \langle w, [l, o] \rangle

An agent leads listeners to where no log has been. There a line goes on as it did in the logs; a network that read all
that had been heard made much of little.

The blocks are those of the negative-feedback transformer (Negative Feedback for Music Personalization, §3). A model of
users to train agents in: Chen et al. 2019, "Generative adversarial user model for reinforcement learning". Proportional
hazards: Cox 1972; constant on pieces: Friedman 1982.
"""

import dataclasses
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from flax import linen as nn
from jaxtyping import Array, Bool, Float32, Int32

from urep_jax.core.types import RESPONSES
from urep_jax.data.listening_history import Features
from urep_jax.models.layers import Block

Params = Any

DAYS = (0.0, 0.25, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0, 8.0, 11.0, 15.0, 21.0, 28.0)
"""Between the pieces of time away on which the hazard of coming back is constant."""


@jax.tree_util.register_static
@dataclasses.dataclass(frozen=True)
class ResponseConfig:
    """Size of the model.

    Attributes:
        listener: numbers of the listener and the moment, at least 1.
        item: numbers of an item, at least 1.
        relation: numbers of how the two stand to each other, at least 1.
        width: of the events' vectors, a multiple of `heads`.
        hidden: of the layers between inputs, vectors and heads, at least 1.
        blocks: transformer blocks, at least 0; without one the window is not read.
        heads: attention heads.
        window: R, events that attention sees, the present one among them, at least 1.
        days: edges between the pieces of time away: from 0 up to what counts as not coming back.

    Raises:
        ValueError: if a value is out of range.
    """

    listener: int
    item: int
    relation: int
    width: int = 16
    hidden: int = 32
    blocks: int = 1
    heads: int = 2
    window: int = 24
    days: tuple[float, ...] = DAYS

    def __post_init__(self) -> None:
        for name in ("listener", "item", "relation", "width", "hidden", "heads", "window"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} is {getattr(self, name)}, but must be at least 1; raise it")
        if self.blocks < 0:
            raise ValueError(f"blocks is {self.blocks}, but must be at least 0; raise it")
        if self.width % self.heads:
            raise ValueError(
                f"width is {self.width}, but must be a multiple of heads, {self.heads}; change one of them"
            )
        if (
            len(self.days) < 2
            or self.days[0] != 0
            or any(b <= a for a, b in zip(self.days, self.days[1:], strict=False))
        ):
            raise ValueError(f"days is {self.days}, but must rise from 0, by one step or more; sort it and begin at 0")


class Response(NamedTuple):
    """What a listener does with the item.

    Attributes:
        feedback: logits of `RESPONSES`.
        log_power: log of the power a of the share that is heard of what is left early: `P(share < x) = x^a`.
    """

    feedback: Float32[Array, "*B 4"]
    log_power: Float32[Array, "*B"]


class ReturnLine(NamedTuple):
    """What tells how soon a listener is back.

    Attributes:
        slope: w, of `Features.lasting` and of `done`.
        pieces: b, of each piece of `ResponseConfig.days`.
    """

    slope: Float32[Array, "X"]
    pieces: Float32[Array, "K"]


class After(NamedTuple):
    """What follows.

    Attributes:
        session_over: logit of the session's end.
        log_hazard: of coming back after it, by the day, on each piece of `ResponseConfig.days`.
    """

    session_over: Float32[Array, "*B"]
    log_hazard: Float32[Array, "*B K"]


class _Embed(nn.Module):
    cfg: ResponseConfig

    @nn.compact
    def __call__(self, of: Features) -> jax.Array:
        cfg = self.cfg
        everything = jnp.concatenate([of.listener, of.item, of.relation], axis=-1)
        wanted = nn.Dense(cfg.width, use_bias=False, name="listener")(of.listener)
        agreed = wanted * nn.Dense(cfg.width, use_bias=False, name="item")(of.item)
        hidden = nn.silu(nn.LayerNorm(name="norm")(nn.Dense(cfg.hidden, name="hidden")(everything)))
        # All that is read goes on as it is too: what is a line within the logs stays one beyond them.
        return nn.Dense(cfg.width, name="out")(jnp.concatenate([hidden, agreed, everything], axis=-1))


class _Encode(nn.Module):
    cfg: ResponseConfig

    @nn.compact
    def __call__(self, x_BxRxD: jax.Array, is_there_BxR: jax.Array) -> jax.Array:
        cfg, R = self.cfg, x_BxRxD.shape[1]
        mask_Bx1xRxR = is_there_BxR[:, None, None, :] & jnp.tril(jnp.ones((R, R), bool))
        row_B = jnp.arange(x_BxRxD.shape[0])
        for i in range(cfg.blocks):
            block = Block(cfg.heads, 2 * cfg.width, 0.0, cfg.window, name=f"block_{i}")
            x_BxRxD = block(x_BxRxD, mask_Bx1xRxR, row_B, None)
        return x_BxRxD


def _head(x: jax.Array, hidden: int, numbers: int) -> jax.Array:
    """Called within a module: a hidden layer, and a line beside it."""
    between = nn.silu(nn.Dense(hidden, name="hidden")(x))
    return nn.Dense(numbers, name="out")(jnp.concatenate([between, x], axis=-1))


class _Respond(nn.Module):
    cfg: ResponseConfig

    @nn.compact
    def __call__(self, h_D: jax.Array) -> jax.Array:
        return _head(h_D, self.cfg.hidden, len(RESPONSES) + 1)


class _Follow(nn.Module):
    cfg: ResponseConfig

    @nn.compact
    def __call__(self, h_D: jax.Array, outcome: jax.Array) -> jax.Array:
        return _head(jnp.concatenate([h_D, outcome], axis=-1), self.cfg.hidden, 1)[..., 0]


def init(key: jax.Array, cfg: ResponseConfig) -> Params:
    """Fresh parameters of all but the line that returns are told by: `return`, a `ReturnLine`, is to be added."""
    keys = jax.random.split(key, 4)
    of = Features(jnp.zeros(cfg.listener), jnp.zeros(cfg.item), jnp.zeros(cfg.relation), jnp.zeros(0))
    h_D, outcome = jnp.zeros(cfg.width), jnp.zeros(len(RESPONSES) + 2)
    window = jnp.zeros((1, cfg.window, cfg.width)), jnp.ones((1, cfg.window), bool)
    return {
        "embed": _Embed(cfg).init(keys[0], of)["params"],
        "encode": _Encode(cfg).init(keys[1], *window).get("params", {}),  # of no blocks there are none
        "respond": _Respond(cfg).init(keys[2], h_D)["params"],
        "follow": _Follow(cfg).init(keys[3], h_D, outcome)["params"],
    }


def embed(params: Params, of: Features, cfg: ResponseConfig) -> Float32[Array, "*B D"]:
    """The vector e of each event, from what is read there alone."""
    return jnp.asarray(_Embed(cfg).apply({"params": params["embed"]}, of))


def encode(
    params: Params, vectors: Float32[Array, "B R D"], is_there: Bool[Array, "B R"], cfg: ResponseConfig
) -> Float32[Array, "B R D"]:
    """What is made of each event of a window and those before it.

    Args:
        params: from `init`.
        vectors: from `embed`, the latest last; at most `cfg.window` of them.
        is_there: which of them are events.
        cfg: as given to `init`.
    """
    return jnp.asarray(_Encode(cfg).apply({"params": params["encode"]}, vectors, is_there))


def respond(params: Params, hidden: Float32[Array, "*B D"], cfg: ResponseConfig) -> Response:
    """What a listener does with each item, from `encode` there."""
    said = jnp.asarray(_Respond(cfg).apply({"params": params["respond"]}, hidden))
    return Response(said[..., :-1], said[..., -1])


def done(
    feedback: Int32[Array, "*B"], ratio: Float32[Array, "*B"], minutes: Float32[Array, "*B"]
) -> Float32[Array, "*B O"]:
    """What was done with an item, as numbers: which of `RESPONSES` (1, else 0), share heard, log(1 + minutes heard).

    Args:
        feedback: code of `core.types.Feedback`.
        ratio: share of it that was heard.
        minutes: its length.
    """
    is_kind = (feedback[..., None] == jnp.array(RESPONSES)).astype(jnp.float32)
    return jnp.concatenate([is_kind, ratio[..., None], jnp.log1p(ratio * minutes)[..., None]], axis=-1)


def session_over(
    params: Params, hidden: Float32[Array, "*B D"], done: Float32[Array, "*B O"], cfg: ResponseConfig
) -> Float32[Array, "*B"]:
    """Logit of the session's end after each item.

    Args:
        params: from `init`.
        hidden: from `encode`, there.
        done: what was done with it, from `done`.
        cfg: as given to `init`.
    """
    return jnp.asarray(_Follow(cfg).apply({"params": params["follow"]}, hidden, done))


def follow(
    params: Params,
    hidden: Float32[Array, "*B D"],
    lasting: Float32[Array, "*B Y"],
    done: Float32[Array, "*B O"],
    cfg: ResponseConfig,
) -> After:
    """What follows each item.

    Args:
        params: from `init`, and the line of returns.
        hidden: from `encode`, there.
        lasting: as of `Features`, there.
        done: what was done with it, from `done`.
        cfg: as given to `init`.
    """
    line: ReturnLine = params["return"]
    level = jnp.concatenate([lasting, done], axis=-1) @ line.slope
    return After(session_over(params, hidden, done, cfg), level[..., None] + line.pieces)
