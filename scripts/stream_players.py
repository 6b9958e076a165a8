"""Many paced clients of live recognition in one thread, made to cost the machine as little as can be.

    python scripts/stream_players.py PORT COUNT FRAME_SAMPLES START SECONDS SOUNDS

Frames of all streams have the same length, so they are due in the same order for ever: no event loop is needed. START
is a time since the epoch; SOUNDS a folder written by `Sounds.write`. Prints what was told as JSON.
"""

import base64
import json
import resource
import secrets
import socket
import struct
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Final

import numpy as np

RATE: Final = 22_050
CONNECTIONS_PER_SECOND: Final = 300
LINGER_SECONDS: Final = 1.0
EARLIER_SECONDS: Final = 6.0
"""For which what is told may be what played before."""
KINDS: Final = ("known", "unknown", "speech")
MIX: Final = ("known", "unknown", "known", "speech")


@dataclass(frozen=True)
class Sounds:
    """Excerpts of the same length, by kind: float32 at `RATE`, shape `(excerpts, samples)`; and their titles."""

    excerpts: dict[str, np.ndarray]
    titles: dict[str, list[str]]

    def write(self, folder: Path) -> None:
        for kind, samples in self.excerpts.items():
            np.save(folder / f"{kind}.npy", samples.astype("<f4"))
        (folder / "titles.json").write_text(json.dumps(self.titles))

    @classmethod
    def read(cls, folder: Path) -> "Sounds":
        excerpts = {kind: np.load(folder / f"{kind}.npy", mmap_mode="r") for kind in KINDS}
        return cls(excerpts, json.loads((folder / "titles.json").read_text()))


@dataclass
class Told:
    """What came of all streams."""

    frames: int = 0
    late: list[float] = field(default_factory=list)
    """Seconds by which the latest frames were sent late: the highest hundredth."""
    known: int = 0
    """Streams that played what the catalogue has."""
    found: int = 0
    """Of these, that were told of their track."""
    first_match: list[float] = field(default_factory=list)
    """Seconds from their first frame to that."""
    other: int = 0
    """Streams that were told of a track that they did not play."""
    errors: int = 0
    closed: int = 0
    """Streams that the server closed."""


class Player:
    """One stream: a connection, and the music that it plays."""

    def __init__(self, port: int, number: int, samples: int, sounds: Sounds) -> None:
        self.kind = MIX[number % len(MIX)]
        self.first_match: float | None = None
        self.told_other = False
        self.errors = 0
        self.is_closed = False
        self._sounds = sounds
        self._rng = np.random.default_rng(number)
        self._samples = samples
        self._began: float | None = None
        self._titles: list[tuple[float, str]] = []
        self._choose(anywhere=True)
        self._head = _frame_head(4 * samples)
        self._received = bytearray()
        self._socket = _connect(port, f"bench-{number}")

    def send(self, now: float) -> None:
        """Send the next frame, and take what was told meanwhile."""
        if self.is_closed:
            return
        self._began = self._began or now
        if self._at + self._samples > self._sounds.excerpts[self.kind].shape[1]:
            self._choose(anywhere=False)
        frame = self._sounds.excerpts[self.kind][self._excerpt, self._at : self._at + self._samples]
        self._at += self._samples
        self._titles.append((now, self._sounds.titles[self.kind][self._excerpt]))
        self._write([self._head, frame.data])
        self.take(now)

    def take(self, now: float) -> None:
        try:
            while data := self._socket.recv(65_536, socket.MSG_DONTWAIT):
                self._received += data
            self.is_closed = True
        except BlockingIOError:
            pass
        except ConnectionError:
            self.is_closed = True
        for opcode, payload in _frames(self._received):
            if opcode == 1:
                self._note(json.loads(payload), now)
            elif opcode == 9:
                self._write([b"\x8a", bytes([0x80 | len(payload)]), bytes(4), payload])
            elif opcode == 8:
                self.is_closed = True

    def close(self) -> None:
        self._socket.close()

    def _choose(self, *, anywhere: bool) -> None:
        count, length = self._sounds.excerpts[self.kind].shape
        self._excerpt = int(self._rng.integers(count))
        self._at = int(self._rng.integers(length // 2)) if anywhere else 0

    def _note(self, message: dict, now: float) -> None:
        if message["type"] == "error":
            self.errors += 1
        elif message["type"] == "match" and self._began is not None:
            playing = {title for at, title in self._titles if at > now - EARLIER_SECONDS}
            titles = {match["title"] for match in message["data"]["matches"]}
            if titles & playing:
                self.first_match = self.first_match or now - self._began
            self.told_other = self.told_other or bool(titles - playing)

    def _write(self, parts: Sequence[bytes | memoryview]) -> None:
        """Write as a whole, and wait where the server does not read: that makes all others late, which is measured."""
        try:
            sent = self._socket.sendmsg(parts)
            if sent < sum(memoryview(part).nbytes for part in parts):
                self._socket.sendall(b"".join(bytes(part) for part in parts)[sent:])
        except ConnectionError:
            self.is_closed = True


def _connect(port: int, name: str) -> socket.socket:
    connection = socket.create_connection(("127.0.0.1", port))
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    key = base64.b64encode(secrets.token_bytes(16)).decode()
    head = f"GET /ws/stream/{name} HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    connection.sendall(f"{head}Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n\r\n".encode())
    answer = b""
    while not answer.endswith(b"\r\n\r\n"):  # byte by byte, since the first message may follow at once
        answer += connection.recv(1)
    assert answer.startswith(b"HTTP/1.1 101"), answer
    return connection


def _frame_head(size: int) -> bytes:
    """Return the head of a masked binary message; the mask is zero, so that nothing has to be masked."""
    length = struct.pack("!BH", 0x80 | 126, size) if size < 65_536 else struct.pack("!BQ", 0x80 | 127, size)
    return b"\x82" + length + bytes(4)


def _frames(received: bytearray) -> Iterator[tuple[int, bytes]]:
    """Take whole frames, which no server masks, off the front; shorter than 64 KiB."""
    while len(received) >= 2:
        size, start = received[1], 2
        if size == 126:
            size, start = int.from_bytes(received[2:4], "big"), 4
        if len(received) < start + size or len(received) < start:
            return
        yield received[0] & 15, bytes(received[start : start + size])
        del received[: start + size]


def play(port: int, count: int, samples: int, start: float, seconds: float, sounds: Sounds) -> Told:
    """Be so many streams from `start` on, for so many seconds."""
    players = []
    for number in range(count):
        players.append(Player(port, number, samples, sounds))
        time.sleep(1 / CONNECTIONS_PER_SECOND)
    period, late = samples / RATE, []
    for number in range(int(count * seconds / period)):
        due = start + number * period / count
        if (ahead := due - time.time()) > 0:
            time.sleep(ahead)
        now = time.time()
        late.append(now - due)
        players[number % count].send(now)
    time.sleep(LINGER_SECONDS)
    for player in players:
        player.take(time.time())
        player.close()
    return _sum(players, late)


def _sum(players: Sequence[Player], late: list[float]) -> Told:
    known = [player for player in players if player.kind == "known"]
    first = [player.first_match for player in known if player.first_match is not None]
    return Told(
        frames=len(late),
        late=sorted(late)[-max(1, len(late) // 100) :],
        known=len(known),
        found=len(first),
        first_match=sorted(first),
        other=sum(player.told_other for player in players),
        errors=sum(player.errors for player in players),
        closed=sum(player.is_closed for player in players),
    )


if __name__ == "__main__":
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(most, 65_536), most))
    port, count, samples = map(int, sys.argv[1:4])
    told = play(port, count, samples, float(sys.argv[4]), float(sys.argv[5]), Sounds.read(Path(sys.argv[6])))
    print(json.dumps(asdict(told)))
