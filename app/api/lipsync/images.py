"""`/api/v1/lip-sync/images`: pictures that are sent once and may speak often."""

from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Annotated, Any, Final

from fastapi import APIRouter, Request
from fastapi import Path as InPath
from starlette.responses import Response

from app.api.lipsync import messages
from app.api.lipsync.failure import failure
from app.api.lipsync.form import is_form, receive_body, receive_form
from app.api.lipsync.limits import LipsyncLimits
from app.api.lipsync.rest import client_of
from app.errors import ChorusError, InvalidInput, NotFound
from app.lipsync.atelier import Atelier, Likeness

IMAGES_PATH: Final = "/api/v1/lip-sync/images"
FORM_BYTES: Final = 64 * 1024
"""What a form may have around a picture."""

_IMAGE: Final = {"type": "string", "format": "binary"}
_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {f"image/{kind}": {"schema": _IMAGE} for kind in ("jpeg", "png", "webp")}
        | {"multipart/form-data": {"schema": {"type": "object", "properties": {"image": _IMAGE}}}},
    }
}
ImageId = Annotated[str, InPath(description="SHA-256 of the file, in hexadecimal")]


def images(atelier: Atelier, limits: LipsyncLimits) -> APIRouter:
    """Open the routes onto the album."""
    routes = APIRouter(tags=["talking portraits"])

    @routes.post(IMAGES_PATH, openapi_extra=_BODY, status_code=HTTPStatus.CREATED)
    async def keep(request: Request) -> Response:
        """Keep a picture, and say what is seen in it."""

        async def kept() -> Likeness:
            return await atelier.keep(await _image(request, limits.max_image_bytes), client=client_of(request))

        return await _answered(kept, status=HTTPStatus.CREATED)

    @routes.get(f"{IMAGES_PATH}/{{image_id}}")
    async def look(image_id: ImageId, request: Request) -> Response:
        """Say what is seen in a picture that was sent before."""
        return await _answered(lambda: atelier.look(image_id, client=client_of(request)))

    @routes.delete(f"{IMAGES_PATH}/{{image_id}}", status_code=HTTPStatus.NO_CONTENT)
    async def forget(image_id: ImageId) -> Response:
        """Forget a picture, and what was made of it."""
        try:
            atelier.forget(image_id)
        except NotFound as error:
            return failure(error, status=HTTPStatus.NOT_FOUND)
        return Response(status_code=HTTPStatus.NO_CONTENT)

    return routes


async def _image(request: Request, most: int) -> bytes:
    if is_form(request):
        image = (await receive_form(request)).files.get("image", b"")
    else:
        image = await receive_body(request)
    if not image:
        raise InvalidInput("there is no image in the request", field="image")
    if len(image) > most:
        raise InvalidInput(f"Image file too large (max {most / 2**20:g}MB)", field="image")
    return image


async def _answered(look: Callable[[], Awaitable[Likeness]], *, status: HTTPStatus = HTTPStatus.OK) -> Response:
    try:
        likeness = await look()
    except NotFound as error:
        return failure(error, status=HTTPStatus.NOT_FOUND)
    except ChorusError as error:
        return failure(error)
    return Response(messages.encode_likeness(likeness), status_code=status, media_type="application/json")
