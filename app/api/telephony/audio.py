"""`/audio`: the files that are played, over HTTP, whole or in part."""

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Annotated
from urllib.parse import quote

from fastapi import APIRouter, Header
from pydantic import BaseModel
from starlette.responses import FileResponse, Response

from app.api.telephony.failure import TelephonyRoute
from app.api.telephony.router import PLAY_PREFIX
from app.calls.audio_files import AudioFile, AudioFiles

PATH = "/audio"
CACHING = "no-cache"
"""Whoever keeps a copy asks each time whether it is still the file; most answers are then 304."""
VALIDATORS = ("etag", "last-modified", "cache-control")


class ListedFile(BaseModel):
    """A file that can be played."""

    filename: str
    format: str
    size_bytes: int
    modified_at: datetime
    url: str
    """Path of the file."""
    play_url: str
    """Path of the WebSocket that plays it."""


class ListedFiles(BaseModel):
    """All of them, by name."""

    files: list[ListedFile]


def audio(files: AudioFiles) -> APIRouter:
    """Open the folder of sound files."""
    routes = APIRouter(prefix=PATH, tags=["calls"], route_class=TelephonyRoute)

    @routes.get("")
    async def list_files() -> ListedFiles:
        """List the files that can be played and fetched."""
        return ListedFiles(files=[_listed(file) for file in await files.list()])

    @routes.head("/{filename}", include_in_schema=False)
    @routes.get("/{filename}", response_class=Response)
    async def send_file(
        filename: str,
        if_none_match: Annotated[str | None, Header()] = None,
        if_modified_since: Annotated[str | None, Header()] = None,
    ) -> Response:
        """Send a file, or the ranges of it that are asked for; 304 if the client has it already."""
        file = await files.find(filename)
        response = FileResponse(
            file.path,
            media_type=file.format.content_type,
            filename=file.name,
            stat_result=file.status,
            content_disposition_type="inline",
            headers={"Cache-Control": CACHING},
        )
        if _is_known(response.headers["etag"], file, if_none_match, if_modified_since):
            return Response(status_code=304, headers={name: response.headers[name] for name in VALIDATORS})
        return response

    return routes


def _listed(file: AudioFile) -> ListedFile:
    name = quote(file.name)
    return ListedFile(
        filename=file.name,
        format=file.format.value,
        size_bytes=file.size_bytes,
        modified_at=datetime.fromtimestamp(file.status.st_mtime, UTC),
        url=f"{PATH}/{name}",
        play_url=f"{PLAY_PREFIX}{name}",
    )


def _is_known(tag: str, file: AudioFile, if_none_match: str | None, if_modified_since: str | None) -> bool:
    """Tell whether the client has the file as it is; tags count before times (RFC 9110, 13.2.2)."""
    if if_none_match is not None:
        known = {part.strip().removeprefix("W/") for part in if_none_match.split(",")}
        return "*" in known or tag in known
    if if_modified_since is None:
        return False
    try:
        since = parsedate_to_datetime(if_modified_since)
    except ValueError:
        return False
    return int(file.status.st_mtime) <= since.replace(tzinfo=since.tzinfo or UTC).timestamp()
