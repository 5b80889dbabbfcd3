"""The jobs of a sweep on a Ray cluster: `hydra/launcher=ray`."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from hydra.core.singleton import Singleton
from hydra.core.utils import JobReturn, JobStatus, run_job, setup_globals
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, open_dict

from experiments.sweep import Job


class OnRay(Launcher):
    """Each job is a task of a Ray cluster.

    A job whose process or machine dies is started again in its folder, where it finds its checkpoint. One that has died
    too often is noted as failed, and the others go on.

    Args:
        ray: `init`, the arguments of `ray.init`, which say what cluster, and `remote`, those of `ray.remote`, which say
            what a job takes, and how often it is started again.
    """

    def __init__(self, ray: DictConfig) -> None:
        self.ray = ray

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        """Called by Hydra."""
        self.hydra_context, self.task_function, self.config = hydra_context, task_function, config

    def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> Sequence[JobReturn]:
        """Run a job for each list of overrides, and wait for all of them."""
        import ray

        setup_globals()
        configs = [self._config(overrides, initial_job_idx + i) for i, overrides in enumerate(job_overrides)]
        # What was started for an earlier part of the sweep is still there.
        ray.init(**self.ray.init, ignore_reinit_error=True)
        task = ray.remote(**self.ray.remote)(_run)
        place = _Place(Path.cwd(), os.environ.get("UREP_DATA"))
        given = self.hydra_context, self.task_function, Singleton.get_state(), place
        jobs = [task.remote(config, *given) for config in configs]
        return [ended(job, config) for job, config in zip(jobs, configs, strict=True)]

    def _config(self, overrides: Sequence[str], number: int) -> DictConfig:
        config = self.hydra_context.config_loader.load_sweep_config(self.config, list(overrides))
        with open_dict(config):
            config.hydra.job.id = f"{config.hydra.job.name}_{number}"
            config.hydra.job.num = number
        return config


class _Place(NamedTuple):
    """What a relative path of the command line stands below; a cluster's processes begin elsewhere."""

    folder: Path
    data: str | None


def _run(
    config: DictConfig,
    hydra_context: HydraContext,
    task_function: TaskFunction,
    singletons: dict[Any, Any],
    place: _Place,
) -> JobReturn:
    """One job, in the process that has been given to it."""
    os.chdir(place.folder)
    if place.data is not None:
        os.environ["UREP_DATA"] = place.data
    setup_globals()
    Singleton.set_state(singletons)
    return run_job(
        hydra_context=hydra_context,
        task_function=task_function,
        config=config,
        job_dir_key="hydra.sweep.dir",
        job_subdir_key="hydra.sweep.subdir",
    )


def ended(job: Any, config: DictConfig) -> JobReturn:
    """What a job gave back, once it has ended; one whose worker has died too often is noted in its folder."""
    import ray

    try:
        result: JobReturn = ray.get(job)
    except ray.exceptions.RayError as error:
        Job(Path(config.hydra.sweep.dir) / config.hydra.sweep.subdir).fail(" ".join(str(error).split()))
        result = JobReturn(status=JobStatus.COMPLETED)
    return result
