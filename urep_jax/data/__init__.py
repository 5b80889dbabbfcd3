"""From files to batches: schema, ingest, data sets, splits, sequences, negatives, Grain sources."""
