"""Experiments: the only room that knows Hydra. One file for each task, `run.py` to start them."""
