"""`/api/v1/monitoring/live-streams`: who streams, for administrators."""

import time
from collections.abc import Callable
from typing import Any

from fastapi import APIRouter

from app.api.administrators import FOR_ADMINISTRATORS
from app.api.stream import messages
from app.api.stream.failure import StreamRoute
from app.api.stream.streams import Stream, Streams
from app.runtime.session import POLICY


def monitoring(streams: Streams, *, now: Callable[[], float] = time.time) -> APIRouter:
    """Open the routes onto the streams; `now` gives seconds since the epoch."""
    routes = APIRouter(
        prefix="/api/v1/monitoring/live-streams",
        tags=["monitoring"],
        route_class=StreamRoute,
        dependencies=FOR_ADMINISTRATORS,
    )

    def describe(stream: Stream) -> dict[str, Any]:
        conversation = stream.conversation
        return messages.describe_stream(
            stream.client_id,
            connected_at=conversation.connected_at,
            age=max(0.0, now() - conversation.connected_at),
            progress=conversation.progress,
            total_matches=conversation.total_matches,
        )

    @routes.get("")
    async def list_streams() -> dict[str, Any]:
        described = [describe(stream) for stream in streams]
        return {"total_streams": len(described), "streams": described}

    @routes.get("/{client_id:path}")
    async def show_stream(client_id: str) -> dict[str, Any]:
        return describe(streams.find(client_id))

    @routes.delete("/{client_id:path}")
    async def disconnect_stream(client_id: str) -> dict[str, str]:
        stream = streams.find(client_id)
        stream.conversation.end(POLICY, "terminated by administrator", status=messages.TERMINATED)
        return {"message": f"Disconnected stream {client_id}"}

    return routes
