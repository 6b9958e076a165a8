"""`/api/v1/tracks`: the catalogue, for administrators."""

from collections.abc import Sequence
from http import HTTPStatus
from typing import Annotated, Any, Final

from fastapi import APIRouter, Query, Request
from starlette.responses import JSONResponse, Response

from app.api.administrators import FOR_ADMINISTRATORS
from app.api.stream.archive_response import ArchiveResponse
from app.api.stream.failure import StreamRoute
from app.api.stream.track_answers import (
    FiguresAnswer,
    ImportAnswer,
    KeptAnswer,
    LabelsBody,
    NearDuplicate,
    TrackAnswer,
    TrackList,
    TracksQuery,
    describe_figures,
    describe_import,
    describe_kept,
    describe_likeness,
    describe_list,
    describe_track,
)
from app.api.stream.upload_body import body_schema
from app.api.stream.uploads import Uploads
from app.errors import NotFound, Unavailable
from app.fingerprint.archive import MEDIA_TYPE
from app.fingerprint.catalogue import Catalogue
from app.fingerprint.duplicates import Likeness
from app.fingerprint.intake import Intake
from app.fingerprint.labels import Labels
from app.fingerprint.sources import Source
from app.fingerprint.store import Outcome
from app.fingerprint.taking import take
from app.fingerprint.transfer import import_archive
from app.runtime.workers import Workers

PATH: Final = "/api/v1/tracks"
IMPORT_PATH: Final = f"{PATH}/import"
LABELS: Final = ("video_id", "title", "url", "thumbnail_url")

UPLOAD: dict[str, Any] = body_schema("A sound file of any kind.", fields=LABELS)
ARCHIVE: dict[str, Any] = body_schema("What the export gives.")
TAR: dict[int | str, dict[str, Any]] = {200: {"content": {MEDIA_TYPE: {}}, "description": "A tar; see the README."}}


def tracks(catalogue: Catalogue, intake: Intake, uploads: Uploads, workers: Workers) -> APIRouter:
    """Open the routes.

    Args:
        catalogue: what they show and change.
        intake: listens to files that are uploaded.
        uploads: where those lie meanwhile.
        workers: has the pool `files`.
    """
    routes = APIRouter(prefix=PATH, tags=["tracks"], route_class=StreamRoute, dependencies=FOR_ADMINISTRATORS)
    _open_all(routes, catalogue, intake, uploads)
    _open_catalogue(routes, catalogue, uploads, workers)
    _open_one(routes, catalogue)
    return routes


def _open_all(routes: APIRouter, catalogue: Catalogue, intake: Intake, uploads: Uploads) -> None:
    @routes.get("")
    async def list_tracks(query: Annotated[TracksQuery, Query()]) -> TrackList:
        return describe_list(await catalogue.list_tracks(query.wanted()), query)

    @routes.post("", status_code=HTTPStatus.CREATED, response_model=KeptAnswer, openapi_extra=UPLOAD)
    async def upload_track(request: Request) -> Response:
        """Take a sound file in: 201 if it is new, 200 if its content is there already."""
        async with uploads.receive(request) as upload:
            labels = Labels(**{name: upload.fields.get(name) for name in LABELS})
            taking = await take(catalogue, intake, Source(upload.path, labels), name=upload.name)
        near = await _near(catalogue, taking.track.id)
        answer = describe_kept(taking.track, taking.outcome, damage=taking.damage, near=near)
        status = HTTPStatus.CREATED if taking.outcome is Outcome.ADDED else HTTPStatus.OK
        return JSONResponse(answer.model_dump(), status_code=status)


def _open_catalogue(routes: APIRouter, catalogue: Catalogue, uploads: Uploads, workers: Workers) -> None:
    @routes.get("/stats")
    async def tell_figures() -> FiguresAnswer:
        return describe_figures(await catalogue.figures())

    @routes.post("/reindex", status_code=HTTPStatus.ACCEPTED)
    async def rebuild() -> dict[str, str]:
        """Make the index anew, out of the fingerprints in the database; until that is done, less is found."""
        catalogue.rebuild()
        return {"message": "The index is being made anew"}

    @routes.get("/export", response_class=Response, responses=TAR)
    async def export_tracks() -> Response:
        """Send all tracks as one file."""
        return ArchiveResponse(catalogue.store)

    @routes.post("/import", openapi_extra=ARCHIVE)
    async def import_tracks(request: Request) -> ImportAnswer:
        """Take in the tracks of an export that are not there yet."""
        async with uploads.receive(request) as upload:
            with upload.path.open("rb") as file:  # noqa: ASYNC230 it was written a moment ago; it is read in threads
                return describe_import(await import_archive(file, catalogue.add, workers))


def _open_one(routes: APIRouter, catalogue: Catalogue) -> None:
    @routes.get("/{track_id}")
    async def show_track(track_id: int) -> TrackAnswer:
        return describe_track(await catalogue.track(track_id))

    @routes.patch("/{track_id}")
    async def change_track(track_id: int, body: LabelsBody) -> TrackAnswer:
        return describe_track(await catalogue.relabel(track_id, body.changed))

    @routes.delete("/{track_id}", status_code=HTTPStatus.NO_CONTENT)
    async def remove_track(track_id: int) -> None:
        if not await catalogue.remove([track_id]):
            raise NotFound(f"track {track_id} does not exist")

    @routes.get("/{track_id}/duplicates")
    async def list_duplicates(track_id: int) -> list[NearDuplicate]:
        """Tell which tracks are nearly the same."""
        await catalogue.track(track_id)
        return [describe_likeness(likeness) for likeness in await catalogue.likenesses(track_id)]


async def _near(catalogue: Catalogue, track_id: int) -> Sequence[Likeness] | None:
    try:
        return await catalogue.likenesses(track_id)
    except Unavailable:
        return None
