"""Sound on its way to one listener: cut into pieces, each sent when it is due."""

from collections.abc import AsyncIterable, Awaitable, Callable
from typing import Final

import anyio

from app.calls.pacing import Pacing

CLOSE_ENOUGH: Final = 0.0005
"""Seconds: what is due so soon is due. The event loop's timers have steps of a millisecond."""

Send = Callable[[bytes], Awaitable[None]]
"""Sends a piece, waiting while the peer is slow."""


class Playout:
    """Plays to one listener; one thing at a time."""

    def __init__(
        self,
        send: Send,
        pacing: Pacing,
        *,
        bytes_per_second: int,
        sleep: Callable[[float], Awaitable[None]] = anyio.sleep,
    ) -> None:
        """Play sound of so many bytes a second.

        Args:
            send: to the listener.
            pacing: his clock.
            bytes_per_second: at which it is heard.
            sleep: waits for seconds of that clock.
        """
        self._send = send
        self._pacing = pacing
        self._bytes_per_second = bytes_per_second
        self._sleep = sleep

    async def play(self, sound: AsyncIterable[bytes], *, piece_bytes: int) -> float:
        """Send sound in pieces of so many bytes, the last of each portion perhaps shorter; returns the seconds sent.

        It returns when the last piece is sent, which may be before it is heard. Cancelling stops it between pieces.
        """
        sent = 0.0
        async for portion in sound:
            for start in range(0, len(portion), piece_bytes):
                piece = portion[start : start + piece_bytes]
                seconds = len(piece) / self._bytes_per_second
                while (wait := self._pacing.wait_time(seconds)) > CLOSE_ENOUGH:
                    await self._sleep(wait)
                await self._send(piece)
                self._pacing.sent(seconds)
                sent += seconds
        return sent

    async def heard(self) -> None:
        """Wait until all that has been sent by now has been heard. Cancelling is safe."""
        at = self._pacing.heard_at
        while (wait := self._pacing.until(at)) > CLOSE_ENOUGH:
            await self._sleep(wait)
