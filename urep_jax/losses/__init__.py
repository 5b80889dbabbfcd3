"""Losses per example: one value for each task position, to be summed and averaged by whoever calls."""
