"""The client of talking portraits for plain code."""

from collections.abc import Generator
from types import TracebackType
from typing import Unpack

from app.sdk.portal import Portal
from app.sdk.portrait_client import DEFAULT_URL, PortraitOptions, Portraits, Speaking
from app.sdk.portrait_events import Event, Portrait
from app.sdk.portrait_request import Media


class SyncPortraits:
    """`Portraits` for plain code: use it in a `with` block, from any number of threads.

    Its methods are those of `Portraits`, and raise as they do. The connection lives in a thread of its own, where
    `on_progress` is called too. With `timeout`, in seconds, they raise TimeoutError after it, and the portrait is
    cancelled.

    Args:
        url: as for `Portraits`.
        token: as for `Portraits`.
        options: the keywords of `Portraits`.
    """

    def __init__(self, url: str = DEFAULT_URL, token: str | None = None, **options: Unpack[PortraitOptions]) -> None:
        self._portal = Portal(lambda: Portraits(url, token, **options), name="portraits")

    def __enter__(self) -> "SyncPortraits":
        """Connect; raises as `Portraits` does."""
        self._portal.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the connection."""
        self._portal.__exit__(kind, error, trace)

    def speak(
        self,
        image: Media | None = None,
        audio: Media | None = None,
        *,
        timeout: float | None = None,
        **speaking: Unpack[Speaking],
    ) -> Portrait:
        """Return a picture that speaks, as a video."""
        return self._portal.call(lambda portraits: portraits.speak(image, audio, **speaking), timeout=timeout)

    def stream(
        self,
        image: Media | None = None,
        audio: Media | None = None,
        *,
        timeout: float | None = None,
        **speaking: Unpack[Speaking],
    ) -> Generator[Event, None, None]:
        """Yield the video in fragments while it is drawn; `timeout` is for each event."""
        return self._portal.iterate(lambda portraits: portraits.stream(image, audio, **speaking), timeout=timeout)
