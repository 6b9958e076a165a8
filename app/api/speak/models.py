"""The version, the models, and where a WebSocket for a model connects."""

from fastapi import APIRouter, Request
from starlette.responses import Response

from app.api.speak.answers import VERSION, SocketUrl, TTSModel, Version, describe_model
from app.api.speak.failure import SpeakRoute
from app.api.speak.reply import owner_of, reply
from app.api.speak.urls import SignedUrls
from app.errors import NotFound
from app.takes.model import Model
from app.takes.studio import Studio


def find_model(studio: Studio, name: str) -> Model:
    """Return a model by its name.

    Raises:
        NotFound: there is none that can speak now.
    """
    models = {model.name: model for model in studio.models()}
    if name not in models:
        raise NotFound(f"model {name[:64]!r} does not exist, or cannot speak now: there are {', '.join(models)}")
    return models[name]


def version_route() -> APIRouter:
    """Open the one route that needs no account."""
    routes = APIRouter(tags=["models"])

    @routes.get("/version", response_model=Version)
    async def get_version() -> Response:
        return reply(VERSION)

    return routes


def models_routes(studio: Studio, urls: SignedUrls) -> APIRouter:
    """Open the models onto the studio."""
    routes = APIRouter(tags=["models"], route_class=SpeakRoute)

    @routes.get("/models", response_model=list[TTSModel])
    async def list_models(request: Request) -> Response:
        owner_of(request)
        return reply([describe_model(model) for model in studio.models()])

    @routes.get("/models/{name}", response_model=TTSModel)
    async def get_model(request: Request, name: str) -> Response:
        owner_of(request)
        return reply(describe_model(find_model(studio, name)))

    @routes.get("/websocket", response_model=SocketUrl)
    async def get_socket_url(request: Request, model: str) -> Response:
        """Return where a WebSocket for a model connects."""
        return reply(_locate(request, model))

    @routes.get("/websocket/{model}", response_model=SocketUrl)
    async def get_worker_url(request: Request, model: str) -> Response:
        """Return where a WebSocket for a model connects: the same, in the path that the vendor's clients use."""
        return reply(_locate(request, model))

    def _locate(request: Request, name: str) -> dict[str, str]:
        owner = owner_of(request)
        url = urls.socket(request, find_model(studio, name).name, owner=owner)
        return {"websocket_url": url, "worker_websocket_url": url}

    return routes
