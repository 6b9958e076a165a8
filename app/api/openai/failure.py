"""How this door answers an error: `{"error": {"message", "type", "param", "code"}}`, as OpenAI does."""

import math
from collections.abc import Sequence
from http import HTTPStatus
from typing import Any

from fastapi import Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response

from app.api.door_route import DoorRoute, Refusal
from app.api.openai.messages import SpeechBody
from app.errors import (
    BackendUnavailable,
    BodyTooLarge,
    ChorusError,
    Denied,
    InvalidCredential,
    InvalidInput,
    MissingCredential,
    NotFound,
    NothingToSpeak,
    Overloaded,
    TextTooLong,
    Unavailable,
    VoiceNotFound,
)

INVALID, LIMITED, BROKEN = "invalid_request_error", "rate_limit_error", "server_error"

ANSWERS: tuple[tuple[type[ChorusError], HTTPStatus, str, str], ...] = (
    (TextTooLong, HTTPStatus.BAD_REQUEST, INVALID, "string_above_max_length"),
    (BodyTooLarge, HTTPStatus.REQUEST_ENTITY_TOO_LARGE, INVALID, "body_too_large"),
    (NothingToSpeak, HTTPStatus.BAD_REQUEST, INVALID, "nothing_to_speak"),
    (InvalidInput, HTTPStatus.BAD_REQUEST, INVALID, "invalid_value"),
    (VoiceNotFound, HTTPStatus.NOT_FOUND, INVALID, "voice_not_found"),
    (NotFound, HTTPStatus.NOT_FOUND, INVALID, "model_not_found"),
    (InvalidCredential, HTTPStatus.UNAUTHORIZED, INVALID, "invalid_api_key"),
    (MissingCredential, HTTPStatus.UNAUTHORIZED, INVALID, "invalid_api_key"),
    (Denied, HTTPStatus.FORBIDDEN, INVALID, "permission_denied"),
    (Overloaded, HTTPStatus.TOO_MANY_REQUESTS, LIMITED, "rate_limit_exceeded"),
    (BackendUnavailable, HTTPStatus.SERVICE_UNAVAILABLE, BROKEN, "model_unavailable"),
    (Unavailable, HTTPStatus.SERVICE_UNAVAILABLE, BROKEN, "service_unavailable"),
    (ChorusError, HTTPStatus.INTERNAL_SERVER_ERROR, BROKEN, "speech_failed"),
)
"""Status, type and code; first match wins."""

FIELDS = {"text": "input", "format": "response_format"}
"""Names of the engine's that this door has others for."""

BODY_CODES = {
    "missing": "missing_required_parameter",
    "string_too_short": "string_below_min_length",
    "string_too_long": "string_above_max_length",
    "greater_than_equal": "decimal_below_min_value",
    "less_than_equal": "decimal_above_max_value",
    "json_invalid": "invalid_json",
    "literal_error": "invalid_value",
}
"""By the kind of pydantic's error; anything else is a value of a wrong type."""


class ModelNotFound(NotFound):
    """A model that is neither an alias nor a backend that can speak."""

    def __init__(self, model: str) -> None:
        super().__init__(f"The model '{model}' does not exist: see GET /v1/models")


def failure(error: ChorusError) -> JSONResponse:
    """Answer an error of the engine."""
    status = next(status for kind, status, _, _ in ANSWERS if isinstance(error, kind))
    headers = {}
    if isinstance(error, Overloaded) and error.retry_after is not None:
        headers["Retry-After"] = str(math.ceil(error.retry_after))
    return JSONResponse(describe(error), status_code=status, headers=headers)


def describe(error: ChorusError) -> dict[str, Any]:
    """Return the content of the answer to an error of the engine."""
    kind, code = next((kind, code) for known, _, kind, code in ANSWERS if isinstance(error, known))
    return _content(str(error), kind, _param(error), code)


def explain(errors: Sequence[Any]) -> JSONResponse:
    """Answer a body that breaks a rule, from what pydantic found: one error is told, the first."""
    first = errors[0]
    code = BODY_CODES.get(first["type"], "invalid_type")
    if code == "invalid_json":
        return _refuse(HTTPStatus.BAD_REQUEST, f"The body is not JSON: {first['ctx']['error']}", None, code)
    param = ".".join(str(part) for part in first["loc"][1:]) or None
    if param is None:
        message = "The body must be a JSON object, sent as application/json"
        return _refuse(HTTPStatus.BAD_REQUEST, message, None, "invalid_body")
    if code == "missing_required_parameter":
        return _refuse(HTTPStatus.BAD_REQUEST, f"Missing required parameter: '{param}'", param, code)
    return _refuse(HTTPStatus.BAD_REQUEST, f"Invalid '{param}': {first['msg']}", param, code)


class OpenAIRoute(DoorRoute):
    """A route whose refusals of the framework's (422, 400) are told in this door's shape."""

    def answer(self, request: Request, error: Refusal) -> Response | None:
        """Answer a request that is not as it must be; its handlers tell the engine's errors themselves."""
        if isinstance(error, RequestValidationError):
            return explain(error.errors())
        if isinstance(error, HTTPException):
            return _refuse(HTTPStatus(error.status_code), error.detail, None, "invalid_body")
        return None


def _param(error: ChorusError) -> str | None:
    match error:
        case VoiceNotFound():
            return "voice"
        case ModelNotFound() | BackendUnavailable():
            return "model"
        case InvalidInput(field=str(field)):
            name = FIELDS.get(field, field)
            return name if name in SpeechBody.model_fields else None
    return None


def _refuse(status: HTTPStatus, message: str, param: str | None, code: str) -> JSONResponse:
    return JSONResponse(_content(message, INVALID, param, code), status_code=status)


def _content(message: str, type: str, param: str | None, code: str) -> dict[str, Any]:
    return {"error": {"message": message, "type": type, "param": param, "code": code}}
