"""The audio of takes, behind its signed URL: a wav while it is made, anything else when the take is ready."""

from collections.abc import Awaitable, Callable
from enum import StrEnum

import anyio
from fastapi import APIRouter, Request
from starlette.responses import FileResponse, Response

from app.api.speak.failure import NoAudio, SpeakRoute, failure
from app.api.speak.growing_audio import GrowingAudio
from app.api.speak.limits import SpeakLimits
from app.api.speak.listing import checked
from app.api.speak.reply import owner_of
from app.api.speech_stream import cancel_at_disconnect
from app.audio.format import Format
from app.errors import ChorusError, DeadlineExceeded, NotFound
from app.takes.studio import Studio
from app.takes.take import Status

GONE = 499
"""The status, nginx's, of a request whose client did not wait for the answer."""


class AudioFormat(StrEnum):
    """What a take may be fetched as."""

    WAV = "wav"
    MP3 = "mp3"
    FLAC = "flac"
    M4A = "m4a"
    WEBM = "webm"


def audio_routes(studio: Studio, limits: SpeakLimits) -> APIRouter:
    """Open the audio onto the studio."""
    routes = APIRouter(prefix="/audio", tags=["takes"], route_class=SpeakRoute)

    @routes.head("/{take_id}/{format}", include_in_schema=False)
    @routes.get("/{take_id}/{format}", response_class=Response)
    async def send_audio(request: Request, take_id: str, format: AudioFormat) -> Response:
        """Send a wav as it is made; other formats, and a take that is finished, as files, of which ranges are sent."""
        owner = owner_of(request)

        async def find() -> Response:
            await _check(studio, owner, checked(take_id, kind="take"))
            try:
                return await _audio(studio, take_id, Format(format.value))
            except NotFound:
                await _check(studio, owner, take_id)  # which may have failed meanwhile, and then says why
                raise

        return await _while_wanted(request, find, seconds=limits.wait_seconds)

    return routes


async def _check(studio: Studio, owner: str, take_id: str) -> None:
    """Refuse a take without audio.

    Raises:
        NotFound: the account has none of this id.
        NoAudio: it failed.
    """
    take = await studio.find_take(owner, take_id)
    if take.status in (Status.ERROR, Status.TIMEOUT):
        raise NoAudio(f"take '{take.id}' has no audio, it ended with status {take.status}: {take.error}")


async def _audio(studio: Studio, take_id: str, format: Format) -> Response:
    path = None
    if format is Format.WAV:
        recording = await studio.recording(take_id)
        if not recording.is_finished:
            return GrowingAudio(recording)
        path = recording.path
    return FileResponse(
        path or await studio.encoded(take_id, format),
        media_type=format.content_type,
        filename=f"{take_id}.{format.value}",
        content_disposition_type="inline",
    )


async def _while_wanted(request: Request, find: Callable[[], Awaitable[Response]], *, seconds: float) -> Response:
    """Return what is found, or what keeps it from being found; stop looking when the client goes, or after a time."""
    answer = Response(status_code=GONE)
    async with anyio.create_task_group() as group:
        group.start_soon(cancel_at_disconnect, request.receive, group.cancel_scope)
        try:
            with anyio.fail_after(seconds):
                answer = await find()
        except TimeoutError:
            answer = failure(DeadlineExceeded(f"the take is not ready after {seconds:g} s, it may be asked for again"))
        except ChorusError as error:
            answer = failure(error)
        group.cancel_scope.cancel()
    return answer
