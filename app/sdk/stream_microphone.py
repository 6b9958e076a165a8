"""A microphone as a source of sound, where sounddevice (PortAudio) is installed."""

import asyncio
import importlib
from collections import deque
from collections.abc import AsyncGenerator
from types import ModuleType
from typing import Any, Final

from app.sdk.stream_errors import MissingPackage, SourceFailed

BLOCK_SECONDS: Final = 0.05
KEPT_SECONDS: Final = 2.0


class Microphone:
    """Records until it is not listened to any more.

    What is not taken for two seconds, as while a connection is opened again, is dropped: what played then does not help
    to tell what plays now.

    Args:
        device: number, or a part of the name, as sounddevice has them; None for the one that the system prefers.
    """

    is_live = True

    def __init__(self, device: int | str | None = None) -> None:
        self._device = device

    async def blocks(self, sample_rate: int) -> AsyncGenerator[bytes, None]:
        """Yield what it hears.

        Raises:
            MissingPackage: sounddevice or PortAudio is not installed.
            SourceFailed: there is no microphone, or it cannot record at this rate.
        """
        sounddevice = _sounddevice()
        heard = _Heard(asyncio.get_running_loop())
        try:
            stream = sounddevice.RawInputStream(
                samplerate=sample_rate,
                blocksize=round(BLOCK_SECONDS * sample_rate),
                device=self._device,
                channels=1,
                dtype="float32",
                callback=heard.take,
                finished_callback=heard.end,
            )
            with stream:
                while (block := await heard.next()) is not None:
                    yield block
        except (sounddevice.PortAudioError, ValueError) as error:
            raise SourceFailed(f"the microphone cannot be used at {sample_rate} Hz: {error}") from error
        raise SourceFailed("the microphone has ended")


class _Heard:
    """What a microphone has heard, carried from PortAudio's thread into the event loop; the newest two seconds."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._blocks: deque[bytes] = deque(maxlen=round(KEPT_SECONDS / BLOCK_SECONDS))
        self._news = asyncio.Event()
        self._has_ended = False

    def take(self, sound: Any, samples: int, times: Any, status: Any) -> None:
        """Keep a block; `sound` is a buffer that is used again after this call."""
        self._loop.call_soon_threadsafe(self._keep, bytes(sound))

    def end(self) -> None:
        """Note that nothing comes any more."""
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._finish)

    async def next(self) -> bytes | None:
        """Return the next block, None if there will be none. Cancelling is safe."""
        while not self._blocks:
            if self._has_ended:
                return None
            self._news.clear()
            await self._news.wait()
        return self._blocks.popleft()

    def _keep(self, block: bytes) -> None:
        self._blocks.append(block)
        self._news.set()

    def _finish(self) -> None:
        self._has_ended = True
        self._news.set()


def _sounddevice() -> ModuleType:
    try:
        return importlib.import_module("sounddevice")
    except ImportError as error:
        raise MissingPackage("a microphone needs sounddevice: pip install sounddevice") from error
    except OSError as error:  # it is installed, and the library that it wraps is not
        raise MissingPackage(f"a microphone needs PortAudio, as in the package libportaudio2: {error}") from error
