"""What somebody wants drawn, before it can be: its sound may have to be spoken and its picture to be looked for."""

from dataclasses import dataclass
from typing import Final

from app.lipsync.clip import Order
from app.lipsync.script import Script

COMMISSION_POOL: Final = "commissions"
"""Name of the threads in which commissions of megabytes are read: few, for each holds the files twice."""


@dataclass(frozen=True, slots=True)
class Commission:
    """An order that may lack its sound or its picture."""

    order: Order
    """Its `audio` is empty where there is a script, its `image` where there is a film or a name."""
    script: Script | None = None
    """Is spoken for it."""
    image_id: str | None = None
    """Name of a picture in the album."""
