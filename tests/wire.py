"""A client that speaks WebSocket byte by byte, so that it can do what no library lets it."""

import asyncio
import socket
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio

CONT, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10

PATIENCE = 10.0  # seconds, far beyond every deadline that a test sets


def handshake(path: str = "/ws", *headers: str) -> bytes:
    """Return the head of a request that becomes a WebSocket."""
    lines = [
        f"GET {path} HTTP/1.1",
        "Host: localhost",
        "Upgrade: websocket",
        "Connection: Upgrade",
        "Sec-WebSocket-Key: MDEyMzQ1Njc4OWFiY2RlZg==",
        "Sec-WebSocket-Version: 13",
        *headers,
    ]
    return "".join(f"{line}\r\n" for line in [*lines, ""]).encode("latin-1")


def header(opcode: int, length: int, *, fin: bool = True) -> bytes:
    """Return the head of a masked frame whose mask is zero, so that the payload travels as it is."""
    first = opcode | (0x80 if fin else 0)
    if length < 126:
        return struct.pack("!BB4x", first, 0x80 | length)
    if length < 65536:
        return struct.pack("!BBH4x", first, 0x80 | 126, length)
    return struct.pack("!BBQ4x", first, 0x80 | 127, length)


def frame(opcode: int, payload: bytes = b"", *, fin: bool = True) -> bytes:
    """Return a whole masked frame."""
    return header(opcode, len(payload), fin=fin) + payload


class Wire:
    """One connection; every read fails after `PATIENCE`."""

    def __init__(self, connected: socket.socket) -> None:
        self.socket = connected
        self._loop = asyncio.get_running_loop()
        self._buffer = bytearray()

    async def send(self, data: bytes) -> None:
        """Send bytes as they are."""
        with anyio.fail_after(PATIENCE):
            await self._loop.sock_sendall(self.socket, data)

    async def open(self, path: str = "/ws", *headers: str) -> bytes:
        """Ask for a WebSocket; returns the head of the response."""
        await self.send(handshake(path, *headers))
        return await self.read_head()

    async def read_head(self) -> bytes:
        """Return the head of a response."""
        while b"\r\n\r\n" not in self._buffer:
            await self._fill()
        return self._take(self._buffer.index(b"\r\n\r\n") + 4)

    async def read_frame(self) -> tuple[int, bytes]:
        """Return opcode and payload of the next frame."""
        first, length = await self.read(2)
        if length == 126:
            length = int.from_bytes(await self.read(2), "big")
        elif length == 127:
            length = int.from_bytes(await self.read(8), "big")
        return first & 0x0F, await self.read(length)

    async def read_close(self) -> tuple[int, str]:
        """Return code and reason of the close frame, passing over all frames before it."""
        opcode, payload = await self.read_frame()
        while opcode != CLOSE:
            opcode, payload = await self.read_frame()
        return int.from_bytes(payload[:2], "big"), payload[2:].decode()

    async def read(self, count: int) -> bytes:
        """Return exactly so many bytes.

        Raises:
            EOFError: the server closed before.
        """
        while len(self._buffer) < count:
            await self._fill()
        return self._take(count)

    async def read_to_end(self) -> bytes:
        """Return what comes until the server closes or resets the connection."""
        try:
            while True:
                await self._fill()
        except (EOFError, ConnectionError):
            return self._take(len(self._buffer))

    def half_close(self) -> None:
        """Say that nothing more will be sent."""
        self.socket.shutdown(socket.SHUT_WR)

    def reset(self) -> None:
        """Cut the connection with a RST."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()

    async def _fill(self) -> None:
        with anyio.fail_after(PATIENCE):
            data = await self._loop.sock_recv(self.socket, 65536)
        if not data:
            raise EOFError("the server closed the connection")
        self._buffer += data

    def _take(self, count: int) -> bytes:
        data = bytes(self._buffer[:count])
        del self._buffer[:count]
        return data


@asynccontextmanager
async def wire(port: int, *, receive_buffer: int | None = None) -> AsyncIterator[Wire]:
    """Connect to a port of this machine; a small receive buffer, in bytes, makes the server wait sooner."""
    with socket.socket() as client:
        client.setblocking(False)
        if receive_buffer is not None:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        await asyncio.get_running_loop().sock_connect(client, ("127.0.0.1", port))
        yield Wire(client)
