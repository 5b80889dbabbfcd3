"""Measurements: each module prints JSON that says on which machine."""
