"""States that add up: `empty`, `from_batch`, `merge`, `compute`. Batch size, padding and sharding change no result."""
