"""`task=export`: a trained model as StableHLO, for a service without our models' code."""

from pathlib import Path

from omegaconf import DictConfig
from rich.console import Console

from experiments.folder import RunFolder
from urep_jax.serving.export import export_encoder, export_recommender
from urep_jax.serving.restore import holds_encoder, restore, restore_encoder


def export(cfg: DictConfig, folder: RunFolder, console: Console) -> dict[str, float]:
    """Write what a run has trained, be it an encoder of users or a recommender, and tell the files."""
    if cfg.task.run is None:
        raise ValueError("task=export needs task.run=FOLDER, the folder of a run that trained a model")
    out = folder.path / "export" if cfg.task.out is None else Path(cfg.task.out)
    if holds_encoder(cfg.task.run):
        export_encoder(restore_encoder(cfg.task.run), out)
    else:
        export_recommender(restore(cfg.task.run), out)
    files = sorted(path for path in out.rglob("*") if path.is_file())
    sizes = [path.stat().st_size for path in files]
    for path, size in zip(files, sizes, strict=True):
        console.print(f"{path}: {size:,} bytes", soft_wrap=True, markup=False)
    metrics = {"files": float(len(files)), "bytes": float(sum(sizes))}
    folder.write_metrics(metrics)
    return metrics
