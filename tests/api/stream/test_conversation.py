import json
from contextlib import asynccontextmanager

import anyio
import pytest

from app.api.stream.conversation import MAX_UNTOLD, Conversation
from app.api.stream.messages import Options
from app.fingerprint.event import Matched
from app.fingerprint.hearing import Heard, Progress
from app.fingerprint.hearings import Hearings
from app.runtime.session import Ending
from app.runtime.workers import Workers
from tests.api.stream.door import limited, track
from tests.fakes import VIRTUAL_TIME, FakeSocket, settle
from tests.fingerprint.fake_recognizer import FakeRecognizer, hit, sound

pytestmark = pytest.mark.anyio

IDLE = 300.0


@pytest.fixture
def anyio_backend():
    return VIRTUAL_TIME


class Stream:
    """A conversation in virtual time, whose audio nobody hears unless a test says what was heard."""

    def __init__(self) -> None:
        self.socket = FakeSocket()
        self.ending: Ending | None = None
        self.answers = anyio.Event()
        hearings = Hearings(Workers({}), FakeRecognizer)
        limits = limited(idle=IDLE)
        self.conversation = Conversation(
            hearings, self.find, self.socket, limits, Options(), now=lambda: 1.5, clock=anyio.current_time
        )

    async def find(self, ids):
        await self.answers.wait()
        return [track(id) for id in ids]

    async def run(self) -> None:
        self.ending = await self.conversation.run()

    def hear(self, turn: int) -> None:
        progress = Progress(22_050, 0, 66_150, turn)
        self.conversation._on_heard(Heard((Matched((hit(),)),), progress))


@asynccontextmanager
async def streaming():
    stream = Stream()
    async with anyio.create_task_group() as group:
        group.start_soon(stream.run)
        await settle()
        yield stream
        stream.socket.hang_up()


async def test_who_sends_no_audio_is_idle_whatever_else_he_sends():
    async with streaming() as stream:
        for message in ("still there", b""):
            await anyio.sleep(IDLE / 3)
            stream.socket.say(message)
        await anyio.sleep(IDLE / 3 + 0.1)
        assert stream.socket.closed == (1000, "idle timeout")


async def test_audio_keeps_a_stream():
    async with streaming() as stream:
        for _ in range(9):
            await anyio.sleep(IDLE / 3)
            stream.socket.say(sound(1))
        await settle()
        assert stream.socket.closed is None


async def test_what_waits_for_a_slow_catalogue_is_bounded_and_told_in_order():
    async with streaming() as stream:
        for turn in range(MAX_UNTOLD + 5):
            stream.hear(turn)
            await settle()
        stream.answers.set()
        await settle()
        told = [message for message in stream.socket.heard if '"match"' in message]
    processed = [int(message.partition('"samples_processed":')[2].partition(",")[0]) for message in told]
    assert processed == [0, *range(5, MAX_UNTOLD + 5)]


async def test_who_comes_early_is_told_so():
    class Closed:
        is_open = False

        async def opened(self) -> None:
            await anyio.sleep_forever()

    hearings, socket = Hearings(Workers({}), FakeRecognizer, opening=Closed()), FakeSocket()
    conversation = Conversation(hearings, None, socket, limited(), Options())
    async with anyio.create_task_group() as group:
        group.start_soon(conversation.run)
        await settle()
        socket.hang_up()
    assert [json.loads(one)["message"] for one in socket.heard] == [
        "Connected to SoundHash streaming service",
        "Recognition is being prepared: the last seconds of your audio are kept until it is",
    ]


async def test_the_last_word_goes_out_before_the_end():
    async with streaming() as stream:
        stream.conversation.end(1008, "terminated", status="Goodbye")
        await settle()
        assert stream.socket.heard[-1] == '{"type":"status","message":"Goodbye"}'
        assert stream.socket.closed == (1008, "terminated")
