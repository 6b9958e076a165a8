"""`/api/v1/callbacks`: what call platforms reported, for administrators."""

from datetime import UTC, datetime
from typing import Annotated, Any, Final

import msgspec
from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, Field
from starlette.responses import Response

from app.api.administrators import FOR_ADMINISTRATORS
from app.api.telephony.failure import TelephonyRoute
from app.calls.callback import Callback, Kind, Pairs, object_of, pairs_of
from app.calls.callbacks import MAX_PAGE_LENGTH, Callbacks, Wanted

PATH: Final = "/api/v1/callbacks"


class CallbacksQuery(BaseModel):
    """What is not a field that is looked for."""

    page: Annotated[int, Field(ge=1, le=10**9)] = 1
    per_page: Annotated[int, Field(ge=1, le=MAX_PAGE_LENGTH)] = 20
    since: datetime | None = None
    """RFC 3339 or seconds since the epoch: received then or later."""
    until: datetime | None = None
    """Received before."""

    def wanted(self, fields: Pairs) -> Wanted:
        """Return what the engine calls it."""
        return Wanted(fields, _milliseconds(self.since), _milliseconds(self.until), self.per_page, self.page)


class CallbackAnswer(BaseModel):
    """A report."""

    id: int
    received_at: str
    """RFC 3339, UTC."""
    method: str
    query: dict[str, Any]
    """A name that came more than once has a list."""
    kind: Kind
    data: Any
    """JSON as it came; a form as `query`; text; null if there was none."""
    size: int
    """Bytes of the body."""
    truncated: bool
    """Whether `data` is only the beginning, as text."""
    signed: bool
    """Whether it was verified who sent it."""


class CallbackList(BaseModel):
    """A page of reports, newest first."""

    data: list[CallbackAnswer]
    total: int
    page: int
    per_page: int
    total_pages: int


def callbacks(kept: Callbacks) -> APIRouter:
    """Open the route onto what is kept."""
    routes = APIRouter(prefix=PATH, tags=["callbacks"], route_class=TelephonyRoute, dependencies=FOR_ADMINISTRATORS)

    @routes.get("", response_model=CallbackList)
    async def search_callbacks(request: Request, query: Annotated[CallbacksQuery, Query()]) -> Response:
        """Find reports. Every other name is a field that has to have exactly this value: `?status=answered&uuid=…`."""
        pairs = request.query_params.multi_items()
        fields = tuple(pair for pair in pairs if pair[0] not in CallbacksQuery.model_fields)
        found = await kept.search(query.wanted(fields))
        answer = {
            "data": [_describe(callback) for callback in found.callbacks],
            "total": found.total,
            "page": query.page,
            "per_page": query.per_page,
            "total_pages": -(-found.total // query.per_page),
        }
        return Response(msgspec.json.encode(answer), media_type="application/json")

    return routes


def _describe(callback: Callback) -> dict[str, Any]:
    received = datetime.fromtimestamp(callback.received_ms / 1000, UTC)
    return {
        "id": callback.id,
        "received_at": received.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "method": callback.method,
        "query": object_of(pairs_of(callback.query)),
        "kind": callback.kind,
        "data": _data(callback),
        "size": callback.size,
        "truncated": callback.truncated,
        "signed": callback.signed,
    }


def _data(callback: Callback) -> Any:
    if callback.kind is Kind.EMPTY:
        return None
    if callback.truncated or callback.kind is Kind.TEXT:
        return callback.body.decode("utf-8", "replace")
    if callback.kind is Kind.FORM:
        return object_of(pairs_of(callback.body))
    return msgspec.Raw(callback.body)


def _milliseconds(moment: datetime | None) -> int | None:
    if moment is None:
        return None
    aware = moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
    return round(aware.timestamp() * 1000)
