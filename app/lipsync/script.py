"""A text that a portrait is to speak, and whoever can speak it: this engine has no voice of its own."""

from collections.abc import Hashable
from dataclasses import dataclass
from typing import Protocol

from app.lipsync.mouth.phonemes import TimedPhoneme


@dataclass(frozen=True, slots=True)
class Script:
    """What is to be spoken, and how; None leaves the choice to whoever speaks."""

    text: str
    voice: str | None = None
    backend: str | None = None
    language: str | None = None
    """BCP 47."""
    speed: float = 1.0
    ssml: bool = False
    """Whether the text is markup."""


@dataclass(frozen=True, slots=True)
class Spoken:
    """A script that has been spoken."""

    audio: bytes
    """A file that `audio/decode.py` reads."""
    phonemes: tuple[TimedPhoneme, ...] | None
    """Of the whole sound, in order; None: the voice does not know them."""
    voice: str
    backend: str


class Speaker(Protocol):
    """Whoever speaks scripts."""

    async def speak(self, script: Script, *, client: Hashable) -> Spoken:
        """Return the speech; whose turn it takes is `client`.

        Cancelling is safe, and ends the work.

        Raises:
            InvalidInput: the script cannot be spoken.
            NotFound: there is no such voice.
            Unavailable: nobody can speak, or not in time.
        """
        ...
