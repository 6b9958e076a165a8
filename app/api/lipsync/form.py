"""The bodies of requests, in memory: as they are, or as a form (RFC 7578) with files and texts."""

import io
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

import anyio
from fastapi import Request
from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import ClientDisconnect

from app.api.lipsync.messages import MAX_MESSAGE_BYTES
from app.errors import DeadlineExceeded, InvalidInput, SessionClosed

UPLOAD_SECONDS: Final = 512.0
"""In which a body must have come: 256 KiB in a second for the largest."""
MAX_FILES: Final = 4
MAX_TEXTS: Final = 16
MAX_TEXT_BYTES: Final = 256 * 1024


@dataclass(frozen=True, slots=True)
class Form:
    """A form that has come."""

    fields: dict[str, str]
    """Texts by name."""
    files: dict[str, bytes]

    @property
    def size(self) -> int:
        """Bytes of all files, and characters of all texts."""
        return sum(map(len, (*self.files.values(), *self.fields.values())))


def is_form(request: Request) -> bool:
    """Tell whether the body of a request is a form."""
    return request.headers.get("content-type", "").partition(";")[0].strip().lower() == "multipart/form-data"


async def receive_body(request: Request) -> bytes:
    """Return the body of a request, how large it may be is held by the bound on bodies.

    Raises:
        DeadlineExceeded: it does not come.
        SessionClosed: its client has gone.
    """
    body = io.BytesIO()
    with _upload():
        async for piece in request.stream():
            body.write(piece)
    return body.getvalue()  # the buffer itself, no copy


async def receive_form(request: Request) -> Form:
    """Return the form that is the body of a request.

    Raises:
        InvalidInput: it is damaged, or has too much in it.
        DeadlineExceeded: it does not come.
        SessionClosed: its client has gone.
    """
    form = Form({}, {})
    parser = _Parser(
        request.headers, request.stream(), max_files=MAX_FILES, max_fields=MAX_TEXTS, max_part_size=MAX_TEXT_BYTES
    )
    with _upload(), parser:
        for name, value in (await parser.parse()).multi_items():
            if isinstance(value, UploadFile):
                form.files[name] = await value.read()
            else:
                form.fields[name] = value
    if not parser.is_over:
        raise InvalidInput("the form breaks off before its end")
    return form


class _Parser(MultiPartParser):
    """A parser that tells whether a form was whole; leaving it closes all files."""

    spool_max_size = MAX_MESSAGE_BYTES
    """Which no body exceeds: so nothing of it is ever on the disk."""
    is_over = False

    def on_end(self) -> None:
        self.is_over = True

    def __enter__(self) -> "_Parser":
        return self

    def __exit__(self, *error: object) -> None:
        for file in self._files_to_close_on_error:  # all that were begun, also those that never ended
            file.close()


@contextmanager
def _upload() -> Iterator[None]:
    with anyio.move_on_after(UPLOAD_SECONDS) as scope:
        try:
            yield
        except ClientDisconnect as error:
            raise SessionClosed("the client has gone") from error
        except MultiPartException as error:
            raise InvalidInput(f"the form cannot be read: {error.message}") from error
    if scope.cancelled_caught:
        raise DeadlineExceeded(f"the body did not come within {UPLOAD_SECONDS:g} s")
