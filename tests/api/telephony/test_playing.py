"""What a listener hears and is told, to the millisecond of a virtual clock."""

import json
import os
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, cast

import anyio
import pytest

from app.api.telephony.limits import CallLimits
from app.api.telephony.messages import PlayOptions
from app.api.telephony.playing import Playing
from app.audio.format import Format
from app.calls.audio_files import AudioFile
from app.calls.call import CallForm
from app.calls.shared_reads import SharedReads
from app.calls.sounds import Sounds
from app.errors import NotFound
from app.runtime.session import Ending
from tests.fakes import VIRTUAL_TIME, FakeSocket, settle

pytestmark = pytest.mark.anyio

FRAME = 640


@pytest.fixture
def anyio_backend() -> object:
    return VIRTUAL_TIME


class FakeSounds:
    """Gives silence of some seconds, then perhaps a fault."""

    def __init__(self, seconds: float, fault: Exception | None = None) -> None:
        self.seconds = seconds
        self.fault = fault

    async def portions(self, file: AudioFile, form: CallForm) -> AsyncGenerator[bytes, None]:
        yield bytes(round(self.seconds * 50) * form.frame_bytes)
        if self.fault is not None:
            raise self.fault


class Listener:
    """One who listens; keeps when what came."""

    def __init__(self, seconds: float, fault: Exception | None = None) -> None:
        self.socket = FakeSocket()
        self.socket.on_send = lambda: self.times.append(anyio.current_time() - self.began)
        self.times: list[float] = []
        self.ending: Ending | None = None
        file = AudioFile(Path("a.wav"), "a.wav", Format.WAV, os.stat("/"))
        sounds = cast(Sounds, FakeSounds(seconds, fault))
        self.playing = Playing(
            file,
            cast(SharedReads, None),
            sounds,
            self.socket,
            CallLimits(),
            PlayOptions(CallForm()),
            clock=anyio.current_time,
        )
        self.began = anyio.current_time()

    async def run(self) -> None:
        self.ending = await self.playing.run()

    def tell(self, **message: Any) -> None:
        self.socket.say(json.dumps(message))

    @property
    def told(self) -> list[tuple[float, Any]]:
        """Events and when they came."""
        heard = zip(self.times, self.socket.heard, strict=False)
        return [(round(at, 3), json.loads(message)) for at, message in heard if isinstance(message, str)]

    @property
    def frames(self) -> list[float]:
        heard = zip(self.times, self.socket.heard, strict=False)
        return [at for at, message in heard if isinstance(message, bytes)]


@asynccontextmanager
async def listener(seconds: float, fault: Exception | None = None) -> AsyncIterator[Listener]:
    one = Listener(seconds, fault)
    async with anyio.create_task_group() as group:
        group.start_soon(one.run)
        await settle()
        yield one
        await anyio.sleep(10)
        one.socket.hang_up()


async def test_frames_come_at_the_pace_at_which_they_are_heard_and_the_end_when_all_are() -> None:
    async with listener(1.0) as one:
        pass
    assert one.frames == pytest.approx([max(0.0, 0.02 * (n - 4)) for n in range(50)], abs=1e-4)
    assert one.times[-1] == pytest.approx(1.0, abs=1e-3)
    assert one.socket.closed == (1000, "")


async def test_notify_is_answered_when_what_was_sent_before_it_has_been_heard() -> None:
    async with listener(1.0) as one:
        await anyio.sleep(0.5)
        one.tell(action="notify", payload={"n": 1})
        one.tell(action="notify", payload={"n": 2})
        await anyio.sleep(0.3)
        one.tell(action="notify", payload={"n": 3})
    answers = {told["payload"]["n"]: at for at, told in one.told}
    assert answers == pytest.approx({1: 0.6, 2: 0.6, 3: 0.9}, abs=0.001)


async def test_a_notify_at_the_very_end_is_answered_before_the_end() -> None:
    async with listener(0.5) as one:
        await anyio.sleep(0.45)
        for n in range(5):
            one.tell(action="notify", payload={"n": n})
    assert [told["payload"]["n"] for _, told in one.told] == [0, 1, 2, 3, 4]
    assert one.socket.closed == (1000, "")


async def test_clear_ends_the_playing_and_what_waited_for_it() -> None:
    async with listener(5.0) as one:
        await anyio.sleep(0.51)
        one.tell(action="notify", payload={})
        one.tell(action="clear")
        await settle()
        assert one.socket.closed == (1000, "")
    assert [told for _, told in one.told] == [{"event": "websocket:cleared"}]
    assert isinstance(one.socket.heard[-1], str)


async def test_a_server_that_drains_lets_the_file_end(caplog: pytest.LogCaptureFixture) -> None:
    async with listener(1.0) as one:
        await anyio.sleep(0.3)
        one.playing.session.drain()
        one.tell(action="notify", payload={"n": 1})
    assert len(one.frames) == 50
    assert [told["payload"]["n"] for _, told in one.told] == [1]
    assert one.socket.closed == (1000, "")


@pytest.mark.parametrize(
    ("fault", "ending"),
    [
        (NotFound("it is gone"), (1003, "File not found")),
        (ZeroDivisionError("a secret"), (1011, "the file cannot be played now")),
    ],
)
async def test_a_fault_ends_the_playing(fault, ending, caplog) -> None:
    async with listener(0.2, fault) as one:
        pass
    assert one.socket.closed == ending
    assert ("a secret" in caplog.text) == isinstance(fault, ZeroDivisionError)
