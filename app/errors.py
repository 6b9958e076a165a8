"""Everything that can go wrong, as one tree that knows neither HTTP nor WebSocket.

Engines and the runtime raise these; each door has one table from class to its own code.
A message names the thing, its value and the rule that it breaks.

    ChorusError
    ├── InvalidInput             the caller sent a value that breaks a rule
    │   ├── TextTooLong
    │   ├── BodyTooLarge         a request with more bytes than any may have
    │   ├── NothingToSpeak       a text without anything that can be spoken
    │   ├── InvalidAudio         not audio, damaged, or beyond the bounds of decoding
    │   ├── InvalidImage         not a picture, damaged, or with more pixels than are read
    │   ├── InvalidVideo         not a film, damaged, or beyond the bounds of decoding
    │   ├── NoFace               a picture in which no face was found
    │   ├── InvalidFingerprint   not a fingerprint of a sound, or damaged
    │   ├── InvalidEndpoint      not where a call can be connected to
    │   ├── Taken                a name that must be unique and is somebody's already
    │   └── ForbiddenAddress     an outgoing URL that may not be called
    ├── NotFound
    │   └── VoiceNotFound
    ├── Denied                   who asks may not
    │   ├── InvalidCredential    present and wrong, or expired
    │   └── MissingCredential
    ├── Unavailable              not now, or not on this machine
    │   ├── BackendUnavailable
    │   ├── Draining             the server is shutting down and takes no new work
    │   ├── Overloaded           full; may be tried again later
    │   │   ├── QueueFull
    │   │   ├── RateLimited
    │   │   └── TooManyConnections
    │   ├── DeadlineExceeded
    │   ├── Corrupt              what was fetched is not what was announced
    │   └── Expired              waited longer than its client wanted
    ├── WorkerFailed             a worker refused or broke on this one job
    │   └── WorkerLost           the worker's process ended in the middle of the job
    └── SessionClosed            the peer is gone or was sent away
"""

from collections.abc import Sequence


class ChorusError(Exception):
    """The root: whatever the product itself raises."""


class InvalidInput(ChorusError):
    """A value that the caller sent breaks a rule.

    `field` names the value in the caller's own words, so that a door can point at it.
    """

    def __init__(self, message: str, *, field: str | None = None) -> None:
        super().__init__(message)
        self.field = field


class TextTooLong(InvalidInput):
    """More text, or more speech from a text, than one request may make.

    `length` and `limit` are counted in `unit`. Where the counting stopped at the limit, `length` is the least that it
    can be.
    """

    def __init__(self, message: str, *, length: int, limit: int, unit: str = "characters", field: str = "text") -> None:
        super().__init__(message, field=field)
        self.length = length
        self.limit = limit
        self.unit = unit


class BodyTooLarge(InvalidInput):
    """A request whose body has more than `limit` bytes."""

    def __init__(self, message: str, *, limit: int) -> None:
        super().__init__(message)
        self.limit = limit


class NothingToSpeak(InvalidInput):
    """A text without anything that can be spoken: blank, or emoji alone."""

    def __init__(self) -> None:
        super().__init__("text has nothing in it that can be spoken", field="text")


class InvalidAudio(InvalidInput):
    """Bytes that are not audio, are damaged, or decode to more than the bound."""


class InvalidImage(InvalidInput):
    """Bytes that are not a picture, are damaged, or decode to more pixels than are read."""


class InvalidVideo(InvalidInput):
    """Bytes that are not a film, are damaged, or decode to more than the bound."""


class NoFace(InvalidInput):
    """A picture in which no face was found."""


class InvalidFingerprint(InvalidInput):
    """Bytes that are not a fingerprint of a sound, or are damaged."""


class InvalidEndpoint(InvalidInput):
    """Neither a WebSocket, a SIP address nor a phone number, so that no call can be connected to it."""

    def __init__(self) -> None:
        super().__init__("Unsupported or invalid endpoint. Use ws(s)://, sip:, or phone number.", field="endpoint")


class Taken(InvalidInput):
    """A name that must be unique and is somebody's already."""


class ForbiddenAddress(InvalidInput):
    """An outgoing URL whose scheme, port or address may not be called."""


class NotFound(ChorusError):
    """A named thing that does not exist."""


class VoiceNotFound(NotFound):
    """A voice that the chosen backend does not have."""

    def __init__(self, voice: str, *, backend: str | None = None) -> None:
        where = f" in backend '{backend}'" if backend else ""
        super().__init__(f"voice '{voice}' is not available{where}")
        self.voice = voice
        self.backend = backend


class Denied(ChorusError):
    """Who asks may not do this."""


class InvalidCredential(Denied):
    """A credential that is present and wrong, or has expired."""


class MissingCredential(Denied):
    """No credential where one is needed."""


class Unavailable(ChorusError):
    """Not now, or not on this machine."""


class BackendUnavailable(Unavailable):
    """A named speech backend is absent or cannot speak; `available` lists those that can."""

    def __init__(self, backend: str, *, reason: str, available: Sequence[str] = ()) -> None:
        super().__init__(f"backend '{backend}' is currently unavailable: {reason}")
        self.backend = backend
        self.reason = reason
        self.available = tuple(available)


class Draining(Unavailable):
    """The server is shutting down and takes no new work."""


class Overloaded(Unavailable):
    """Full; the same request may succeed after `retry_after` seconds (None: unknown)."""

    def __init__(self, message: str, *, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class QueueFull(Overloaded):
    """A waiting line holds as many jobs as it may."""


class RateLimited(Overloaded):
    """More requests than the caller's rate allows."""


class TooManyConnections(Overloaded):
    """More connections than an address, or the server, may have at once."""


class DeadlineExceeded(Unavailable):
    """The work was not done within its time."""


class Expired(Unavailable):
    """A job waited longer than its client wanted, and was dropped."""


class Corrupt(Unavailable):
    """What was fetched is not what was announced, so nothing of it may be used."""


class WorkerFailed(ChorusError):
    """A worker refused or broke on this one job; the next one may succeed.

    `answer` is what the worker itself said about it, empty if nothing.
    """

    def __init__(self, message: str, *, answer: bytes = b"") -> None:
        super().__init__(message)
        self.answer = answer


class WorkerLost(WorkerFailed):
    """The worker's process ended in the middle of the job; another has taken its place."""


class SessionClosed(ChorusError):
    """The peer of a session is gone or was sent away, so nothing more can be sent to it."""
