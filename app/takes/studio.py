"""The studio: makes takes and voices with the speech engine, keeps them, and tells who wants to know.

Rules of this file:

1. Whoever is told of a take can find it again: nothing is told before the take is in the store. The store writes
   beside the speaking, so the first part waits for whichever of the two is later.
2. Statuses come in one order to the store, to the webhooks and to the listener. What the store and the webhooks know
   may be ahead of what a slow listener has heard, by four parts at most.
3. A take never fails for its listener or its webhooks. Whoever stops listening leaves it to be made to its end.
4. A stop of the server puts what it was making back to `waiting`, to be made from the beginning at the next start. What
   was being made when the server was killed ends as `error` then, since nobody knows what was heard of it.
"""

from collections.abc import Hashable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Protocol

from app.takes.model import Model
from app.takes.part import Part
from app.takes.store import Page
from app.takes.take import Take, TakeRequest
from app.takes.voice import Voice, VoiceChange, VoiceRequest


class Listener(Protocol):
    """Who follows a take or a voice while it is made. The two methods are never awaited at the same time."""

    async def told(self, item: Take | Voice) -> None:
        """Its status changed; the last one is done. Whatever this raises, the making goes on."""

    async def heard(self, part: Part) -> None:
        """The next part. It may wait as long as it likes: at most four parts are made ahead of what was heard."""


class Studio:
    """Makes takes and voices. An async context manager; lives on one event loop."""

    async def __aenter__(self) -> "Studio":
        raise NotImplementedError

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        raise NotImplementedError

    def models(self) -> list[Model]:
        """Return what can speak now."""
        raise NotImplementedError

    async def make_takes(self, owner: str, requests: Sequence[TakeRequest]) -> list[Take]:
        """Store takes as `waiting`, all or none, to be made soon; returns them in the order of the requests.

        Raises:
            NotFound: a voice does not exist.
            InvalidInput: a request breaks a rule.
            Overloaded: the account has as many takes waiting as it may.
            BackendUnavailable: the model of a voice cannot speak now.
            Unavailable: the store cannot keep them now, or the server is stopping.
        """
        raise NotImplementedError

    async def perform_take(self, owner: str, request: TakeRequest, listener: Listener, *, client: Hashable) -> Take:
        """Make a take while somebody listens; returns it when it is done, `ready` or not.

        The listener is told `waiting` first, the done take last, and hears every part between; what it raises is raised
        here. If this is cancelled, or the listener raises, the take goes on without it. `client` shares the speech
        engine fairly with other clients. Raises what `make_takes` raises, before anything is told.
        """
        raise NotImplementedError

    async def find_take(self, owner: str, take_id: str) -> Take:
        """Return an account's take.

        Raises:
            NotFound: it has none of this id.
        """
        raise NotImplementedError

    async def list_takes(self, owner: str, page: Page) -> list[Take]:
        """Return an account's takes, newest first."""
        raise NotImplementedError

    async def delete_take(self, owner: str, take_id: str) -> None:
        """Forget a take and its audio; one that is being made is not made any further.

        Raises:
            NotFound: the account has none of this id.
        """
        raise NotImplementedError

    async def make_voice(self, owner: str, request: VoiceRequest) -> Voice:
        """Store a new voice as `waiting`, which is done when its example take is; raises as `make_takes` does."""
        raise NotImplementedError

    async def perform_voice(self, owner: str, request: VoiceRequest, listener: Listener, *, client: Hashable) -> Voice:
        """Make a voice while somebody listens to its example take; as `perform_take`, but told of the voice."""
        raise NotImplementedError

    async def find_voice(self, owner: str, voice_id: str) -> Voice:
        """Return a voice of the account or of everybody.

        Raises:
            NotFound: there is none of this id.
        """
        raise NotImplementedError

    async def list_voices(self, owner: str, page: Page) -> list[Voice]:
        """Return the voices of the account and of everybody, newest first."""
        raise NotImplementedError

    async def update_voice(self, owner: str, voice_id: str, change: VoiceChange) -> Voice:
        """Change what is said of a voice, or its defaults; how it sounds stays.

        Raises:
            NotFound: there is none of this id.
            Denied: it belongs to everybody.
            InvalidInput: its model cannot do what would be the default.
        """
        raise NotImplementedError

    async def delete_voice(self, owner: str, voice_id: str) -> None:
        """Forget a voice; its takes stay.

        Raises:
            NotFound: there is none of this id.
            Denied: it belongs to everybody.
        """
        raise NotImplementedError

    async def encoded(self, take_id: str, format: str) -> Path:
        """Return the file of a ready take in mp3, flac, m4a or webm, made when it is first asked for.

        Raises:
            NotFound: there is no such take, or its audio is gone.
        """
        raise NotImplementedError
