"""Which partition a user's messages are in, and which partitions a worker should have."""

from hashlib import blake2b


def partition_of(user_id: str, partitions: int) -> int:
    """The partition of a user's messages: the same in every process and version.

    Example:
        >>> partition_of("ann", 16), partition_of("bob", 16)
        (13, 4)
    """
    return int.from_bytes(blake2b(user_id.encode(), digest_size=8).digest(), "little") % partitions


def fair_share(rank: int, workers: int, partitions: int) -> frozenset[int]:
    """The partitions that a worker should have; those of all workers are all partitions, each once.

    Args:
        rank: the worker's place among the living ones, from 0.
        workers: how many live.
        partitions: how many there are.

    Example:
        >>> [sorted(fair_share(rank, 3, 4)) for rank in range(3)]
        [[0, 3], [1], [2]]
    """
    return frozenset(range(rank, partitions, workers))


def check_partitions(partitions: int) -> None:
    """Refuse a number of partitions that can't be.

    Raises:
        ValueError: if there would be none, or more than 1,024.
    """
    if not 1 <= partitions <= 1024:
        raise ValueError(f"partitions is {partitions}; it must be from 1 to 1024: a few for each worker, such as 16")
