"""What can go wrong with takes and voices, beside the errors of `app.sdk.errors`.

    RequestFailed
    ├── InvalidRequest         400, 422: `field` broke a rule
    ├── Denied                 401, 403: who asks may not, or signing in failed
    ├── NotFound               404, 410
    ├── NotReady               409, 425: what is asked for is not there yet
    ├── Overloaded             503: may be tried again in `retry_after` seconds
    │   └── RateLimited        429
    ├── ServerFailed           any other 5xx
    └── GenerationFailed       a take or a voice ended in `error` or `timeout`

The `code` of those that have one is the status of HTTP as text: `"404"`.
"""

import json
from collections.abc import Mapping
from typing import Any

from app.sdk.errors import RequestFailed
from app.sdk.speech import InvalidRequest, Overloaded, RateLimited, ServerFailed

__all__ = [
    "Denied",
    "GenerationFailed",
    "InvalidRequest",
    "NotFound",
    "NotReady",
    "Overloaded",
    "RateLimited",
    "ServerFailed",
    "http_failure",
]


class Denied(RequestFailed):
    """Who asks may not: no credential, a wrong one, or one that could not be renewed."""


class NotFound(RequestFailed):
    """No such take, voice, model or route."""


class NotReady(RequestFailed):
    """What is asked for is not there yet, or will never be: the audio of a take that failed."""


class GenerationFailed(RequestFailed):
    """A take or a voice could not be made.

    `item` is the `Take` or `Voice` as it ended; None if the server told nothing of it but the message.
    """

    def __init__(self, message: str, *, item: object = None) -> None:
        super().__init__("GENERATION_FAILED", message, {})
        self.item = item


_KINDS: Mapping[int, type[RequestFailed]] = {
    400: InvalidRequest,
    401: Denied,
    403: Denied,
    404: NotFound,
    409: NotReady,
    410: NotFound,
    422: InvalidRequest,
    425: NotReady,
    429: RateLimited,
    503: Overloaded,
}


def http_failure(status: int, phrase: str, body: bytes, headers: Mapping[str, str]) -> RequestFailed:
    """Return the exception for a response that is no success.

    Args:
        status: of HTTP.
        phrase: the words of the status, told if the body has none.
        body: `{"detail": ...}`, a text or the list of FastAPI, perhaps with the `field` that is wrong; or anything.
        headers: with lower-case names.
    """
    kind = _KINDS.get(status, ServerFailed if status >= 500 else RequestFailed)
    told = _object(body)
    detail = told.get("detail")
    details: dict[str, Any] = {"status": status, "detail": detail}
    field = _place(detail[0]) if isinstance(detail, list) and detail else told.get("field")
    if field is not None:
        details["field"] = field
    seconds = headers.get("retry-after", "")
    if seconds.isdecimal():
        details["retry_after"] = float(seconds)
    return kind(str(status), _words(detail) or phrase, details)


def _object(body: bytes) -> Mapping[str, Any]:
    try:
        parsed = json.loads(body)
    except ValueError:
        return {}
    return parsed if isinstance(parsed, dict) else {}


def _words(detail: Any) -> str:
    """Return what a person can read: `text: Field required; voice_id: Field required`."""
    if isinstance(detail, list):
        return "; ".join(": ".join(filter(None, [_place(item), _message(item)])) for item in detail)
    return detail if isinstance(detail, str) else ""


def _place(item: Any) -> str | None:
    path = item.get("loc") if isinstance(item, dict) else None
    return ".".join(str(step) for step in path if step != "body") or None if isinstance(path, list) else None


def _message(item: Any) -> str:
    return str(item.get("msg", item)) if isinstance(item, dict) else str(item)
