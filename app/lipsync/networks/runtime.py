"""How a network that is loaded can be run."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from app.lipsync.batches import Batches, F

Precision: TypeAlias = Literal["auto", "float32", "bfloat16"]


@dataclass(frozen=True, slots=True)
class Runtime(Generic[F]):
    """Where and how a network runs; made by `loading.py`."""

    name: str
    device: str
    """`cpu`, `cuda:0`."""
    precision: str
    first_row: int
    """Of 96: the first of the rows that are drawn."""
    prepare: Callable[[NDArray[np.uint8]], F]
    batches: Batches[F]
