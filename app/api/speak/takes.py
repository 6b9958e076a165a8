"""Takes over REST."""

from typing import Annotated, Any

from fastapi import APIRouter, Body, Query, Request
from pydantic import Discriminator, Tag
from starlette.responses import RedirectResponse, Response

from app.api.speak.answers import TakeResponse, describe_take
from app.api.speak.audio import AudioFormat
from app.api.speak.failure import SpeakRoute
from app.api.speak.listing import ListQuery, checked
from app.api.speak.reply import owner_of, reply
from app.api.speak.schemas import TakeGenerate
from app.api.speak.urls import SignedUrls
from app.takes.studio import Studio

OneOrMany = Annotated[
    Annotated[TakeGenerate, Tag("one")] | Annotated[list[TakeGenerate], Tag("many")],
    Discriminator(lambda body: "many" if isinstance(body, list) else "one"),
]


class TakesQuery(ListQuery):
    """The query of `GET /v1/speak/takes`."""

    take_id: list[str] | None = None
    """Only these, with commas between them."""


def takes_routes(studio: Studio, urls: SignedUrls) -> APIRouter:
    """Open the takes onto the studio."""
    routes = APIRouter(prefix="/takes", tags=["takes"], route_class=SpeakRoute)

    @routes.get("", response_model=list[TakeResponse])
    async def list_takes(request: Request, query: Annotated[TakesQuery, Query()]) -> Response:
        page = query.wanted(query.take_id, field="take_id")
        takes = await studio.list_takes(owner_of(request), page)
        return reply([describe_take(take) for take in takes])

    @routes.post("/generate", response_model=TakeResponse | list[TakeResponse])
    async def generate_takes(request: Request, body: Annotated[OneOrMany, Body()]) -> Response:
        """Begin one take, or several at once (an array), and answer before they are made."""
        wanted = body if isinstance(body, list) else [body]
        takes = await studio.make_takes(owner_of(request), [take.request() for take in wanted])
        told: list[Any] = [describe_take(take) for take in takes]
        return reply(told if isinstance(body, list) else told[0])

    @routes.get("/{take_id}", response_model=TakeResponse)
    async def get_take(request: Request, take_id: str) -> Response:
        take = await studio.find_take(owner_of(request), checked(take_id, kind="take"))
        return reply(describe_take(take))

    @routes.delete("/{take_id}", response_model=bool)
    async def delete_take(request: Request, take_id: str) -> Response:
        """Forget a take and its audio; one that is being made is not made any further."""
        await studio.delete_take(owner_of(request), checked(take_id, kind="take"))
        return reply(True)

    @routes.head("/{take_id}/{format}", include_in_schema=False)
    @routes.get("/{take_id}/{format}", status_code=307, response_class=RedirectResponse)
    async def locate_audio(request: Request, take_id: str, format: AudioFormat) -> Response:
        """Redirect to a URL that gives the audio to whoever has it, for a while."""
        owner = owner_of(request)
        take = await studio.find_take(owner, checked(take_id, kind="take"))
        return RedirectResponse(urls.audio(request, take.id, format.value, owner=owner), status_code=307)

    return routes
