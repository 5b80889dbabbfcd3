"""How the tests' programs are compiled, and how many of them a process keeps."""

import jax

COMPILED_QUICKLY = (
    "--xla_backend_optimization_level=0",
    "--xla_llvm_disable_expensive_passes=true",
    # Gone in later versions, which refuse flags that they don't know.
    *(("--xla_cpu_use_fusion_emitters=false",) if jax.__version_info__ < (0, 11) else ()),
)
"""XLA's flags for programs that are compiled far longer than they run.

Measured side by side, a whole experiment that is shrunk takes half of the time with them, tests of agents and models
two thirds, of training nine tenths.
"""

MOST_MAPS = 20_000
"""Parts of its memory that a process may have mapped before it forgets the programs that it has compiled: each has
some, and Linux ends who asks for more than 65,530."""


def fake_devices(count: int) -> dict[str, str]:
    """What the environment of a process says so that it has many devices."""
    flags = (*COMPILED_QUICKLY, f"--xla_force_host_platform_device_count={count}")
    return {"XLA_FLAGS": " ".join(flags), "JAX_PLATFORMS": "cpu"}
