"""A web server of our own with one file, and the faults that downloads meet."""

import hashlib
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class FileServer:
    """Serves `content` at every path; each fault is a switch."""

    def __init__(self, content: bytes) -> None:
        self.content = content
        self.url = ""
        self.ranges: list[str | None] = []
        """What each request asked for."""
        self.cut_after: list[int] = []
        """Bytes after which the next answers break off, first the first."""
        self.status: list[int] = []
        """Of the next answers, without a body."""
        self.content_type = "application/octet-stream"
        self.etag: str | None = None
        self.knows_ranges = True
        self.announced: int | None = None
        """Another length than the true one."""
        self.tells_length = True
        self.range_shift = 0
        """By how much the rest is sent from another place than was asked for."""
        self.redirects: dict[str, str] = {}

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.content).hexdigest()

    def answer(self, handler: BaseHTTPRequestHandler) -> None:
        if handler.path in self.redirects:
            handler.send_response(302)
            handler.send_header("location", self.redirects[handler.path])
            handler.send_header("content-length", "0")
            handler.end_headers()
            return
        self.ranges.append(handler.headers.get("range"))
        if self.status and (status := self.status.pop(0)) != 200:
            handler.send_response(status)
            handler.send_header("content-length", "0")
            handler.end_headers()
            return
        self._send(handler, self._start(handler))

    def _start(self, handler: BaseHTTPRequestHandler) -> int | None:
        """Return where the asked range begins; None: all is asked for, or must be sent."""
        asked = handler.headers.get("range")
        condition = handler.headers.get("if-range")
        if asked is None or not self.knows_ranges or (condition and condition != self.etag):
            return None
        return int(asked.removeprefix("bytes=").removesuffix("-")) + self.range_shift

    def _send(self, handler: BaseHTTPRequestHandler, start: int | None) -> None:
        if start is not None and start >= len(self.content):
            handler.send_response(416)
            handler.send_header("content-length", "0")
            handler.end_headers()
            return
        body = self.content[start or 0 :]
        handler.send_response(200 if start is None else 206)
        handler.send_header("content-type", self.content_type)
        if self.etag:
            handler.send_header("etag", self.etag)
        if self.tells_length:
            handler.send_header("content-length", str(self.announced or len(body)))
        if start is not None:
            total = len(self.content)
            handler.send_header("content-range", f"bytes {start}-{total - 1}/{total}")
        handler.end_headers()
        handler.wfile.write(body[: self.cut_after.pop(0)] if self.cut_after else body)


class _QuietServer(ThreadingHTTPServer):
    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of clients that hang up, which is what some tests are about."""


@contextmanager
def serving(content: bytes) -> Iterator[FileServer]:
    files = FileServer(content)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:  # noqa: N802 the library's name
            files.answer(self)

        def log_message(self, format: str, *args: Any) -> None:
            return

    with _QuietServer(("127.0.0.1", 0), Handler) as server:
        files.url = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield files
        finally:
            server.shutdown()
            thread.join()
