"""The nouns of a call as a phone platform streams it: its form, and what is told besides sound, either way.

Sound is L16: int16 little-endian mono, in frames of 20 ms. Source: developer.vonage.com, "WebSockets in the Vonage
Voice API". What has the platform's own names there has them here; the rest is ours.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

from app.audio.pcm import SAMPLE_BYTES
from app.errors import InvalidInput
from app.fingerprint.hit import Hit
from app.fingerprint.track import Track

RATES: Final = (8_000, 16_000, 24_000)
"""Hz that a platform may choose."""
FRAME_SECONDS: Final = 0.02
FRAMES_PER_SECOND: Final = 50


@dataclass(frozen=True, slots=True)
class CallForm:
    """The form of a call's sound.

    Raises:
        InvalidInput: a rate that no platform has.
    """

    sample_rate: int = 16_000
    """Hz."""

    def __post_init__(self) -> None:
        if self.sample_rate not in RATES:
            raise InvalidInput(f"rate {self.sample_rate} must be {', '.join(map(str, RATES))}", field="rate")

    @property
    def frame_bytes(self) -> int:
        """Of one frame: 320, 640 or 960."""
        return self.sample_rate // FRAMES_PER_SECOND * SAMPLE_BYTES


# What a client tells.


@dataclass(frozen=True, slots=True)
class Connected:
    """The call is connected: the first thing that a platform tells."""

    form: CallForm | None
    """None if it is none of those that are known."""


@dataclass(frozen=True, slots=True)
class Dtmf:
    """A key was pressed."""

    digit: str
    """`0` to `9`, `*`, `#`."""


@dataclass(frozen=True, slots=True)
class Clear:
    """Nothing of what is queued shall be played."""


@dataclass(frozen=True, slots=True)
class Notify:
    """It shall be told when all that is queued has been played."""

    payload: Mapping[str, Any] = field(default_factory=dict)
    """Is told back."""


@dataclass(frozen=True, slots=True)
class Say:
    """A text shall be spoken into the call, after what is spoken already. None leaves the choice to the engine."""

    text: str
    voice: str | None = None
    language: str | None = None
    """BCP 47."""
    id: str | None = None
    """Is told back."""


@dataclass(frozen=True, slots=True)
class Other:
    """An event that means nothing here."""


Event: TypeAlias = Connected | Dtmf | Clear | Notify | Say | Other


# What a client is told.


@dataclass(frozen=True, slots=True)
class Cleared:
    """Nothing of what was queued is played any more."""


@dataclass(frozen=True, slots=True)
class Played:
    """All that was queued before a `Notify` has been played."""

    payload: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Spoken:
    """A text has been played to its end."""

    id: str | None
    seconds: float
    """How long it was."""


@dataclass(frozen=True, slots=True)
class MusicHeard:
    """Music of the catalogue is on the line."""

    found: tuple[tuple[Hit, Track], ...]
    """Best first, one a track, never none."""
    seconds: float
    """Of the call's sound until then."""


@dataclass(frozen=True, slots=True)
class MusicStopped:
    """It is not any more."""


@dataclass(frozen=True, slots=True)
class Failed:
    """Something could not be done; the call goes on."""

    error: Exception
    id: str | None = None
    """Of what was asked for."""


News: TypeAlias = Cleared | Played | Spoken | MusicHeard | MusicStopped | Failed
