"""Chorus: one server for live audio on the web."""

__version__ = "0.1.0"
