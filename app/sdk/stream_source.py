"""Where sound comes from."""

from collections.abc import AsyncGenerator
from os import PathLike
from typing import TYPE_CHECKING, Final, Protocol, Union, runtime_checkable

from app.sdk.stream_file import SoundFile
from app.sdk.stream_sound import pieces

if TYPE_CHECKING:
    from typing_extensions import Buffer  # of `collections.abc` since Python 3.12

BLOCK_SAMPLES: Final = 4096


@runtime_checkable
class Source(Protocol):
    """Something that sounds."""

    @property
    def is_live(self) -> bool:
        """Whether its sound comes no faster than it is heard; else the client waits between frames."""

    def blocks(self, sample_rate: int) -> AsyncGenerator[bytes, None]:
        """Yield sound in blocks of any length: float32, little-endian, one channel, at this rate in Hz.

        Raises:
            SourceFailed: there is none, or no more.
        """


Sound = Union[str, "PathLike[str]", "Buffer", Source]
"""The name of a file, samples at the rate of the client (see `stream_sound.encode`), or any other source."""


class Samples:
    """Samples in memory, at the rate of the client: see `stream_sound.encode`."""

    is_live = False

    def __init__(self, sound: "Buffer") -> None:
        self._sound = sound

    async def blocks(self, sample_rate: int) -> AsyncGenerator[bytes, None]:
        """Yield them; raises as `encode`."""
        for piece in pieces(self._sound, BLOCK_SAMPLES):
            yield piece


def source(sound: Sound) -> Source:
    """Return what a sound comes from.

    Raises:
        TypeError: it is none.
    """
    if isinstance(sound, str | PathLike):
        return SoundFile(sound)
    return sound if isinstance(sound, Source) else Samples(memoryview(sound))
