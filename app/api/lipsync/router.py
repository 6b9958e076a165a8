"""`/ws/lip-sync`: the WebSocket of talking portraits; and `/ws/health`, which says how busy it is."""

from fastapi import APIRouter, WebSocket

from app.api.admission import abort_of, admit, take_text_as_bytes
from app.api.lipsync.conversation import Conversation
from app.api.lipsync.intake import Intake
from app.api.lipsync.limits import LipsyncLimits
from app.lipsync.atelier import Atelier
from app.runtime.connections import Gate
from app.runtime.workers import FILES_POOL, Workers

PATH = "/ws/lip-sync"


def router(atelier: Atelier, workers: Workers, gate: Gate, limits: LipsyncLimits) -> APIRouter:
    """Open the WebSocket onto the lip-sync engine."""
    routes = APIRouter()
    intake = Intake(workers, limits)

    @routes.websocket(PATH)
    async def converse(socket: WebSocket) -> None:
        connection = await admit(socket, gate)
        if connection is None:
            return
        with connection:
            await socket.accept()
            take_text_as_bytes(socket)
            conversation = Conversation(atelier, intake, workers, socket, limits, abort=abort_of(socket))
            connection.session = conversation.session
            await conversation.run()

    @routes.get("/ws/health")
    async def health() -> dict[str, object]:
        """Say how many are connected, how many portraits are drawn or wait, and who can draw."""
        return {
            "status": "healthy",
            "active_connections": len(gate),
            "processing_tasks": atelier.jobs,
            "services_initialized": True,
            **await workers.run(FILES_POOL, lambda: {"engines": atelier.engines, "faces": atelier.faces_trouble()}),
        }

    return routes
