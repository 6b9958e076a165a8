"""`/ws/lip-sync`: the WebSocket of talking portraits; and `/ws/health`, which says how busy it is."""

from fastapi import APIRouter, WebSocket

from app.api.admission import abort_of, admit
from app.api.lipsync.conversation import Conversation, LipsyncLimits
from app.lipsync.renderer import Renderer
from app.runtime.connections import Gate
from app.runtime.workers import Workers

PATH = "/ws/lip-sync"


def router(renderer: Renderer, workers: Workers, gate: Gate, limits: LipsyncLimits) -> APIRouter:
    """Open the WebSocket onto the lip-sync engine."""
    routes = APIRouter()

    @routes.websocket(PATH)
    async def converse(socket: WebSocket) -> None:
        connection = await admit(socket, gate)
        if connection is None:
            return
        with connection:
            await socket.accept()
            conversation = Conversation(renderer, workers, socket, limits, abort=abort_of(socket))
            connection.session = conversation.session
            await conversation.run()

    @routes.get("/ws/health")
    async def health() -> dict[str, object]:
        """Say how many are connected, and how many portraits are drawn or wait."""
        return {
            "status": "healthy",
            "active_connections": len(gate),
            "processing_tasks": renderer.line.running + renderer.line.waiting,
            "services_initialized": True,
        }

    return routes
