"""Agents: policies that choose what a listener is offered, and how they learn to look past the next item."""
