"""TFDS builders of public data sets and of anybody's logs, one folder each."""
