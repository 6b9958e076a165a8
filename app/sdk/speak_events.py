"""What happens to a take or a voice while it is made, as its client is told."""

from dataclasses import dataclass
from typing import Generic, TypeVar

from app.sdk.speak_take import Status, Take
from app.sdk.speak_voice import Voice
from app.sdk.speak_wav import WavHeader

Item = TypeVar("Item", bound=Take | Voice)


@dataclass(frozen=True, slots=True)
class StatusChanged(Generic[Item]):
    """It has come further."""

    item: Item
    """All that is known of it now."""

    @property
    def status(self) -> Status:
        """How far it is."""
        return self.item.status


@dataclass(frozen=True, slots=True)
class PartReceived:
    """A part of a take, one sentence or so, has arrived."""

    take_id: str
    part_id: int
    """From 0; they come in order."""
    header: WavHeader
    audio: bytes
    """A complete WAV file."""

    @property
    def pcm(self) -> bytes:
        """The samples alone."""
        return self.header.samples(self.audio)


@dataclass(frozen=True, slots=True)
class ChunkReceived:
    """A piece of a part has arrived; all pieces of a part, joined, are a WAV file."""

    take_id: str
    part_id: int
    """From 0; they come in order."""
    chunk_id: int
    """From 0 in each part; they come in order."""
    header: WavHeader
    """Of the part, which came with its first chunk; it tells the length of the whole part."""
    audio: bytes
    """As it came: the first chunk of a part begins with the header."""

    @property
    def pcm(self) -> bytes:
        """The samples alone."""
        return self.header.samples(self.audio) if self.chunk_id == 0 else self.audio


@dataclass(frozen=True, slots=True)
class Ended(Generic[Item]):
    """All audio has arrived and the status is `ready`: nothing comes after this."""

    item: Item


Audio = PartReceived | ChunkReceived
Event = StatusChanged[Item] | PartReceived | ChunkReceived | Ended[Item]
