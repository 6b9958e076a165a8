"""The client of live recognition for plain code."""

from collections.abc import Generator
from types import TracebackType
from typing import TYPE_CHECKING, Unpack

from app.sdk.portal import Portal
from app.sdk.stream_client import DEFAULT_URL, LINGER_SECONDS, SAMPLE_RATE, StreamClient, StreamOptions
from app.sdk.stream_events import Event
from app.sdk.stream_source import Sound

if TYPE_CHECKING:
    from typing_extensions import Buffer  # of `collections.abc` since Python 3.12


class SyncStreamClient:
    """`StreamClient` for plain code: use it in a `with` block, from any number of threads.

    Its methods are those of `StreamClient`, and raise as they do. The connection lives in a thread of its own, where
    callbacks are called too. Methods that take `timeout`, in seconds, raise TimeoutError after it.

    Args:
        url: as for `StreamClient`, and the others too.
        api_key: as `url`.
        client_id: as `url`.
        sample_rate: as `url`.
        options: the keywords of `StreamClient`.
    """

    def __init__(
        self,
        url: str = DEFAULT_URL,
        api_key: str | None = None,
        client_id: str | None = None,
        sample_rate: int = SAMPLE_RATE,
        **options: Unpack[StreamOptions],
    ) -> None:
        def client() -> StreamClient:
            return StreamClient(url, api_key, client_id, sample_rate, **options)

        self._portal = Portal(client, name="stream client")

    def __enter__(self) -> "SyncStreamClient":
        """Connect; raises as `StreamClient` does."""
        self._portal.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the connection, and end what is being followed."""
        self._portal.__exit__(kind, error, trace)

    def send(self, samples: "Buffer", *, timeout: float | None = None) -> None:
        """Send samples at once; whoever calls it keeps to the pace at which they are heard."""
        self._portal.call(lambda client: client.send(samples), timeout=timeout)

    def play(self, sound: Sound, *, linger: float = LINGER_SECONDS) -> None:
        """Send sound as fast as it would be heard, to its end; callbacks are told meanwhile what plays."""
        self._portal.call(lambda client: client.play(sound, linger=linger))

    def listen(self, device: int | str | None = None, *, timeout: float | None = None) -> None:
        """Send what a microphone hears, until KeyboardInterrupt or `timeout`."""
        self._portal.call(lambda client: client.listen(device), timeout=timeout)

    def follow(
        self, sound: Sound, *, linger: float = LINGER_SECONDS, timeout: float | None = None
    ) -> Generator[Event, None, None]:
        """Send sound as `play` does, and yield meanwhile what the server tells; `timeout` is for each event."""
        return self._portal.iterate(lambda client: client.follow(sound, linger=linger), timeout=timeout)

    def events(self, *, timeout: float | None = None) -> Generator[Event, None, None]:
        """Yield what the server tells; `timeout` is for each event."""
        return self._portal.iterate(lambda client: client.events(), timeout=timeout)
