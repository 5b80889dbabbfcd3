"""Objectives and the one loop that trains them: step, devices, checkpoints."""
