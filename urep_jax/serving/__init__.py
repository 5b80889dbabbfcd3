"""Trained models, ready to call."""
