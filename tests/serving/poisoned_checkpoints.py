"""Read a checkpoint with a poisoned file in place of each of its own: `python -m tests.serving.poisoned_checkpoints`.

In a process of its own, since Orbax leaves reads behind that failed, and tells of them whenever it comes to it.
"""

import contextlib
import shutil
import sys
from pathlib import Path

import jax

from urep_jax.models import autoencoder
from urep_jax.models.autoencoder import AutoencoderConfig
from urep_jax.training.checkpoints import read_best_params


def main(good: Path, poison: Path, width: int, mark: Path, out: Path) -> None:
    """Tell how many files were tried, and after which of them there was a mark."""
    cfg = AutoencoderConfig(width, 6, (16,))
    like = jax.eval_shape(lambda: autoencoder.init(jax.random.key(0), cfg))
    read_best_params(good, like)
    names = [path.relative_to(good) for path in good.rglob("*") if path.is_file()]
    for number, name in enumerate(names):
        folder = out / str(number)
        shutil.copytree(good, folder)
        shutil.copyfile(poison, folder / name)
        # Some files are there for people, and are not read.
        with contextlib.suppress(Exception):
            read_best_params(folder, like)
        if mark.exists():
            print("marked by", name)
            return
    print("tried", len(names))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]), Path(sys.argv[4]), Path(sys.argv[5]))
