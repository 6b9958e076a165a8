"""The event loops of the tests: the product's, its substitute on Windows, and one whose time tests move."""

from collections.abc import Callable
from dataclasses import dataclass, field
from importlib.util import find_spec

import pytest

ASYNCIO = ("asyncio", {"use_uvloop": False})
UVLOOP = ("asyncio", {"use_uvloop": True})
PRODUCT = UVLOOP if find_spec("uvloop") else ASYNCIO

both_loops = pytest.mark.parametrize(
    "anyio_backend",
    [ASYNCIO] if PRODUCT is ASYNCIO else [ASYNCIO, UVLOOP],
    ids=lambda loop: "uvloop" if loop[1]["use_uvloop"] else "asyncio",
)
"""For what the transports of the loops do each in their own way: ends, full buffers, broken connections."""


@dataclass
class Timer:
    due: float
    callback: Callable[[], None]
    cancelled: bool = False

    def cancel(self) -> None:
        self.cancelled = True


@dataclass
class Loop:
    """The timers of an event loop, whose time passes only when told."""

    now: float = 0.0
    timers: list[Timer] = field(default_factory=list)

    def time(self) -> float:
        return self.now

    def call_later(self, delay: float, callback: Callable[[], None]) -> Timer:
        self.timers.append(Timer(self.now + delay, callback))
        return self.timers[-1]

    def pass_time(self, seconds: float) -> None:
        end = self.now + seconds
        while due := [timer for timer in self.timers if timer.due <= end and not timer.cancelled]:
            timer = min(due, key=lambda timer: timer.due)
            self.timers.remove(timer)
            self.now = timer.due
            timer.callback()
        self.now = end
