"""The pages of `app/web`, the browser SDK of `app/sdk/js`, and what `/` answers."""

from pathlib import Path
from typing import Final

from fastapi import APIRouter, Request
from starlette.responses import FileResponse, JSONResponse, RedirectResponse, Response
from starlette.routing import Mount
from starlette.staticfiles import StaticFiles

from app.api.health import MESSAGE

PORTRAITS_PATH: Final = "/websocket-test"
APP = Path(__file__).parents[1]


def pages(*, version: str) -> APIRouter:
    """Open the routes."""
    routes = APIRouter(include_in_schema=False)

    @routes.get("/")
    async def index(request: Request) -> Response:
        """Show the page to browsers, and tell programs that the server runs."""
        if "text/html" in request.headers.get("accept", ""):
            return FileResponse(APP / "web" / "index.html", headers={"Vary": "Accept"})
        body = {"status": "ok", "message": MESSAGE, "name": "Chorus", "version": version, "docs": "/docs"}
        return JSONResponse(body, headers={"Vary": "Accept"})

    @routes.get(PORTRAITS_PATH)
    async def portraits() -> Response:
        """Lead to the page of portraits, from the name that it has in their document."""
        return RedirectResponse("web/portrait.html")

    routes.routes.append(Mount("/web", StaticFiles(directory=APP / "web")))
    routes.routes.append(Mount("/sdk", StaticFiles(directory=APP / "sdk" / "js")))
    return routes
