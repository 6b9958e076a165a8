"""`/callback`: whatever a call platform reports is kept, and answered with 204 once it is.

Nobody needs a credential here: a platform has none of ours. With a signature's secret it is the signature that counts.
"""

import logging
import time
from collections.abc import Callable
from http import HTTPStatus
from typing import Any, Final

from fastapi import APIRouter, Request
from starlette.requests import ClientDisconnect
from starlette.responses import Response

from app.api.telephony.failure import TelephonyRoute
from app.calls.callback import read
from app.calls.callback_line import line
from app.calls.callbacks import Callbacks
from app.calls.signature import Signature

logger = logging.getLogger(__name__)

PATH: Final = "/callback"
FORM: Final = "application/x-www-form-urlencoded"

BODY: dict[str, Any] = {
    "requestBody": {
        "description": "Anything; JSON is what platforms send.",
        "content": {"application/json": {"schema": {}, "example": {"status": "answered", "uuid": "63f61863"}}},
    }
}
UNSIGNED: dict[int | str, dict[str, Any]] = {401: {"description": "Not signed, where signatures are verified."}}


def callback(
    callbacks: Callbacks, signature: Signature | None = None, *, clock: Callable[[], float] = time.time
) -> APIRouter:
    """Open the route.

    Args:
        callbacks: keeps what comes.
        signature: judges it; without one, everything is kept.
        clock: seconds since the epoch.
    """
    routes = APIRouter(tags=["callbacks"], route_class=TelephonyRoute)

    @routes.get(PATH, status_code=HTTPStatus.NO_CONTENT, responses=UNSIGNED)
    @routes.post(PATH, status_code=HTTPStatus.NO_CONTENT, responses=UNSIGNED, openapi_extra=BODY)
    async def take_callback(request: Request) -> Response:
        """Keep a report."""
        try:
            body = await request.body()
        except ClientDisconnect:
            return Response(status_code=HTTPStatus.NO_CONTENT)  # which nobody hears
        query: bytes = request.scope["query_string"]
        if signature is not None:
            signature.verify(request.headers.get("authorization"), query=query, body=body)
        arrival = read(
            received_ms=int(clock() * 1000),
            method=request.method,
            query=query,
            body=body,
            form=request.headers.get("content-type", "").lower().startswith(FORM),
            signed=signature is not None,
        )
        logger.info("callback", extra={"fields": line(arrival)})
        await callbacks.keep(arrival)
        return Response(status_code=HTTPStatus.NO_CONTENT)

    return routes
