"""The REST side of live speech: `/tts`, `/tts/stream`, `/tts/captions`, `/voices`, `/backends`, `/stats`."""

from collections.abc import Callable
from dataclasses import replace
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from pybase64 import b64encode_as_string
from pydantic import BaseModel, Field
from starlette.responses import JSONResponse, Response

from app.api.danmu import messages
from app.api.danmu.captions import captions_routes
from app.api.danmu.failure import failure
from app.api.danmu.stream_response import SpeechStream
from app.audio.format import Format
from app.errors import BackendUnavailable, ChorusError, InvalidInput
from app.runtime.limits import client_key
from app.tts.speech import MAX_SAMPLE_RATE, MAX_SPEED, MIN_SAMPLE_RATE, MIN_SPEED, BackendReport, Quality, SpeechRequest
from app.tts.synthesizer import Synthesizer

MAX_TEXT_CHARACTERS = 1000
MAX_STREAM_CHARACTERS = 10_000
STREAM_FORMATS = (*messages.FORMATS, Format.WEBM, Format.PCM)

Speed = Annotated[float, Field(ge=MIN_SPEED, le=MAX_SPEED)]
SampleRate = Annotated[int, Field(ge=MIN_SAMPLE_RATE, le=MAX_SAMPLE_RATE)]


class SpeechParameters(BaseModel):
    """How a text is to be spoken; null and absent leave the choice to the engine."""

    voice: str | None = None
    backend: str | None = None
    quality: Quality | None = None
    format: Format | None = None
    sample_rate: SampleRate | None = None
    speed: Speed | None = None
    ssml: bool | None = None
    """Whether the text is markup (SSML)."""

    def request(self, text: str, *, formats: tuple[Format, ...]) -> SpeechRequest:
        """Return what is asked of the engine.

        Raises:
            InvalidInput: the format is none of these.
        """
        if self.format is not None and self.format not in formats:
            raise InvalidInput(f"format '{self.format}' must be one of {', '.join(formats)}", field="format")
        return SpeechRequest(
            text=text,
            voice=self.voice or None,
            backend=self.backend or None,
            quality=self.quality or Quality.MEDIUM,
            format=self.format or Format.WAV,
            sample_rate=self.sample_rate,
            speed=1.0 if self.speed is None else self.speed,
            ssml=bool(self.ssml),
        )


class TtsBody(SpeechParameters):
    """The body of `POST /tts`."""

    text: Annotated[str, Field(min_length=1, max_length=MAX_TEXT_CHARACTERS)]
    timestamps: bool | None = None
    """Whether the times of words and phonemes are wanted."""


class StreamQuery(SpeechParameters):
    """The query of `GET /tts/stream`."""

    text: Annotated[str, Field(min_length=1, max_length=MAX_STREAM_CHARACTERS)]


class AudioMetadata(BaseModel):
    """What is true of the audio."""

    backend: str
    fallback_from: str | None
    """The backend that should have spoken and could not."""
    voice: str
    duration: float
    """Seconds."""
    sample_rate: int
    """Hz."""
    format: str
    size_bytes: int
    """Of the decoded audio."""


class Timestamp(BaseModel):
    """When a word, as it is spoken, or a phoneme, in IPA, is heard."""

    text: str
    start: float
    """Seconds from the beginning of the audio."""
    end: float
    """Seconds."""


class Timestamps(BaseModel):
    """Times of words and phonemes, in order."""

    words: list[Timestamp]
    phonemes: list[Timestamp]


class TtsReply(BaseModel):
    """The answer of `POST /tts`."""

    audio_data: str
    """Base64 of a complete file."""
    metadata: AudioMetadata
    cached: bool
    timestamps: Timestamps | None = None
    """Only if asked for; null where the voice does not know them."""


class ListedVoice(BaseModel):
    """One voice of `GET /voices`."""

    id: str
    name: str
    language: str
    gender: str
    backend: str


class ListedBackend(BaseModel):
    """One backend of `GET /backends`."""

    name: str
    enabled: bool
    available: bool
    reason: str | None
    load: float
    """Fraction 0…1 of its places that are taken."""
    queue_size: int
    average_processing_time: float | None
    """Seconds; null before the first job."""


def rest(synthesizer: Synthesizer, *, stats: Callable[[], dict[str, Any]]) -> APIRouter:
    """Open the REST routes onto the speech engine; `stats` gives what `/stats` says of the server."""
    routes = APIRouter(tags=["speech"])

    @routes.post("/tts", response_model=TtsReply)
    async def speak(body: TtsBody, request: Request) -> Response:
        try:
            asked = replace(body.request(body.text, formats=messages.FORMATS), timestamps=bool(body.timestamps))
            speech = await synthesizer.speak(asked, client=_client(request))
        except ChorusError as error:
            return failure(error)
        audio = b64encode_as_string(speech.audio)
        reply = {"audio_data": audio, "metadata": messages.metadata(speech), "cached": speech.cached}
        return JSONResponse(reply | ({"timestamps": messages.timestamps(speech)} if asked.timestamps else {}))

    @routes.get("/tts/stream", response_class=Response)
    async def stream(request: Request, query: Annotated[StreamQuery, Query()]) -> Response:
        try:
            asked = query.request(query.text, formats=STREAM_FORMATS)
        except ChorusError as error:
            return failure(error)
        return SpeechStream(synthesizer, asked, client=_client(request))

    routes.include_router(captions_routes(synthesizer))

    @routes.get("/voices", response_model=list[ListedVoice])
    async def voices(backend: str | None = None, language: str | None = None) -> Any:
        try:
            listed = synthesizer.voices(backend=backend or None, language_tag=language or None)
        except BackendUnavailable as error:
            known = [report.name for report in synthesizer.reports()]
            if backend not in known:
                return JSONResponse({"detail": f"Backend '{backend}' not found"}, status_code=404)
            return failure(error)
        return JSONResponse([messages.describe_voice(voice) for voice in listed])

    @routes.get("/backends", response_model=list[ListedBackend])
    async def backends() -> Any:
        return [_describe(report) for report in synthesizer.reports()]

    @routes.get("/stats")
    async def statistics() -> dict[str, Any]:
        return stats() | {
            "cache_hit_rate": _hit_percent(synthesizer),
            "cache_bytes": synthesizer.cache.size_bytes,
            "backend_status": [_describe(report) for report in synthesizer.reports()],
            "gpu_usage": None,
        }

    return routes


def _client(request: Request) -> str:
    return client_key(request.client.host) if request.client else ""


def _describe(report: BackendReport) -> dict[str, Any]:
    return {
        "name": report.name,
        "enabled": True,
        "available": report.available,
        "reason": report.reason,
        "load": report.running / report.concurrency,
        "queue_size": report.waiting,
        "average_processing_time": report.average_seconds,
    }


def _hit_percent(synthesizer: Synthesizer) -> float:
    looked = synthesizer.cache.hits + synthesizer.cache.misses
    return 100.0 * synthesizer.cache.hits / looked if looked else 0.0
