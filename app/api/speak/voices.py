"""Voices over REST."""

from typing import Annotated

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from app.api.speak.answers import VoiceInfo, describe_voice
from app.api.speak.failure import SpeakRoute
from app.api.speak.listing import ListQuery, checked
from app.api.speak.reply import owner_of, reply
from app.api.speak.schemas import VoiceGenerate, VoiceUpdate
from app.takes.studio import Studio


class VoicesQuery(ListQuery):
    """The query of `GET /v1/speak/voices`."""

    voice_id: list[str] | None = None
    """Only these, with commas between them."""


def voices_routes(studio: Studio) -> APIRouter:
    """Open the voices onto the studio."""
    routes = APIRouter(prefix="/voices", tags=["voices"], route_class=SpeakRoute)

    @routes.get("", response_model=list[VoiceInfo])
    async def list_voices(request: Request, query: Annotated[VoicesQuery, Query()]) -> Response:
        """List the account's voices, and those of everybody."""
        page = query.wanted(query.voice_id, field="voice_id")
        voices = await studio.list_voices(owner_of(request), page)
        return reply([describe_voice(voice) for voice in voices])

    @routes.post("/generate", response_model=VoiceInfo)
    async def generate_voice(request: Request, body: VoiceGenerate) -> Response:
        """Begin a voice and its example take, and answer before they are made."""
        return reply(describe_voice(await studio.make_voice(owner_of(request), body.request())))

    @routes.get("/{voice_id}", response_model=VoiceInfo)
    async def get_voice(request: Request, voice_id: str) -> Response:
        voice = await studio.find_voice(owner_of(request), checked(voice_id, kind="voice"))
        return reply(describe_voice(voice))

    @routes.post("/{voice_id}", response_model=bool)
    async def update_voice(request: Request, voice_id: str, body: VoiceUpdate) -> Response:
        """Change what is said of a voice, or its defaults; how it sounds stays."""
        await studio.update_voice(owner_of(request), checked(voice_id, kind="voice"), body.change())
        return reply(True)

    @routes.delete("/{voice_id}", response_model=bool)
    async def delete_voice(request: Request, voice_id: str) -> Response:
        """Forget a voice; its takes stay."""
        await studio.delete_voice(owner_of(request), checked(voice_id, kind="voice"))
        return reply(True)

    return routes
