"""How tracks sound: a log-mel spectrogram of each, made from its style by a fixed non-linear map.

With `h = tanh(W' (sqrt(D) style + audio_production own))` of `HIDDEN` units, `W'` fixed by the world's seed, the cell
of band `f` and frame `t` is

    envelope(h)_f + sum over k of profile(h)_kf cos(2 pi tempo_k(h) t + phase_k) + audio_noise noise_ft,

where the envelope and the profiles of `LAYERS` layers are smooth over bands (`WAVES` cosines), and the tempo of each
layer follows the style as well; the phases, the noise and `own` (how a track was produced) tell nothing of it. No
number is published on the audio of the paper's tracks.
"""

import math

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float32, Int32

from urep_jax.simulation.keys import Keys
from urep_jax.simulation.streaming.catalogue import StreamingCatalogue
from urep_jax.simulation.streaming.keys import pick
from urep_jax.simulation.streaming.params import StreamingParams

HIDDEN = 24
LAYERS = 3
WAVES = 6
SLOWEST, FASTEST = 0.03, 0.25
"""Cycles a frame of the slowest and the fastest layer."""


def log_mel(
    params: StreamingParams, catalogue: StreamingCatalogue, track_numbers: Int32[Array, "J"], *, keys: Keys
) -> Float32[Array, "J bands frames"]:
    """The spectrograms of these tracks; each hangs on the world's seed, the track's style and its number alone.

    Args:
        params: the world's parameters; with `shuffle_audio` each track sounds as another one would.
        catalogue: the world's catalogue.
        track_numbers: numbers of tracks.
        keys: the world's keys, from `streaming_keys`.
    """
    sounding = track_numbers
    if params.shuffle_audio:
        sounding = jax.random.permutation(keys["audio_shuffle"], params.num_tracks)[track_numbers]
    widths = {"hidden": params.latent_dim, "envelope": HIDDEN, "profile": HIDDEN, "tempo": HIDDEN}
    heights = {"hidden": HIDDEN, "envelope": WAVES, "profile": LAYERS * WAVES, "tempo": LAYERS}
    maps = {
        name: jax.random.normal(jax.random.fold_in(keys["audio_map"], i), (widths[name], heights[name]))
        / math.sqrt(widths[name])
        for i, name in enumerate(widths)
    }
    band_F = (jnp.arange(params.audio_bands) + 0.5) / params.audio_bands
    wave_WxF = jnp.cos(math.pi * jnp.arange(WAVES)[:, None] * band_F) * math.sqrt(2 / WAVES)
    frame_T = jnp.arange(params.audio_frames)

    def one(number: jax.Array) -> jax.Array:
        key = pick(keys, ("audio_track", "audio_noise"), number)
        own_D = jax.random.normal(key["audio_track"], (params.latent_dim,))
        phase_K = jax.random.uniform(jax.random.fold_in(key["audio_track"], 1), (LAYERS,))
        place_D = math.sqrt(params.latent_dim) * catalogue.tracks.style[number] + params.audio_production * own_D
        hidden = jnp.tanh(place_D @ maps["hidden"])
        profile_KxF = (hidden @ maps["profile"]).reshape(LAYERS, WAVES) @ wave_WxF
        tempo_K = SLOWEST + (FASTEST - SLOWEST) * jax.nn.sigmoid(2 * hidden @ maps["tempo"])
        beat_KxT = jnp.cos(2 * math.pi * (tempo_K[:, None] * frame_T + phase_K[:, None]))
        noise_FxT = jax.random.normal(key["audio_noise"], (params.audio_bands, params.audio_frames))
        envelope_F = hidden @ maps["envelope"] @ wave_WxF
        return envelope_F[:, None] + profile_KxF.T @ beat_KxT + params.audio_noise * noise_FxT

    return jax.vmap(one)(sounding)
