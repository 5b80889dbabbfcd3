"""What can be wrong with a stream or a store."""


class StoreFull(OSError):
    """There is no room for more; nothing was accepted."""


class StoreAway(OSError):
    """It can't be reached, or is busy for too long; asking again later may do."""
