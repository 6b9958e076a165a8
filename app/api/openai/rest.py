"""OpenAI's speech API: `/v1/audio/speech`, `/v1/audio/voices`, `/v1/models`."""

import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import JSONResponse, Response

from app.api.openai import messages
from app.api.openai.failure import ModelNotFound, OpenAIRoute, describe, failure
from app.api.openai.messages import EVENT_STREAM, FORMATS, MODELS, SpeechBody
from app.api.openai.voices import NAMES, describe_aliases, stand_in
from app.api.speech_stream import SpeechStream, Wrapping
from app.errors import ChorusError
from app.runtime.limits import client_key
from app.tts.speech import Quality, SpeechRequest
from app.tts.synthesizer import Synthesizer

PATHS = ("/v1/audio/", "/v1/models")
"""What the paths of this door begin with."""

EVENTS = Wrapping(
    wrap=messages.encode_delta,
    end=messages.encode_done(),
    fail=lambda error: messages.encode_failed(describe(error)),
)


def rest(synthesizer: Synthesizer, *, clock: Callable[[], float] = time.time) -> APIRouter:
    """Open the routes onto the speech engine.

    Args:
        synthesizer: speaks.
        clock: Unix seconds; models are `created` when the routes are.
    """
    told: dict[int | str, dict[str, Any]] = {
        "4XX": {"model": messages.ErrorReply},
        "5XX": {"model": messages.ErrorReply},
    }
    routes = APIRouter(prefix="/v1", tags=["openai"], route_class=OpenAIRoute, responses=told)
    created = int(clock())

    @routes.post("/audio/speech", response_class=Response)
    async def create_speech(body: SpeechBody, request: Request) -> Response:
        try:
            asked = _ask(synthesizer, body)
        except ChorusError as error:
            return failure(error)
        as_events = body.stream_format == "sse"
        return SpeechStream(
            synthesizer,
            asked,
            client=client_key(request.client.host) if request.client else "",
            failure=failure,
            media_type=EVENT_STREAM if as_events else messages.content_type(body.response_format or "mp3"),
            wrapping=EVENTS if as_events else None,
        )

    @routes.get("/audio/voices")
    async def list_voices(model: str | None = None, language: str | None = None) -> Response:
        try:
            _, backend = _choose_model(synthesizer, model) if model else (None, None)
            listed = synthesizer.voices(backend=backend, language_tag=language or None)
        except ChorusError as error:
            return failure(error)
        return JSONResponse({"voices": [*describe_aliases(), *map(messages.describe_voice, listed)]})

    @routes.get("/models")
    async def list_models() -> dict[str, Any]:
        names = [*MODELS, *synthesizer.available]
        return {"object": "list", "data": [messages.describe_model(name, created=created) for name in names]}

    @routes.get("/models/{model:path}")
    async def retrieve_model(model: str) -> Response:
        if model not in MODELS and model not in synthesizer.available:
            return failure(ModelNotFound(model))
        return JSONResponse(messages.describe_model(model, created=created))

    return routes


def _ask(synthesizer: Synthesizer, body: SpeechBody) -> SpeechRequest:
    """Return what is asked of the engine.

    Raises:
        ModelNotFound: neither an alias nor a backend.
        ChorusError: nobody can stand in for one of OpenAI's voices. What else is wrong, the stream tells as it begins.
    """
    quality, backend = _choose_model(synthesizer, body.model)
    response_format = body.response_format or "mp3"
    asked = SpeechRequest(
        body.input,
        voice=None if body.voice in NAMES else body.voice,
        backend=backend,
        quality=quality,
        format=FORMATS[response_format],
        sample_rate=messages.sample_rate(response_format, quality),
        speed=1.0 if body.speed is None else body.speed,
    )
    if body.voice not in NAMES:
        return asked
    natural = synthesizer.choose_voice(asked)
    return replace(asked, voice=stand_in(body.voice, natural, synthesizer.voices(backend=natural.backend)))


def _choose_model(synthesizer: Synthesizer, model: str) -> tuple[Quality, str | None]:
    """Return quality and backend, None for the automatic one."""
    quality = messages.quality_of(model)
    if quality is not None:
        return quality, None
    if model not in [report.name for report in synthesizer.reports()]:
        raise ModelNotFound(model)
    return Quality.MEDIUM, model
