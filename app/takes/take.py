"""The nouns of a take: what is asked for, what becomes of it, and who is told."""

from dataclasses import dataclass
from enum import StrEnum

from app.takes.prosody import Prosody


class Status(StrEnum):
    """How far a take or a voice is; the first five come in this order, one of the last three ends it."""

    WAITING = "waiting"
    STARTED = "started"
    PROGRESS_25 = "progress_25"
    PROGRESS_50 = "progress_50"
    PROGRESS_75 = "progress_75"
    READY = "ready"
    ERROR = "error"
    TIMEOUT = "timeout"
    """Forgotten for a day: the server that should have made it never came back."""

    @property
    def is_done(self) -> bool:
        """Whether nothing more happens to it."""
        return self in (Status.READY, Status.ERROR, Status.TIMEOUT)


@dataclass(frozen=True, slots=True)
class Webhook:
    """A URL to be told, and how its last call went."""

    post_url: str
    timestamp_ms: int | None = None
    """Milliseconds since the epoch of the last call; None before the first."""
    status_code: int | None = None
    """HTTP status of its answer; None if there was none."""


@dataclass(frozen=True, slots=True)
class Wording:
    """What a take says and how, whoever speaks it."""

    text: str
    override_language: str | None = None
    """BCP 47; None: each sentence shows its own."""
    style: tuple[str, ...] = ()
    """Empty: the voice's default."""
    prosody: Prosody | None = None
    """None: the voice's default."""
    status_webhook: Webhook | None = None
    done_webhook: Webhook | None = None


@dataclass(frozen=True, slots=True)
class TakeRequest:
    """What a client asks for."""

    wording: Wording
    voice_id: str
    user_data: str | int | float | None = None
    """The client's own; given back untouched."""


@dataclass(frozen=True, slots=True)
class Recorded:
    """What is known of the audio of a take that is ready."""

    duration: int
    """Samples."""
    audio_rate: int
    """Hz."""
    normalized_text: tuple[str, ...]
    """What was spoken, part by part."""


@dataclass(frozen=True, slots=True)
class Take:
    """A take of one account; what changes makes a new object (`dataclasses.replace`)."""

    id: str
    """`t` and a ULID in lower case."""
    owner: str
    """Id of the account."""
    request: TakeRequest
    status: Status
    timestamp_ms: int
    """Milliseconds since the epoch when it was asked for."""
    recorded: Recorded | None = None
    error: str | None = None
    """Why it ended in ERROR or TIMEOUT, for people."""
