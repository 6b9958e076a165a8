"""`POST /api/v1/lip-sync`: the same in one request, for those who want no progress."""

import time
from collections.abc import Callable
from functools import partial
from typing import Any, Final

import anyio
from fastapi import APIRouter, Request
from starlette.responses import Response

from app.api.lipsync import messages
from app.api.lipsync.failure import failure
from app.api.lipsync.form import is_form, receive_body, receive_form
from app.api.lipsync.intake import Intake
from app.api.lipsync.limits import LipsyncLimits
from app.api.lipsync.reading import FILES, Asked
from app.api.lipsync.video_stream import MP4, VideoStream, headers_of
from app.api.speech_stream import cancel_at_disconnect
from app.errors import ChorusError, SessionClosed
from app.lipsync.atelier import Atelier, Sitting
from app.lipsync.commission import Commission
from app.runtime.credentials import identity_of
from app.runtime.limits import client_key
from app.runtime.workers import CODEC_POOL, Workers

REST_PATH: Final = "/api/v1/lip-sync"

_TEXTS: Final = {
    "text": "string",
    "voice": "string",
    "backend": "string",
    "language": "string",
    "speed": "number",
    "ssml": "boolean",
    "image_id": "string",
}
_FIELDS: Final = {name: {"type": kind} for name, kind in _TEXTS.items()} | {"options": {"type": "object"}}
_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {
                "schema": {
                    "type": "object",
                    "properties": _FIELDS
                    | {f"{name}_base64": {"type": "string", "contentEncoding": "base64"} for name in FILES},
                }
            },
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "properties": _FIELDS | {name: {"type": "string", "format": "binary"} for name in FILES},
                }
            },
        },
    }
}


def rest(atelier: Atelier, workers: Workers, limits: LipsyncLimits) -> APIRouter:
    """Open the route onto the lip-sync engine."""
    routes = APIRouter(tags=["talking portraits"])
    intake = Intake(workers, limits)

    @routes.post(REST_PATH, openapi_extra=_BODY)
    async def draw(request: Request, stream: bool = False) -> Response:
        """Make a picture speak.

        With `Accept: video/mp4` the answer is the file itself, with `stream=true` it comes while it is drawn.
        """
        since = time.monotonic()
        try:
            asked = await _read(intake, request)
            if stream or asked.is_streamed:
                return VideoStream(atelier, asked.commission, client=client_of(request))
            sitting = await _rendered(atelier, asked.commission, request)
        except ChorusError as error:
            return failure(error)
        return await workers.run(CODEC_POOL, _answer(request, sitting, time.monotonic() - since))

    return routes


def client_of(request: Request) -> str:
    """Return by whom turns are counted: who asks, or from which address."""
    identity = identity_of(request.scope)
    if identity is not None:
        return identity.subject
    return client_key(request.client.host) if request.client else ""


async def _read(intake: Intake, request: Request) -> Asked:
    if is_form(request):
        return await intake.form([await receive_form(request)])
    return await intake.body([await receive_body(request)])


async def _rendered(atelier: Atelier, commission: Commission, request: Request) -> Sitting:
    """Render as long as the client is there.

    Raises:
        SessionClosed: it is gone.
        ChorusError: as `Atelier.sitting` and `Sitting.render`.
    """
    rendered: Sitting | None = None
    error: Exception = SessionClosed("the client has gone")
    try:
        async with anyio.create_task_group() as group:
            group.start_soon(cancel_at_disconnect, request.receive, group.cancel_scope)
            async with atelier.sitting(commission, client=client_of(request)) as sitting:
                await sitting.render()
            rendered = sitting
            group.cancel_scope.cancel()
    except ExceptionGroup as errors:
        error = errors.exceptions[0]  # the engine's own; the watcher raises nothing
    if rendered is None:
        raise error
    return rendered


def _answer(request: Request, sitting: Sitting, seconds: float) -> Callable[[], Response]:
    portrayal = sitting.portrayal
    assert portrayal is not None
    if MP4 in request.headers.get("accept", ""):
        return partial(Response, portrayal.video, media_type=MP4, headers=headers_of(portrayal, sitting))

    def encoded() -> Response:
        text = messages.encode_result(messages.new_job_id(), sitting, seconds=seconds, timestamp=time.time())
        return Response(text, media_type="application/json")

    return encoded
