"""The pages that document this door alone; the server's own `/docs` tell of all doors."""

from collections.abc import Sequence
from functools import cache
from typing import Any

from fastapi import APIRouter
from fastapi.openapi.docs import get_redoc_html, get_swagger_ui_html
from fastapi.openapi.utils import get_openapi
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import BaseRoute

from app.api.speak.answers import VERSION

TITLE = "Chorus speak API"
SCHEMA = "openapi.json"  # beside the pages, wherever a proxy puts them


def docs(documented: Sequence[BaseRoute]) -> APIRouter:
    """Open the pages.

    Args:
        documented: the routes that they tell of.
    """
    routes = APIRouter(include_in_schema=False)

    @cache
    def schema() -> dict[str, Any]:
        return get_openapi(title=TITLE, version=f"{VERSION['version']}.{VERSION['minor']}", routes=documented)

    @routes.get("/openapi.json")
    async def tell_schema() -> Response:
        return JSONResponse(schema())

    @routes.get("/docs")
    async def show_swagger() -> HTMLResponse:
        return get_swagger_ui_html(openapi_url=SCHEMA, title=TITLE)

    @routes.get("/redoc")
    async def show_redoc() -> HTMLResponse:
        return get_redoc_html(openapi_url=SCHEMA, title=TITLE)

    return routes
