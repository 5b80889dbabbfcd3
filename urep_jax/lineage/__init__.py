"""Chains of models that read each other's vectors: which trainings go together, and what is due."""
