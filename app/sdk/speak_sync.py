"""The clients of the speak API for plain code."""

from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar, Unpack

from app.sdk.errors import BrokenReply
from app.sdk.portal import Portal
from app.sdk.speak_client import DEFAULT_URL, ClientOptions, Filter, Format, SpeakClient
from app.sdk.speak_events import Audio, Ended, Event, Item, StatusChanged
from app.sdk.speak_stream import Mode, SpeakStream, StreamOptions
from app.sdk.speak_take import Choices, Take, TakeRequest
from app.sdk.speak_voice import Model, Voice, VoiceChange, VoiceChoices

T = TypeVar("T")


class SyncSpeakClient:
    """`SpeakClient` for plain code: use it in a `with` block, from any number of threads.

    Its methods are those of `SpeakClient`, and raise as they do. An event loop runs in a thread of its own, so that
    connections are kept alive while the program does other things.

    Args:
        url: as for `SpeakClient`.
        options: the keywords of `SpeakClient`; `on_tokens` is called in the other thread.
    """

    def __init__(self, url: str = DEFAULT_URL, **options: Unpack[ClientOptions]) -> None:
        self._portal = Portal(lambda: SpeakClient(url, **options), name="speak client")

    def __enter__(self) -> "SyncSpeakClient":
        """Begin; the server is not asked for anything yet."""
        self._portal.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Sign out, if this client signed in, and close all connections."""
        self._portal.__exit__(kind, error, trace)

    def sign_in(self) -> None:
        """Sign in now, to learn whether the credentials are good; else the first request does it."""
        self._portal.call(lambda client: client.sign_in())

    def sign_out(self) -> None:
        """Give the session up at once."""
        self._portal.call(lambda client: client.sign_out())

    def version(self) -> tuple[int, int]:
        """Return the version of the API, major and minor; needs no credentials."""
        return self._portal.call(lambda client: client.version())

    def models(self) -> list[Model]:
        """Return what can speak."""
        return self._portal.call(lambda client: client.models())

    def model(self, name: str) -> Model:
        """Return one model."""
        return self._portal.call(lambda client: client.model(name))

    def voices(self, **wanted: Unpack[Filter]) -> list[Voice]:
        """Return voices, the newest first."""
        return self._portal.call(lambda client: client.voices(**wanted))

    def voice(self, voice_id: str) -> Voice:
        """Return one voice."""
        return self._portal.call(lambda client: client.voice(voice_id))

    def generate_voice(
        self,
        name: str,
        model: str,
        gender: str,
        *,
        wait: bool = True,
        timeout: float | None = None,
        **choices: Unpack[VoiceChoices],
    ) -> Voice:
        """Make a voice."""
        return self._portal.call(
            lambda client: client.generate_voice(name, model, gender, wait=wait, timeout=timeout, **choices)
        )

    def wait_for_voice(
        self, voice_id: str, *, timeout: float | None = None, on_status: Callable[[Voice], object] | None = None
    ) -> Voice:
        """Return a voice when it is ready; `on_status` is called in the other thread."""
        return self._portal.call(lambda client: client.wait_for_voice(voice_id, timeout=timeout, on_status=on_status))

    def update_voice(self, voice_id: str, change: VoiceChange) -> None:
        """Change a voice."""
        self._portal.call(lambda client: client.update_voice(voice_id, change))

    def delete_voice(self, voice_id: str) -> None:
        """Delete a voice; its takes stay."""
        self._portal.call(lambda client: client.delete_voice(voice_id))

    def generate_take(
        self,
        voice_id: str,
        text: str,
        *,
        wait: bool = True,
        timeout: float | None = None,
        **choices: Unpack[Choices],
    ) -> Take:
        """Make a take."""
        return self._portal.call(
            lambda client: client.generate_take(voice_id, text, wait=wait, timeout=timeout, **choices)
        )

    def generate_takes(
        self, requests: Sequence[TakeRequest], *, wait: bool = True, timeout: float | None = None
    ) -> list[Take]:
        """Make many takes, in one request; returns them in the same order."""
        return self._portal.call(lambda client: client.generate_takes(requests, wait=wait, timeout=timeout))

    def wait_for_take(
        self, take_id: str, *, timeout: float | None = None, on_status: Callable[[Take], object] | None = None
    ) -> Take:
        """Return a take when it is ready; `on_status` is called in the other thread."""
        return self._portal.call(lambda client: client.wait_for_take(take_id, timeout=timeout, on_status=on_status))

    def wait_for_takes(
        self,
        take_ids: Sequence[str],
        *,
        timeout: float | None = None,
        on_status: Callable[[Take], object] | None = None,
    ) -> list[Take]:
        """Return takes, in the order of their ids, when all are done; as `wait_for_take`."""
        return self._portal.call(lambda client: client.wait_for_takes(take_ids, timeout=timeout, on_status=on_status))

    def take(self, take_id: str) -> Take:
        """Return one take."""
        return self._portal.call(lambda client: client.take(take_id))

    def takes(self, **wanted: Unpack[Filter]) -> list[Take]:
        """Return takes, the newest first."""
        return self._portal.call(lambda client: client.takes(**wanted))

    def delete_take(self, take_id: str) -> None:
        """Delete a take and its audio."""
        self._portal.call(lambda client: client.delete_take(take_id))

    def audio(self, take_id: str, format: Format = "wav") -> Generator[bytes, None, None]:
        """Yield the audio of a take, WAV while it is still made; other formats are waited for first."""
        return self._portal.iterate(lambda client: client.audio(take_id, format))

    def audio_bytes(self, take_id: str, format: Format = "wav") -> bytes:
        """Return the audio of a take as a whole, in memory."""
        return self._portal.call(lambda client: client.audio_bytes(take_id, format))

    def download(self, take_id: str, path: str | Path, format: Format = "wav") -> int:
        """Write the audio of a take into a file, without holding it in memory; returns its bytes."""
        return self._portal.call(lambda client: client.download(take_id, path, format))

    def audio_url(self, take_id: str, format: Format = "wav") -> str:
        """Return an address of the audio that works without credentials for a while, to be given to a player."""
        return self._portal.call(lambda client: client.audio_url(take_id, format))

    def websocket_url(self, *, model: str | None = None, voice_id: str | None = None) -> str:
        """Return the address of a WebSocket, with its secret."""
        return self._portal.call(lambda client: client.websocket_url(model=model, voice_id=voice_id))

    @contextmanager
    def stream(
        self, *, model: str | None = None, voice_id: str | None = None, **options: Unpack[StreamOptions]
    ) -> Iterator["SyncSpeakStream"]:
        """Open a stream of takes while a `with` block runs; the arguments are those of `SpeakClient.stream`."""
        with self._portal.hold(lambda client: client.stream(model=model, voice_id=voice_id, **options)) as stream:
            yield SyncSpeakStream(self._portal, stream)


class SyncSpeakStream:
    """`SpeakStream` for plain code, from any number of threads; `SyncSpeakClient.stream` gives it.

    Its methods are those of `SpeakStream`, and raise as they do; callbacks are called in the thread that asked.
    """

    def __init__(self, portal: Portal[Any], stream: SpeakStream) -> None:
        self._portal = portal
        self._stream = stream

    @property
    def is_connected(self) -> bool:
        """Whether there is a connection now."""
        return self._stream.is_connected

    def take(
        self,
        voice_id: str,
        text: str,
        *,
        mode: Mode = "parts",
        timeout: float | None = None,
        **choices: Unpack[Choices],
    ) -> Generator[Event[Take], None, None]:
        """Make a take, and yield what happens; `timeout`, in seconds, is for each event."""
        return self._portal.iterate(lambda _: self._stream.take(voice_id, text, mode=mode, **choices), timeout=timeout)

    def voice(
        self,
        name: str,
        model: str,
        gender: str,
        *,
        mode: Mode = "parts",
        timeout: float | None = None,
        **choices: Unpack[VoiceChoices],
    ) -> Generator[Event[Voice], None, None]:
        """Make a voice, and yield what happens; `timeout`, in seconds, is for each event."""
        return self._portal.iterate(
            lambda _: self._stream.voice(name, model, gender, mode=mode, **choices), timeout=timeout
        )

    def generate_take(
        self,
        voice_id: str,
        text: str,
        *,
        mode: Mode = "parts",
        timeout: float | None = None,
        on_status: Callable[[Take], object] | None = None,
        on_audio: Callable[[Audio], object] | None = None,
        **choices: Unpack[Choices],
    ) -> Take:
        """Make a take, telling callbacks what happens, and return it when it is ready and all audio has arrived."""
        return _tell(self.take(voice_id, text, mode=mode, timeout=timeout, **choices), on_status, on_audio)

    def generate_voice(
        self,
        name: str,
        model: str,
        gender: str,
        *,
        mode: Mode = "parts",
        timeout: float | None = None,
        on_status: Callable[[Voice], object] | None = None,
        on_audio: Callable[[Audio], object] | None = None,
        **choices: Unpack[VoiceChoices],
    ) -> Voice:
        """Make a voice, telling callbacks what happens, as `generate_take` does."""
        return _tell(self.voice(name, model, gender, mode=mode, timeout=timeout, **choices), on_status, on_audio)


def _tell(
    events: Generator[Event[Item], None, None],
    on_status: Callable[[Item], object] | None,
    on_audio: Callable[[Audio], object] | None,
) -> Item:
    with closing(events):
        for event in events:
            match event:
                case Ended():
                    return event.item
                case StatusChanged():
                    if on_status is not None:
                        on_status(event.item)
                case _:
                    if on_audio is not None:
                        on_audio(event)
    raise BrokenReply("the stream ended before the take did")  # which the asynchronous one never does
