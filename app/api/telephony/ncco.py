"""`/ncco/*`: what a call platform shall do, for its `answer_url`."""

from http import HTTPStatus
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from fastapi.exceptions import RequestValidationError
from starlette.responses import JSONResponse, Response

from app.api.door_route import DoorRoute, Refusal
from app.api.telephony.ncco_queries import (
    ConnectQuery,
    ConversationQuery,
    InputQuery,
    NotifyQuery,
    RecordQuery,
    StreamQuery,
    TalkQuery,
)
from app.calls import ncco as actions
from app.calls.ncco import Action
from app.calls.ncco_endpoint import endpoint
from app.errors import InvalidEndpoint, InvalidInput

PREFIX = "/ncco"
REFUSAL: dict[int | str, dict[str, Any]] = {
    400: {
        "description": "No such endpoint",
        "content": {"application/json": {"example": {"error": str(InvalidEndpoint())}}},
    }
}


class NccoRoute(DoorRoute):
    """A route that tells of a wrong value as FastAPI does, and of a wrong endpoint as the document does."""

    def answer(self, request: Request, error: Refusal) -> Response | None:
        """Answer a wrong endpoint; what is wrong otherwise becomes an error of the framework's."""
        if isinstance(error, InvalidEndpoint):
            return JSONResponse({"error": str(error)}, status_code=HTTPStatus.BAD_REQUEST)
        if isinstance(error, InvalidInput):
            field = str(error.field)
            given = request.query_params.get(field)
            told = {"type": "value_error", "loc": ("query", field), "msg": str(error), "input": given}
            raise RequestValidationError([told]) from None
        return None


def ncco(event_url: str) -> APIRouter:
    """Open the routes; `event_url` is where the platform reports to, of `app.calls.ncco.event_url`."""
    routes = APIRouter(prefix=PREFIX, tags=["ncco"], route_class=NccoRoute)
    _open_sound(routes)
    _open_parties(routes, event_url)
    _open_reports(routes, event_url)
    return routes


def _open_sound(routes: APIRouter) -> None:
    @routes.get("/talk")
    async def talk(query: Annotated[TalkQuery, Query()]) -> list[Action]:
        """Speak a text."""
        action = actions.talk(
            query.text,
            language=query.language,
            style=query.style,
            premium=query.premium,
            level=query.level,
            loop=query.loop,
            barge_in=query.barge_in,
        )
        return [action]

    @routes.get("/stream")
    async def stream(query: Annotated[StreamQuery, Query()]) -> list[Action]:
        """Play a file."""
        return [actions.stream(query.stream_url, level=query.level, loop=query.loop, barge_in=query.barge_in)]


def _open_parties(routes: APIRouter, event_url: str) -> None:
    @routes.get("/connect", responses=REFUSAL)
    async def connect(query: Annotated[ConnectQuery, Query()]) -> list[Action]:
        """Connect the call with a WebSocket, a SIP address or a phone number."""
        action = actions.connect(
            endpoint(query.endpoint, rate=query.rate, headers=query.told),
            event_url=event_url,
            caller=query.caller,
            random_from_number=query.random_from_number,
            timeout=query.timeout,
            limit=query.limit,
            machine_detection=query.machine_detection,
            event_method=query.event_method,
        )
        return [action]

    @routes.get("/conversation")
    async def conversation(query: Annotated[ConversationQuery, Query()]) -> list[Action]:
        """Bring the call into a room."""
        action = actions.conversation(
            query.name,
            event_url=event_url,
            music_on_hold_url=query.music_on_hold_url,
            start_on_enter=query.start_on_enter,
            end_on_exit=query.end_on_exit,
            record=query.record,
            can_speak=query.can_speak,
            can_hear=query.can_hear,
            mute=query.mute,
            event_method=query.event_method,
        )
        return [action]


def _open_reports(routes: APIRouter, event_url: str) -> None:
    @routes.get("/record")
    async def record(query: Annotated[RecordQuery, Query()]) -> list[Action]:
        """Record the call."""
        action = actions.record(
            event_url=event_url,
            format=query.format,
            split=query.split,
            channels=query.channels,
            end_on_silence=query.end_on_silence,
            end_on_key=query.end_on_key,
            time_out=query.time_out,
            beep_start=query.beep_start,
            event_method=query.event_method,
        )
        return [action]

    @routes.get("/input")
    async def collect(query: Annotated[InputQuery, Query()]) -> list[Action]:
        """Take keys or words from who is on the line."""
        action = actions.collect(
            event_url=event_url, dtmf=query.dtmf, speech=query.speech, event_method=query.event_method
        )
        return [action]

    @routes.get("/notify")
    async def notify(query: Annotated[NotifyQuery, Query()]) -> list[Action]:
        """Have a payload reported."""
        return [actions.notify(query.content, event_url=event_url, event_method=query.event_method)]
