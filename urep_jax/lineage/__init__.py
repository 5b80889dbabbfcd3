"""Chains of models that read each other's vectors: which training serves with which, and what has to be trained anew."""
