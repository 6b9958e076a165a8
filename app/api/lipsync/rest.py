"""`POST /api/v1/lip-sync`: the same in one request, for those who want no progress."""

import json
import time
from collections.abc import Callable
from functools import partial
from http import HTTPStatus
from typing import Any, Final

import anyio
from fastapi import APIRouter, Request
from starlette.responses import JSONResponse, Response

from app.api.lipsync import messages
from app.api.lipsync.conversation import LipsyncLimits
from app.api.speech_stream import cancel_at_disconnect
from app.errors import ChorusError, InvalidInput, Overloaded, SessionClosed, Unavailable
from app.lipsync.clip import Order, Portrayal
from app.lipsync.renderer import Renderer
from app.runtime.credentials import identity_of
from app.runtime.limits import client_key
from app.runtime.workers import CODEC_POOL, Workers

REST_PATH: Final = "/api/v1/lip-sync"
MP4: Final = "video/mp4"

STATUSES: tuple[tuple[type[ChorusError], HTTPStatus], ...] = (
    (messages.Undecodable, HTTPStatus.UNPROCESSABLE_ENTITY),
    (InvalidInput, HTTPStatus.UNPROCESSABLE_ENTITY),
    (Overloaded, HTTPStatus.TOO_MANY_REQUESTS),
    (Unavailable, HTTPStatus.SERVICE_UNAVAILABLE),
)
"""First match wins; anything else is 500."""

_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {
                "schema": {
                    "type": "object",
                    "required": ["audio_base64", "image_base64"],
                    "properties": {
                        "audio_base64": {"type": "string", "format": "byte"},
                        "image_base64": {"type": "string", "format": "byte"},
                        "options": {"type": "object"},
                    },
                }
            }
        },
    }
}


def rest(renderer: Renderer, workers: Workers, limits: LipsyncLimits) -> APIRouter:
    """Open the route onto the lip-sync engine."""
    routes = APIRouter(tags=["talking portraits"])

    @routes.post(REST_PATH, openapi_extra=_BODY)
    async def draw(request: Request) -> Response:
        """Make a picture speak. With `Accept: video/mp4` the answer is the file itself."""
        since = time.monotonic()
        body = await request.body()
        try:
            order = await workers.run(CODEC_POOL, partial(_order, body, limits))
            portrayal = await _rendered(renderer, order, request)
        except ChorusError as error:
            return _failure(error)
        return await workers.run(CODEC_POOL, _answer(request, portrayal, time.monotonic() - since))

    return routes


def _order(body: bytes, limits: LipsyncLimits) -> Order:
    return messages.decode_process(body).order(
        max_audio_bytes=limits.max_audio_bytes, max_image_bytes=limits.max_image_bytes
    )


async def _rendered(renderer: Renderer, order: Order, request: Request) -> Portrayal:
    """Render as long as the client is there.

    Raises:
        SessionClosed: it is gone.
        ChorusError: as `Renderer.render`.
    """
    portrayal: Portrayal | None = None
    error: Exception = SessionClosed("the client has gone")
    try:
        async with anyio.create_task_group() as group:
            group.start_soon(cancel_at_disconnect, request.receive, group.cancel_scope)
            portrayal = await renderer.render(order, client=_client(request))
            group.cancel_scope.cancel()
    except ExceptionGroup as errors:
        error = errors.exceptions[0]  # the engine's own; the watcher raises nothing
    if portrayal is None:
        raise error
    return portrayal


def _answer(request: Request, portrayal: Portrayal, seconds: float) -> Callable[[], Response]:
    if MP4 in request.headers.get("accept", ""):
        headers = {"X-Model-Used": portrayal.model_used, "X-Requested-Model": portrayal.requested_model}
        if portrayal.fallback_reason is not None:
            headers["X-Fallback-Reason"] = json.dumps(portrayal.fallback_reason)
        return partial(Response, portrayal.video, media_type=MP4, headers=headers)

    def encoded() -> Response:
        text = messages.encode_result(messages.new_job_id(), portrayal, seconds=seconds, timestamp=time.time())
        return Response(text, media_type="application/json")

    return encoded


def _failure(error: ChorusError) -> JSONResponse:
    status = next((status for kind, status in STATUSES if isinstance(error, kind)), HTTPStatus.INTERNAL_SERVER_ERROR)
    content = {"detail": str(error), "error_type": messages.error_type_of(error)}
    return JSONResponse(content, status_code=status)


def _client(request: Request) -> str:
    """Return by whom turns are counted: who asks, or from which address."""
    identity = identity_of(request.scope)
    if identity is not None:
        return identity.subject
    return client_key(request.client.host) if request.client else ""
