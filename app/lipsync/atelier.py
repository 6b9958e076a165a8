"""Where portraits are commissioned: pictures come out of the album, texts are spoken, and then it is drawn."""

import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Hashable
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import partial
from typing import Final

import anyio

from app.errors import (
    DeadlineExceeded,
    Expired,
    InvalidImage,
    InvalidInput,
    NotFound,
    Overloaded,
    SessionClosed,
    Unavailable,
)
from app.lipsync.album import Album, UnknownPicture, name_of
from app.lipsync.clip import Opening, Order, Portrayal
from app.lipsync.commission import Commission
from app.lipsync.picture import read_header
from app.lipsync.portraits import Portraits
from app.lipsync.renderer import PORTRAIT_POOL, OnProgress, Renderer
from app.lipsync.script import Speaker, Spoken
from app.runtime.workers import CODEC_POOL, Workers

UNKNOWN_MODEL: Final = "unknown"


class Outcome(StrEnum):
    """How a commission ended."""

    DONE = "done"
    CANCELLED = "cancelled"
    """Also by leaving."""
    REFUSED = "refused"
    """What was sent cannot be drawn."""
    BUSY = "busy"
    LATE = "late"
    UNAVAILABLE = "unavailable"
    FAILED = "failed"


_OUTCOMES: tuple[tuple[type[Exception], Outcome], ...] = (
    (InvalidInput, Outcome.REFUSED),
    (NotFound, Outcome.REFUSED),
    (DeadlineExceeded, Outcome.LATE),
    (Expired, Outcome.LATE),
    (Overloaded, Outcome.BUSY),
    (Unavailable, Outcome.UNAVAILABLE),
    (SessionClosed, Outcome.CANCELLED),
)
"""First match wins; anything else has failed."""


@dataclass(frozen=True, slots=True)
class Ended:
    """A commission that has come to an end."""

    model: str
    """Who has drawn it, or was asked to; `UNKNOWN_MODEL` if there is nobody of that name."""
    outcome: Outcome
    seconds: float
    """From its beginning, waiting and speech included."""
    frames: int
    """That were drawn; 0 if it was not done."""


@dataclass(frozen=True, slots=True)
class Likeness:
    """What is seen in a picture of the album."""

    image_id: str
    width: int
    """Pixels, as it speaks without a `resize_factor`."""
    height: int
    faces: int


class Sitting:
    """One commission while it is drawn."""

    def __init__(self, renderer: Renderer, order: Order, client: Hashable) -> None:
        self._renderer, self._order, self._client = renderer, order, client
        self.image_id: str | None = None
        """Name of its picture; None: it is a film."""
        self.has_new_picture = False
        """Whether nobody has sent that before."""
        self.spoken: Spoken | None = None
        """What was spoken for it, if something was."""
        self.portrayal: Portrayal | None = None
        """What has become of it; None until it is done."""

    async def prepare(
        self, commission: Commission, album: Album, portraits: Portraits, speaker: Speaker, workers: Workers
    ) -> None:
        """Get the picture and the sound."""
        self.image_id = commission.image_id
        if self.image_id is not None:
            self._order = replace(self._order, image=album.get(self.image_id))
        elif self._order.video is None:
            read_header(self._order.image)
            self.image_id = await workers.run(CODEC_POOL, partial(name_of, self._order.image))
            self.has_new_picture = self.image_id not in album
            portraits.welcome(self.image_id)
            album.put(self.image_id, self._order.image)
        if commission.script is not None:
            self.spoken = await speaker.speak(commission.script, client=self._client)
            self._order = replace(self._order, audio=self.spoken.audio, phonemes=self.spoken.phonemes)

    def close(self) -> None:
        """Let go of the files; what has become of them is kept, and may be long in being sent."""
        del self._order

    async def render(self, on_progress: OnProgress | None = None) -> Portrayal:
        """Return the whole video; as `Renderer.render`."""
        self.portrayal = await self._renderer.render(self._order, client=self._client, on_progress=on_progress)
        return self.portrayal

    async def stream(self, on_progress: OnProgress | None = None) -> AsyncGenerator[Opening | bytes, None]:
        """Yield what it will be and then the video in fragments; as `Renderer.stream`, the end of which is kept."""
        stream = self._renderer.stream(self._order, client=self._client, on_progress=on_progress)
        async with aclosing(stream) as parts:
            async for part in parts:
                if isinstance(part, Portrayal):
                    self.portrayal = part
                else:
                    yield part


class Atelier:
    """Takes commissions.

    Args:
        renderer: draws.
        portraits: finds faces; the renderer's own.
        album: of pictures that were sent.
        speaker: speaks scripts.
        workers: has the pools `codec` and `portraits`.
        timeout: seconds from a commission with a script to its video; without one the renderer's own counts.
        on_end: is told how every commission ended.
        faces_trouble: tells why faces are only found roughly, None if they are not; may look for files.
        clock: seconds, monotonic.
    """

    def __init__(
        self,
        renderer: Renderer,
        portraits: Portraits,
        album: Album,
        speaker: Speaker,
        workers: Workers,
        *,
        timeout: float,
        on_end: Callable[[Ended], None] = lambda ended: None,
        faces_trouble: Callable[[], str | None] = lambda: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.renderer = renderer
        self.album = album
        self.faces_trouble = faces_trouble
        self._portraits = portraits
        self._speaker = speaker
        self._workers = workers
        self._timeout = timeout
        self._on_end = on_end
        self._clock = clock

    @property
    def jobs(self) -> int:
        """Portraits that are drawn or wait for it."""
        return self.renderer.line.running + self.renderer.line.waiting

    @property
    def kept_bytes(self) -> int:
        """Bytes of what was found out about pictures."""
        return self._portraits.kept_bytes

    @property
    def engines(self) -> dict[str, str | None]:
        """Who can draw: by name None, or why not. Looks for their files."""
        return self.renderer.engines.troubles

    @asynccontextmanager
    async def sitting(self, commission: Commission, *, client: Hashable) -> AsyncIterator[Sitting]:
        """Begin a commission: it is ready to be drawn in the block, which must do that and no more.

        Whose turn it takes, to speak and to draw, is `client`. Cancelling ends the work.

        Raises:
            UnknownPicture: no picture has this name.
            InvalidInput: as `Speaker.speak` and `Renderer.render`.
            NotFound: as `Speaker.speak`.
            Unavailable: as both; `DeadlineExceeded` if speech and drawing together take too long.
        """
        since, outcome = self._clock(), Outcome.CANCELLED
        sitting = Sitting(self.renderer, commission.order, client)
        try:
            with anyio.move_on_after(None if commission.script is None else self._timeout) as scope:
                await sitting.prepare(commission, self.album, self._portraits, self._speaker, self._workers)
                yield sitting
            if scope.cancelled_caught:
                raise DeadlineExceeded(f"the text was not spoken and drawn within {self._timeout:g} s")
        except Exception as error:
            outcome = next((each for kind, each in _OUTCOMES if isinstance(error, kind)), Outcome.FAILED)
            if isinstance(error, InvalidImage) and sitting.has_new_picture and sitting.image_id:
                self.album.discard(sitting.image_id)
            raise
        finally:
            sitting.close()
            portrayal = sitting.portrayal
            self._on_end(
                Ended(
                    portrayal.model_used if portrayal else self._known(commission.order.model),
                    Outcome.DONE if portrayal else outcome,
                    self._clock() - since,
                    portrayal.frames if portrayal else 0,
                )
            )

    async def keep(self, image: bytes, *, client: Hashable) -> Likeness:
        """Look at a picture and put it into the album.

        Raises:
            InvalidImage: it cannot be read.
            QueueFull: too many wait.
        """
        name = await self._workers.run(CODEC_POOL, partial(name_of, image))
        self._portraits.welcome(name)
        likeness = await self._look(name, image, client)
        self.album.put(name, image)
        return likeness

    async def look(self, image_id: str, *, client: Hashable) -> Likeness:
        """Say what is seen in a picture of the album.

        Raises:
            UnknownPicture: there is none of this name.
            QueueFull: too many wait.
        """
        return await self._look(image_id, self.album.get(image_id), client)

    def forget(self, image_id: str) -> None:
        """Take a picture out of the album, and forget what was made of it.

        Raises:
            UnknownPicture: there is none of this name.
        """
        if not self.album.discard(image_id):
            raise UnknownPicture
        self._portraits.forget(image_id)

    async def _look(self, name: str, image: bytes, client: Hashable) -> Likeness:
        order = Order(audio=b"", image=image, model="")
        async with self.renderer.line.turn(client, patience=self._timeout):
            sitter = await self._workers.run_stoppable(PORTRAIT_POOL, partial(self._portraits.look_at, order))
        width, height = sitter.size
        return Likeness(name, width, height, len(sitter.faces))

    def _known(self, model: str) -> str:
        return model if model in self.renderer.engines.names else UNKNOWN_MODEL
