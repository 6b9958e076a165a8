"""A stock uvicorn on a free port, for tests of what must hold on a real server."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn
from starlette.types import ASGIApp


@contextmanager
def serving(app: ASGIApp, **settings: object) -> Iterator[str]:
    """Serve `app` from a thread and yield `127.0.0.1:port`; stop and join on exit."""
    config = uvicorn.Config(
        app,
        host="127.0.0.1",
        port=0,
        log_config=None,
        lifespan="off",
        ws="websockets-sansio",
        timeout_graceful_shutdown=1,
        **settings,  # type: ignore[arg-type]
    )
    server = _Server(config)
    thread = threading.Thread(target=server.run, name="plain-server")
    thread.start()
    try:
        assert server.listening.wait(10), "the server did not start"
        host, port = server.servers[0].sockets[0].getsockname()
        yield f"{host}:{port}"
    finally:
        server.should_exit = True
        thread.join(10)


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.listening = threading.Event()

    async def startup(self, *args: object, **kwargs: object) -> None:
        await super().startup(*args, **kwargs)  # type: ignore[arg-type]
        self.listening.set()
