"""Tests of the listeners whose satisfaction moves."""
