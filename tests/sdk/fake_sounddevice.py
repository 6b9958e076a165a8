"""The part of sounddevice that a microphone uses, without a sound card: what is heard is up to the test."""

import ctypes
from collections.abc import Callable
from types import TracebackType
from typing import Any


class PortAudioError(Exception):
    """As in sounddevice."""


class FakeSounddevice:
    """Stands in the place of the module."""

    PortAudioError = PortAudioError

    def __init__(self, rates: tuple[int, ...] = (22050,)) -> None:
        self.rates = rates
        self.streams: list[RawInputStream] = []

    def RawInputStream(self, **options: Any) -> "RawInputStream":  # noqa: N802 as in sounddevice
        if options["samplerate"] not in self.rates:
            raise PortAudioError("Error opening RawInputStream: Invalid sample rate [PaErrorCode -9997]")
        self.streams.append(RawInputStream(**options))
        return self.streams[-1]


class RawInputStream:
    """One open microphone."""

    def __init__(self, *, callback: Callable[..., None], finished_callback: Callable[[], None], **options: Any) -> None:
        self.options = options
        self.is_active = False
        self._callback = callback
        self._finished = finished_callback
        self._buffer = ctypes.create_string_buffer(1 << 16)

    def __enter__(self) -> "RawInputStream":
        self.is_active = True
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.is_active:
            self.end()

    def hear(self, sound: bytes) -> None:
        """Hand sound on as PortAudio does: in a buffer that is used again."""
        ctypes.memmove(self._buffer, sound, len(sound))
        self._callback(memoryview(self._buffer)[: len(sound)], len(sound) // 4, None, None)
        ctypes.memset(self._buffer, 0, len(sound))

    def end(self) -> None:
        self.is_active = False
        self._finished()
