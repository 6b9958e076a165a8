"""A receiver of webhooks on this machine, and the faults that real ones have."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import anyio
from anyio.abc import SocketStream

OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nOK"

FAULTS = {
    "ok": OK,
    "error": b"HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\n\r\n",
    "gone": b"HTTP/1.1 410 Gone\r\ncontent-length: 0\r\n\r\n",
    "redirect": b"HTTP/1.1 302 Found\r\nlocation: http://169.254.169.254/\r\ncontent-length: 0\r\n\r\n",
    "garbage": b"\x00\x01\x02 what is HTTP?\r\n\r\n",
    "half": b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\nabc",
    "nothing": b"",
    "endless": b"HTTP/1.1 200 OK\r\ncontent-length: 100000000\r\n\r\n" + b"x" * 200_000,
}


@dataclass
class Receiver:
    """What it got, in order, and what it answers: one fault after another, then `ok`."""

    port: int = 0
    faults: list[str] = field(default_factory=list)
    got: list[tuple[dict[str, str], bytes]] = field(default_factory=list)
    arrival: anyio.Event = field(default_factory=anyio.Event)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hook"

    async def has_got(self, count: int) -> None:
        while len(self.got) < count:
            self.arrival = anyio.Event()
            await self.arrival.wait()

    async def serve(self, stream: SocketStream) -> None:
        async with stream:
            try:
                while (request := await _request(stream)) is not None:
                    self.got.append(request)
                    self.arrival.set()
                    await self._answer(stream)
            except (anyio.BrokenResourceError, anyio.ClosedResourceError, anyio.EndOfStream):
                return

    async def _answer(self, stream: SocketStream) -> None:
        fault = self.faults.pop(0) if self.faults else "ok"
        if fault == "hang":
            await anyio.sleep_forever()
        await stream.send(FAULTS[fault])
        if fault != "ok":
            await stream.aclose()


async def _request(stream: SocketStream) -> tuple[dict[str, str], bytes] | None:
    data = b""
    while b"\r\n\r\n" not in data:
        data += await stream.receive()
    head, _, body = data.partition(b"\r\n\r\n")
    headers = {}
    for line in head.decode().split("\r\n")[1:]:
        name, _, value = line.partition(":")
        headers[name.strip().lower()] = value.strip()
    while len(body) < int(headers.get("content-length", "0")):
        body += await stream.receive()
    return headers, body


@asynccontextmanager
async def receiving(*faults: str) -> AsyncIterator[Receiver]:
    receiver = Receiver(faults=list(faults))
    listener = await anyio.create_tcp_listener(local_host="127.0.0.1")
    receiver.port = listener.extra(anyio.abc.SocketAttribute.local_port)
    async with listener, anyio.create_task_group() as group:
        group.start_soon(listener.serve, receiver.serve)
        yield receiver
        group.cancel_scope.cancel()
