"""Layers that the models are built from. Dropout takes an explicit key: it is on exactly when one is given."""

import math
from typing import NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, UInt32

from urep_jax.core.precision import Compute, product
from urep_jax.core.streams import name_key


class LinearMap(NamedTuple):
    """How a parameter maps vectors to vectors. What is neither of these axes numbers maps that have nothing in common.

    Attributes:
        inputs: axes of what goes in.
        outputs: axes of what comes out.
    """

    inputs: tuple[int, ...]
    outputs: tuple[int, ...]


LINEAR_MAPS = {"kernel": LinearMap((0,), (1,)), "qkv": LinearMap((0,), (3,)), "out": LinearMap((0, 1), (2,))}
"""Of the layers below, by the names of their parameters. Each head's queries, keys and values are maps of their own."""


def dropout(
    x: Float[Array, "B L D"], rate: float, key: jax.Array | None, row: Int[Array, "B"]
) -> Float[Array, "B L D"]:
    """Set a share `rate` of the entries to zero and scale the rest by `1 / (1 - rate)`.

    Draws are named by `row`, so that a shard of a batch drops what the whole batch would. Each row is a SplitMix
    sequence that starts at a word drawn from `key`: a mask wants many draws more than it wants good ones, and one pass
    of integer arithmetic is a small part of what as many words of JAX's own generator take.

    Args:
        x: activations.
        rate: from 0 up to, but not, 1.
        key: consumed; `None` switches dropout off.
        row: numbers of the rows in the whole batch.

    Source:
        Steele, Lea and Flood 2014 (SplitMix), in 32 bits with the finaliser of MurmurHash3.
    """
    if key is None or rate == 0:
        return x
    return jnp.where(_kept(key, rate, row, x.shape), x * (1 / (1 - rate)), 0)


def alpha_dropout(
    x: Float[Array, "B D"], rate: float, key: jax.Array | None, row: Int[Array, "B"]
) -> Float[Array, "B D"]:
    r"""Set a share `rate` of the entries to what SELU gives at minus infinity, and keep mean 0 and variance 1.

    .. math:: a\,(x m + \alpha' (1 - m)) + b,\quad \alpha' = -\lambda\alpha,\quad
        a = (q + \alpha'^2 q (1 - q))^{-1/2},\quad b = -a (1 - q) \alpha'

    with q the share that is kept and m a mask of those. Draws are named as in `dropout`.

    Args:
        x: activations of SELU.
        rate: from 0 up to, but not, 1.
        key: consumed; `None` switches dropout off.
        row: numbers of the rows in the whole batch.

    Source:
        Klambauer et al. 2017, §2.
    """
    if key is None or rate == 0:
        return x
    keep = 1 - rate
    a = (keep + _SELU_LEAST**2 * keep * rate) ** -0.5
    return a * (jnp.where(_kept(key, rate, row, x.shape), x, _SELU_LEAST) - rate * _SELU_LEAST)


_SELU_LEAST = -1.0507009873554804934193349852946 * 1.6732632423543772848170429916717
"""What SELU gives at minus infinity: its two constants' product."""


def _kept(key: jax.Array, rate: float, row: Int[Array, "B"], shape: tuple[int, ...]) -> Bool[Array, "B ..."]:
    """Which entries are kept."""
    start_B = jax.vmap(lambda r: jax.random.bits(jax.random.fold_in(key, r), dtype=jnp.uint32))(row)
    place = jnp.arange(math.prod(shape[1:]), dtype=jnp.uint32).reshape(shape[1:])
    word = _mixed(jnp.expand_dims(start_B, range(1, len(shape))) + place * jnp.uint32(0x9E3779B9))
    return word >= jnp.uint32(rate * 2**32)


def _mixed(word: UInt32[Array, "..."]) -> UInt32[Array, "..."]:
    """Each word, so mixed that every bit of it depends on every bit that it had; different ones stay different."""
    word = (word ^ (word >> 16)) * jnp.uint32(0x85EBCA6B)
    word = (word ^ (word >> 13)) * jnp.uint32(0xC2B2AE35)
    return word ^ (word >> 16)


def unit(x: Float[Array, "*B D"]) -> Float[Array, "*B D"]:
    """Vectors brought to length 1; zeros stay zeros."""
    return x / jnp.sqrt(jnp.sum(x**2, axis=-1, keepdims=True) + 1e-12)


class Linear(nn.Module):
    """`x W + b`, as `nn.Dense` has it, with the product in a precision of choice.

    Attributes:
        features: numbers that come out.
        compute: what the operands are rounded to.
    """

    features: int
    compute: Compute = "float32"

    @nn.compact
    def __call__(self, x: Float[Array, "*B D"]) -> Float[Array, "*B F"]:
        """The last axis is mapped."""
        D = x.shape[-1]
        weight_DxF = self.param("kernel", nn.initializers.lecun_normal(), (D, self.features))
        bias_F = self.param("bias", nn.initializers.zeros, (self.features,))
        return product(x.reshape(-1, D), weight_DxF, self.compute).reshape(*x.shape[:-1], self.features) + bias_F


class SelfAttention(nn.Module):
    """Multi-head scaled dot-product attention (Vaswani et al. 2017), all projections without bias.

    Attributes:
        heads: attention heads.
        reach: positions of the longest sequence, if a learned number for each head and distance is added to the scores
            (Raffel et al. 2020, without their buckets); 0 if none is.
        compute: what the operands of products are rounded to.
    """

    heads: int
    reach: int = 0
    compute: Compute = "float32"

    @nn.compact
    def __call__(self, x_BxLxD: Float[Array, "B L D"], mask_Bx1xLxL: Bool[Array, "B 1 #L L"]) -> Float[Array, "B L D"]:
        """Mix the positions of each row, where `mask_Bx1xLxL` lets a query (first L) see a key (second L)."""
        B, L, D = x_BxLxD.shape
        N, H = self.heads, D // self.heads
        init = nn.initializers.lecun_normal(in_axis=0, out_axis=(1, 2, 3))
        weight_DxO = self.param("qkv", init, (D, 3, N, H)).reshape(D, 3 * D)
        # A plain matrix product: as an einsum over all axes it is transposed in memory, there and back.
        qkv_BxLx3xNxH = product(x_BxLxD.reshape(B * L, D), weight_DxO, self.compute).reshape(B, L, 3, N, H)
        query, key, value = (jnp.moveaxis(qkv_BxLx3xNxH[:, :, i], 1, 2) for i in range(3))
        scores = product(query * H**-0.5, jnp.matrix_transpose(key), self.compute)
        if self.reach:
            bias_NxR = self.param("distance", nn.initializers.zeros, (N, 2 * self.reach - 1))
            place_L = jnp.arange(L)
            scores += bias_NxR[:, self.reach - 1 + place_L - place_L[:, None]]
        scores = jnp.where(mask_Bx1xLxL, scores, -1e9)
        # Divided by its sum only after it was multiplied with the values: one pass less over L x L.
        weight = jnp.exp(scores - jax.lax.stop_gradient(scores.max(-1, keepdims=True)))
        mixed_BxNxLxH = product(weight, value, self.compute) / weight.sum(-1)[..., None]
        init = nn.initializers.lecun_normal(in_axis=(0, 1), out_axis=2)
        out_DxD = self.param("out", init, (N, H, D)).reshape(D, D)
        mixed_BLxD = jnp.moveaxis(mixed_BxNxLxH, 1, 2).reshape(B * L, D)
        return product(mixed_BLxD, out_DxD, self.compute).reshape(B, L, D)


class Block(nn.Module):
    """Pre-normalised transformer block: attention, then a two-layer network of GELU, each added to its input."""

    heads: int
    hidden: int
    dropout: float
    reach: int = 0
    compute: Compute = "float32"

    @nn.compact
    def __call__(
        self,
        x_BxLxD: Float[Array, "B L D"],
        mask_Bx1xLxL: Bool[Array, "B 1 #L L"],
        row: Int[Array, "B"],
        key: jax.Array | None,
    ) -> Float[Array, "B L D"]:
        """One round of attention and network; `key` switches dropout on."""
        attended = SelfAttention(self.heads, self.reach, self.compute, name="attention")(
            nn.LayerNorm(name="attention_norm")(x_BxLxD), mask_Bx1xLxL
        )
        x_BxLxD = x_BxLxD + dropout(attended, self.dropout, name_key(key, "attention"), row)
        wide = Linear(self.hidden, self.compute, name="expand")(nn.LayerNorm(name="network_norm")(x_BxLxD))
        out = Linear(x_BxLxD.shape[-1], self.compute, name="contract")(nn.gelu(wide))
        return x_BxLxD + dropout(out, self.dropout, name_key(key, "network"), row)
