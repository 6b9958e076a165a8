"""`/ws`: the WebSocket of live speech."""

from fastapi import APIRouter, WebSocket

from app.api.admission import abort_of, admit, divert_text_of, send_now_of
from app.api.danmu.conversation import Conversation, DanmuLimits
from app.runtime.connections import Gate
from app.tts.synthesizer import Synthesizer


def router(synthesizer: Synthesizer, gate: Gate, limits: DanmuLimits) -> APIRouter:
    """Open `/ws` onto the speech engine."""
    routes = APIRouter()

    @routes.websocket("/ws")
    async def converse(socket: WebSocket) -> None:
        connection = await admit(socket, gate)
        if connection is None:
            return
        with connection:
            await socket.accept()
            conversation = Conversation(
                synthesizer,
                socket,
                limits,
                divert_text=divert_text_of(socket),
                send_now=send_now_of(socket),
                abort=abort_of(socket),
            )
            connection.session = conversation.session
            await conversation.run()

    return routes
