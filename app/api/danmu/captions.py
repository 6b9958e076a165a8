"""`GET /tts/captions`: what a text will be shown as while it is spoken."""

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, Field
from starlette.responses import JSONResponse, Response

from app.api.danmu.failure import failure
from app.errors import ChorusError, InvalidInput
from app.runtime.limits import client_key
from app.tts.caption_files import CONTENT_TYPES, CaptionFormat, srt, vtt
from app.tts.captions import Cue, Word, captions
from app.tts.speech import MAX_SPEED, MIN_SPEED, Quality, Speech, SpeechRequest
from app.tts.synthesizer import Synthesizer

MAX_TEXT_CHARACTERS = 1000


class CaptionsQuery(BaseModel):
    """What is spoken, as for `POST /tts`, and how its captions are written."""

    text: Annotated[str, Field(min_length=1, max_length=MAX_TEXT_CHARACTERS)]
    voice: str | None = None
    backend: str | None = None
    quality: Quality | None = None
    speed: Annotated[float, Field(ge=MIN_SPEED, le=MAX_SPEED)] = 1.0
    ssml: bool = False
    format: CaptionFormat = CaptionFormat.VTT
    word_times: bool = False
    """Whether each word of a `vtt` has its own time, for karaoke."""

    def request(self) -> SpeechRequest:
        """Return what is asked of the engine."""
        return SpeechRequest(
            text=self.text,
            voice=self.voice or None,
            backend=self.backend or None,
            quality=self.quality or Quality.MEDIUM,
            speed=self.speed,
            ssml=self.ssml,
            timestamps=True,
        )


def captions_routes(synthesizer: Synthesizer) -> APIRouter:
    """Open the captions onto the speech engine."""
    routes = APIRouter(tags=["speech"])

    @routes.get("/tts/captions", response_class=Response)
    async def write(query: Annotated[CaptionsQuery, Query()], request: Request) -> Response:
        asked = query.request()
        client = client_key(request.client.host) if request.client else ""
        try:
            phrases = synthesizer.plan(asked).score.phrases
            speech = await synthesizer.speak(asked, client=client)
            cues = captions(" ".join(p.utterance.text for p in phrases), speech.marks, duration=speech.duration)
            if not cues:
                raise InvalidInput(f"backend '{speech.backend}' does not tell the times of its words", field="backend")
        except ChorusError as error:
            return failure(error)
        return _response(query, speech, cues)

    return routes


def _response(query: CaptionsQuery, speech: Speech, cues: list[Cue]) -> Response:
    if query.format is CaptionFormat.JSON:
        return JSONResponse(
            {
                "backend": speech.backend,
                "voice": speech.voice.id,
                "duration": round(speech.duration, 6),
                "cues": [_describe(cue) for cue in cues],
            }
        )
    text = srt(cues) if query.format is CaptionFormat.SRT else vtt(cues, word_times=query.word_times)
    return Response(text, media_type=CONTENT_TYPES[query.format])


def _describe(cue: Cue) -> dict[str, Any]:
    lines = ["".join(word.text for word in line).strip() for line in cue.lines]
    words = [_describe_word(word) for line in cue.lines for word in line]
    return {"start": round(cue.start, 4), "end": round(cue.end, 4), "lines": lines, "words": words}


def _describe_word(word: Word) -> dict[str, Any]:
    return {"text": word.text.strip(), "start": round(word.start, 4), "end": round(word.end, 4)}
