"""The WebSocket of the speak API, behind its signed URL."""

from fastapi import APIRouter, WebSocket

from app.api.admission import abort_of, admit
from app.api.speak.conversation import Conversation
from app.api.speak.failure import failure
from app.api.speak.limits import SpeakLimits
from app.api.speak.models import find_model
from app.api.speak.urls import PREFIX
from app.errors import Denied, NotFound
from app.runtime.connections import Gate
from app.runtime.credentials import require
from app.takes.studio import Studio


def router(studio: Studio, gate: Gate, limits: SpeakLimits) -> APIRouter:
    """Open the WebSocket onto the studio; the gate counts the connections of each account."""
    routes = APIRouter(prefix=PREFIX)

    @routes.websocket("/ws/{model}")
    async def converse(socket: WebSocket, model: str) -> None:
        try:
            owner = require(socket.scope).subject
            find_model(studio, model)
        except (Denied, NotFound) as error:
            await socket.send_denial_response(failure(error))
            return
        connection = await admit(socket, gate, key=owner)
        if connection is None:
            return
        with connection:
            await socket.accept()
            conversation = Conversation(studio, socket, owner, limits, abort=abort_of(socket))
            connection.session = conversation.session
            await conversation.run()

    return routes
