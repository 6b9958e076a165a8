"""`/api/v1/recognize`: a file in, the music that is heard in it out."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any, Final, Literal

import anyio
from fastapi import APIRouter, Query, Request
from pydantic import BaseModel
from starlette.responses import JSONResponse, Response

from app.api.speech_stream import cancel_at_disconnect
from app.api.stream.cue_file import MEDIA_TYPE, encode_cue
from app.api.stream.failure import StreamRoute
from app.api.stream.upload_body import body_schema
from app.api.stream.uploads import Upload, Uploads
from app.errors import Overloaded, SessionClosed
from app.fingerprint.identifier import Identified, Identifier, Sighting
from app.runtime.credentials import identity_of
from app.runtime.limits import client_key

PATH: Final = "/api/v1/recognize"
UPLOAD: dict[str, Any] = body_schema("A recording: a clip, or a mix of hours.")


class FileMatch(BaseModel):
    """A stretch of the recording, and the track that is heard there."""

    video_id: str
    title: str
    url: str | None
    thumbnail_url: str | None
    recording_start: float
    """Seconds in the recording."""
    recording_end: float
    start_time: float
    """Seconds in the track."""
    end_time: float
    speed: float
    """1.02: the recording plays it 2 % faster."""
    similarity_score: float
    confidence: float


class RecognizeAnswer(BaseModel):
    """What is heard."""

    duration: float
    """Seconds that the recording has."""
    matches: list[FileMatch]
    """In the order in which they begin; none if nothing of the catalogue is heard."""


class Places:
    """How many files may be on their way at once: all together, and of one client a quarter of them, rounded up.

    0 is no limit.
    """

    def __init__(self, total: int) -> None:
        self._total = total
        self._taken: Counter[str] = Counter()

    @contextmanager
    def place(self, client: str) -> Iterator[None]:
        """Hold a place.

        Raises:
            Overloaded: there is none.
        """
        if self._total and (self._taken.total() >= self._total or self._taken[client] >= -(-self._total // 4)):
            raise Overloaded("too many files are being recognised", retry_after=5.0)
        self._taken[client] += 1
        try:
            yield
        finally:
            self._taken[client] -= 1
            if not self._taken[client]:
                del self._taken[client]


def recognize(identifier: Identifier, uploads: Uploads, *, places: int) -> APIRouter:
    """Open the route.

    Args:
        identifier: the engine.
        uploads: where files lie meanwhile.
        places: files that may be on their way, or wait, at once; 0 for any number.
    """
    routes = APIRouter(tags=["recognition"], route_class=StreamRoute)
    taken = Places(places)

    @routes.post(PATH, response_model=RecognizeAnswer, openapi_extra=UPLOAD)
    async def recognize_file(request: Request, format: Annotated[Literal["json", "cue"], Query()] = "json") -> Response:
        """Tell which tracks are heard in a file, and when; `format=cue` gives a cue sheet."""
        client = _client(request)
        with taken.place(client):
            async with uploads.receive(request) as upload:
                found = await _identify(identifier, upload, request, client)
                return _answer(found, upload, format)

    return routes


async def _identify(identifier: Identifier, upload: Upload, request: Request, client: str) -> Identified:
    """Identify as long as the client is there.

    Raises:
        SessionClosed: it is gone.
        ChorusError: as `Identifier.identify`.
    """
    found: Identified | None = None
    error: Exception = SessionClosed("the client has gone")
    try:
        async with anyio.create_task_group() as group:
            group.start_soon(cancel_at_disconnect, request.receive, group.cancel_scope)
            found = await identifier.identify(upload.path, client=client)
            group.cancel_scope.cancel()
    except ExceptionGroup as errors:
        error = errors.exceptions[0]  # the engine's own; the watcher raises nothing
    if found is None:
        raise error
    return found


def _answer(found: Identified, upload: Upload, format: str) -> Response:
    if format == "cue":
        return Response(encode_cue(found.sightings, file_name=upload.name or "recording"), media_type=MEDIA_TYPE)
    matches = [_describe(sighting) for sighting in found.sightings]
    return JSONResponse(RecognizeAnswer(duration=round(found.seconds, 3), matches=matches).model_dump())


def _describe(sighting: Sighting) -> FileMatch:
    cue, track = sighting.cue, sighting.track
    return FileMatch(
        video_id=track.video_id,
        title=track.title,
        url=track.url,
        thumbnail_url=track.thumbnail_url,
        recording_start=round(cue.start, 2),
        recording_end=round(cue.end, 2),
        start_time=round(cue.track_start, 2),
        end_time=round(cue.track_end, 2),
        speed=round(cue.speed, 4),
        similarity_score=round(cue.similarity, 4),
        confidence=round(cue.confidence, 6),
    )


def _client(request: Request) -> str:
    """Return by whom turns are counted: who asks, or from which address."""
    identity = identity_of(request.scope)
    if identity is not None:
        return identity.subject
    return client_key(request.client.host) if request.client else ""
