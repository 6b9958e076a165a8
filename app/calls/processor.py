"""Where processing plugs into a call: sound and events come in, sound and news go out.

One processor is one file here and one line in `app/assembly/calls.py`.
"""

from collections.abc import Awaitable, Callable
from typing import Protocol, TypeAlias

from app.calls.call import CallForm, Event, News


class Line(Protocol):
    """What a processor has of its call."""

    @property
    def form(self) -> CallForm:
        """The form of the call's sound, both ways; from the first sound or event on it stays the same."""

    def post(self, sound: bytes) -> None:
        """Send sound at once; for what answers sound that came, and is no more than that was.

        A peer that does not read its answers is read from no further, so they do not pile up.
        """

    async def send(self, sound: bytes) -> None:
        """Send sound of a job, waiting while the peer is slow. Cancelling is safe.

        Raises:
            SessionClosed: the call is ending.
        """

    def tell(self, news: News) -> None:
        """Tell something, behind all that was sent."""

    def start(self, name: str, job: Callable[[], Awaitable[None]]) -> None:
        """Start a job under a name that no other job of the call has; the call's end cancels it. Not from `hear`.

        Raises:
            ChorusError: the call is ending, or has too many jobs.
        """


class Processor(Protocol):
    """Works on one call. Lives on the event loop; nothing here may block or wait."""

    def hear(self, sound: bytes) -> None:
        """Take sound as it came, usually a frame of 20 ms; in no task of anybody's, where anyio does not work."""

    def note(self, event: Event) -> None:
        """Take what was told besides."""

    def close(self) -> None:
        """Let go of everything; the call has ended, and so have its jobs."""


MakeProcessor: TypeAlias = Callable[[Line], Processor]
"""Makes a processor for a call that has just begun, whose form may not be known yet."""
