"""Slurm's commands, as far as submitit calls them: a cluster of one machine, which runs an array's jobs in turn."""

from pathlib import Path

_COMMANDS = {
    # Behind the caller's back; a job that asked to be queued again is run again.
    "sbatch": """
        cp "$1" "$here/submitted.sh"
        last=$(sed -n 's/^#SBATCH --array=0-\\([0-9]*\\)%.*/\\1/p' "$1")
        export SLURM_NTASKS=1 SLURM_PROCID=0 SLURM_LOCALID=0 SLURM_NODEID=0 SLURM_JOB_NUM_NODES=1
        export SLURM_JOB_NODELIST=here SLURM_CPUS_PER_TASK=8
        jobs=7
        if [ "$last" ]; then export SLURM_ARRAY_JOB_ID=7; jobs=$(seq -f 7_%g 0 "$last"); fi
        (
            # Of an array, each task by its number.
            for job in $jobs; do
                export SLURM_JOB_ID=$job
                [ "$job" = 7 ] || export SLURM_ARRAY_TASK_ID=${job#7_}
                touch "$here/queued"
                while [ -e "$here/queued" ]; do rm "$here/queued"; bash "$1"; done
                echo "$job|COMPLETED|here" >> "$here/ended"
            done
        ) > /dev/null 2>&1 &
        echo "Submitted batch job 7"
    """,
    "srun": """
        while [ "${1#-}" != "$1" ]; do case $1 in --output|--error) shift 2;; *) shift;; esac; done
        echo "$$ $SRUN_CPUS_PER_TASK" >> "$here/steps"
        exec "$@" >> "$here/log" 2>&1
    """,
    # Slurm ends what runs, but not at once.
    "scontrol": """
        [ "$*" = "requeue $SLURM_JOB_ID" ] || exit 1
        touch "$here/queued"
        kill -TERM "$(tail -n 1 "$here/steps" | cut -d ' ' -f 1)"
    """,
    "sacct": """
        echo "JobID|State|NodeList"
        cat "$here/ended" 2> /dev/null
    """,
}


def install(folder: Path) -> None:
    """Put the commands in a folder, where they leave what they were told."""
    folder.mkdir()
    for name, text in _COMMANDS.items():
        (folder / name).write_text(f"#!/bin/sh\nhere=${{0%/*}}\n{text}")
        (folder / name).chmod(0o755)
