"""Chorus: one server for live audio on the web."""

import os

__version__ = "0.1.0"

# Before NumPy is loaded: each of its multiplications would wake a thread for every core, which then spin for the next.
# Half of the processor's time of a portrait went there; jobs run side by side instead.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
