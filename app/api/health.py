"""`/health`, `/ready`, `/metrics`: whether the process lives, whether it takes work, and its figures."""

from collections.abc import Awaitable, Callable, Mapping

from fastapi import APIRouter
from starlette.responses import JSONResponse, Response

Check = Callable[[], Awaitable[str | None]]
"""Returns what is wrong, None if nothing is."""

Render = Callable[[], tuple[bytes, str]]
"""Returns the metrics and their content type."""

MESSAGE = "Danmu TTS Server is running"  # the danmu document's clients read it; the others read `status`


def health(*, version: str, database: Check, checks: Mapping[str, Check], metrics: Render) -> APIRouter:
    """Open the routes.

    Args:
        version: of the server.
        database: the check whose failure makes `/health` 503.
        checks: by name, those that make `/ready` 503.
        metrics: makes the body of `/metrics`.
    """
    routes = APIRouter(tags=["health"])

    @routes.get("/health")
    async def is_alive() -> Response:
        wrong = await database()
        body = {
            "status": "unhealthy" if wrong else "healthy",
            "message": MESSAGE,
            "version": version,
            "database": "disconnected" if wrong else "connected",
        }
        return JSONResponse(body, status_code=503 if wrong else 200)

    @routes.get("/ready")
    async def is_ready() -> Response:
        found = {name: await check() for name, check in {"database": database, **checks}.items()}
        wrong = {name: reason for name, reason in found.items() if reason}
        return JSONResponse({"ready": not wrong, "reasons": wrong}, status_code=503 if wrong else 200)

    @routes.get("/metrics", response_class=Response)
    async def tell_metrics() -> Response:
        body, content_type = metrics()
        return Response(body, media_type=content_type)

    return routes
