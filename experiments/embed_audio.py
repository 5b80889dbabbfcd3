"""`task=embed_audio`: vectors of a folder of audio files, to Parquet, part by part."""

import pyarrow as pa
import pyarrow.compute as pc
from omegaconf import DictConfig
from rich.console import Console

from experiments.audio_parts import open_audio, write_audio
from experiments.folder import RunFolder
from urep_jax.serving.restore import restore_content_encoder


def embed_audio(cfg: DictConfig, folder: RunFolder, console: Console) -> dict[str, float]:
    """What a trained encoder makes of every file: `item_id`, `vector` and `space_id`, in the order of ids."""
    if cfg.task.run is None:
        raise ValueError("task=embed_audio needs task.run=FOLDER, the folder of a run that trained an encoder of audio")
    encoder = restore_content_encoder(cfg.task.run, cfg.task.encoder)
    sound = encoder.sound
    if sound is None:
        raise ValueError(
            f"{cfg.task.encoder!r} of {cfg.task.run} was not trained on audio files, so nothing says how spectrograms "
            "of them are to be made; name a run of task=train_audio, or one whose modality tells its sound"
        )
    audio = open_audio(cfg)
    folder.claim_files(len(audio.files), audio.digest(), {"space": encoder.space.id})
    width = encoder.cfg.width
    kind = pa.schema({"item_id": pa.string(), "vector": pa.list_(pa.float32(), width), "space_id": pa.string()})

    def vectors(items: pa.Table) -> pa.Table:
        mel_X = pc.list_flatten(items["log_mel"].combine_chunks()).to_numpy(zero_copy_only=False)
        found = encoder.encode(items["item_id"].combine_chunks(), mel_X.reshape(-1, *sound.shape))
        columns = [
            found.ids,
            pa.FixedSizeListArray.from_arrays(pa.array(found.values.reshape(-1)), width),
            pa.array([found.space.id] * len(items), pa.string()),
        ]
        return pa.table(columns, schema=kind)

    rows = write_audio(audio, cfg.task.block, sound, vectors, folder, console)
    console.print(f"{rows:,} files in the space {encoder.space.id}")
    metrics = {"files": float(rows)}
    folder.write_metrics(metrics)
    return metrics
