"""The models: each a frozen config, `init` and `apply`. The only room that imports Flax."""
