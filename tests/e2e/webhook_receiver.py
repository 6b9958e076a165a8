"""Somebody whom webhooks are told: an HTTP server in a thread that keeps what it is sent."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class Receiver:
    """What was received, in order."""

    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self.port = port
        self._calls: list[tuple[str, Any]] = []
        self._news = threading.Condition()

    def told(self, path: str) -> list[Any]:
        """The bodies that came to a path."""
        return [body for where, body in self._calls if where == path]

    def wait_for(self, path: str, count: int = 1, *, within: float = 20.0) -> list[Any]:
        """Return what came to a path, once it is so much; what is there after so many seconds if it is not."""
        with self._news:
            self._news.wait_for(lambda: len(self.told(path)) >= count, timeout=within)
        return self.told(path)

    def take(self, path: str, body: bytes) -> None:
        with self._news:
            self._calls.append((path, json.loads(body)))
            self._news.notify_all()


@contextmanager
def webhook_receiver() -> Iterator[Receiver]:
    """Listen on a free port of this machine."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:  # noqa: N802 the library's name
            receiver.take(self.path, self.rfile.read(int(self.headers["content-length"])))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *arguments: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    receiver = Receiver(server.server_port)
    thread = threading.Thread(target=server.serve_forever, name="webhook-receiver")
    thread.start()
    try:
        yield receiver
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
