import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any

import anyio
import pytest

from app.api.speak.conversation import Conversation
from app.api.speak.framing import Frame, unpack
from app.api.speak.limits import SpeakLimits
from app.audio import wav
from app.errors import NotFound, QueueFull
from app.runtime.session import SERVICE_RESTART, SessionLimits
from app.takes.take import Status
from app.takes.voice import VoiceRequest
from tests.api.speak.examples import PARTS, VOICE_ID, golden
from tests.api.speak.fake_studio import FakeStudio
from tests.fakes import VIRTUAL_TIME, FakeSocket, settle, tasks

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> object:
    return VIRTUAL_TIME


def session(**limits: Any) -> SpeakLimits:
    return SpeakLimits(SessionLimits(**{"idle_timeout": 0.0, "heartbeat_interval": 0.0, "max_jobs": 64, **limits}))


@dataclass
class Talk:
    socket: FakeSocket
    studio: FakeStudio
    conversation: Conversation

    async def ask(self, request_id: object = 1, **fields: Any) -> None:
        data = {"text": "hello", "voice_id": VOICE_ID}
        await self.say({"command": "/takes/generate", "request_id": request_id, "data": data, **fields})

    async def say(self, message: object) -> None:
        self.socket.say(json.dumps(message))
        await settle()

    @property
    def heard(self) -> list[Any]:
        return [unpack(m) if isinstance(m, bytes) else json.loads(m) for m in self.socket.heard]

    @property
    def outline(self) -> list[Any]:
        """Statuses as words, audio as the numbers of part and chunk, ends with a minus, and the request of each."""
        return [(_outline(message), _request(message)) for message in self.heard]


def _outline(message: Any) -> str:
    if isinstance(message, Frame):
        name = f"{message.part_id}" if message.chunk_id is None else f"{message.part_id}.{message.chunk_id}"
        return name if message.audio else f"-{name}"
    return "refused" if "status" in message else message["data"]["status"]


def _request(message: Any) -> Any:
    return message.request_id if isinstance(message, Frame) else message.get("request_id")


@asynccontextmanager
async def talk(studio: FakeStudio | None = None, limits: SpeakLimits | None = None) -> AsyncIterator[Talk]:
    """A conversation that runs while the block does; when it ends the peer hangs up and nothing may be left."""
    before, socket = tasks(), FakeSocket()
    studio = studio or FakeStudio()
    conversation = Conversation(studio, socket, "ann", limits or SpeakLimits(), abort=socket.abort)
    async with anyio.create_task_group() as group:
        group.start_soon(conversation.run)
        await settle()
        yield Talk(socket, studio, conversation)
        socket.hang_up()
    assert tasks() == before


ONE_TAKE = ["waiting", "started", "0", "1", "-2", "ready"]


async def test_a_take_is_told_heard_and_ended_in_order():
    async with talk() as client:
        await client.ask(request_id=0)
    assert client.outline == [(step, 0) for step in ONE_TAKE]


async def test_parts_joined_are_the_take():
    async with talk() as client:
        await client.ask()
    audio = [message.audio for message in client.heard if isinstance(message, Frame)]
    assert b"".join(part[wav.HEADER_BYTES :] for part in audio) == b"".join(part.pcm for part in PARTS)


async def test_chunks_are_sent_to_who_asks_for_chunks():
    async with talk() as client:
        await client.ask(stream={"mode": "chunks"})
    chunks = ["0.0", "0.1", "0.2", "-0.3", "1.0", "1.1", "-1.2", "-2.0"]
    assert client.outline == [(step, 1) for step in ["waiting", "started", *chunks, "ready"]]


async def test_every_message_names_its_take():
    async with talk() as client:
        await client.ask()
    takes = {message.take_id if isinstance(message, Frame) else message["data"]["take_id"] for message in client.heard}
    assert takes == set(client.studio.takes)


async def test_a_voice_is_told_and_its_example_heard():
    async with talk() as client:
        await client.say(golden("voices_generate"))
    told = [message for message in client.heard if isinstance(message, dict)]
    assert [message["data"]["status"] for message in told] == ["waiting", "started", "ready"]
    frames = [message for message in client.heard if isinstance(message, Frame)]
    assert {frame.take_id for frame in frames} == {told[0]["data"]["example_take_id"]}
    assert client.outline[-2:] == [("-2.0", 0), ("ready", 0)]


async def test_the_studio_is_told_who_asks_and_on_which_connection():
    async with talk() as client:
        await client.ask()
        await client.say(golden("voices_generate"))
    assert [owner for owner, _ in client.studio.asked] == ["ann", "ann"]
    assert isinstance(client.studio.asked[1][1], VoiceRequest)
    assert client.studio.clients == [client.conversation] * 2


async def test_requests_are_made_one_after_another():
    async with talk() as client:
        client.socket.say(*[json.dumps(golden(name)) for name in ("take_generate", "voices_generate")])
        await client.ask("a")
    assert [step for step, of in client.outline if of == "a"] == ONE_TAKE
    assert [of for _, of in client.outline] == sorted((of for _, of in client.outline), key=[1, 0, "a"].index)


async def test_an_id_that_is_used_again_is_another_request():
    async with talk() as client:
        await client.ask(7)
        await client.ask(7)
    assert client.outline == [(step, 7) for step in ONE_TAKE * 2]


async def test_nothing_is_sent_that_was_not_asked_for():
    async with talk() as client:
        await anyio.sleep(7200)
        assert client.socket.closed is None
    assert client.heard == []


async def test_a_take_that_fails_ends_its_audio_too():
    async with talk(FakeStudio(parts=PARTS[:1], fault="the voice broke")) as client:
        await client.ask()
    assert client.outline == [(step, 1) for step in ["waiting", "started", "0", "-1", "error"]]
    assert client.heard[-1]["data"]["error"] == "the voice broke"


async def test_what_is_refused_is_an_error_and_an_end():
    async with talk(FakeStudio(refusal=NotFound("voice 'v1' does not exist"))) as client:
        await client.ask()
    assert client.heard == [golden("error"), Frame(1, None, 0, None, b"")]


async def test_an_end_comes_as_chunks_to_who_asked_for_chunks():
    async with talk(FakeStudio(refusal=QueueFull("full"))) as client:
        await client.ask(stream={"mode": "chunks"})
    assert client.heard[-1] == Frame(1, None, 0, 0, b"")


async def test_what_breaks_is_told_without_its_words_and_logged(caplog):
    async with talk(FakeStudio(refusal=ValueError("a secret"))) as client:
        await client.ask()
    assert client.outline == [("refused", 1), ("-0", 1)]
    assert "secret" not in client.heard[0]["message"]
    assert "a request of the speak API's WebSocket failed" in caplog.text


async def test_what_breaks_in_the_middle_ends_the_audio_where_it_is():
    studio = FakeStudio(parts=[*PARTS, None])
    async with talk(studio) as client:
        await client.ask()
    assert client.outline == [(step, 1) for step in ["waiting", "started", "0", "1", "refused", "-2"]]


async def test_a_connection_is_usable_after_an_error():
    async with talk(FakeStudio(refusal=QueueFull("full"))) as client:
        await client.ask(1)
        client.studio.refusal = None
        await client.ask(2)
    assert client.outline[2:] == [(step, 2) for step in ONE_TAKE]


async def test_a_message_that_is_none_is_answered():
    async with talk() as client:
        await client.say({"command": "/takes/delete", "request_id": "a", "data": {}})
        client.socket.say("hello", b"hello")
        await settle()
    assert client.outline == [("refused", "a"), ("-0", "a"), ("refused", None), ("refused", None)]


async def test_a_message_that_is_none_waits_for_its_turn_too():
    async with talk() as client:
        client.socket.say(json.dumps(golden("take_generate")), "hello")
        await settle()
    assert client.outline == [*((step, 1) for step in ONE_TAKE), ("refused", None)]


async def test_a_slow_client_slows_its_take():
    async with talk(limits=session(outbox_messages=2)) as client:
        client.socket.stop_reading()
        await client.ask(stream={"mode": "chunks"})
        await anyio.sleep(60)
        waiting = client.studio.asked and not client.heard
        client.socket.read_again()
        await settle()
    assert waiting
    assert client.outline[-1] == ("ready", 1)


async def test_a_client_that_goes_leaves_its_take():
    studio = FakeStudio(pace=anyio.sleep_forever)
    async with talk(studio) as client:
        await client.ask()
    assert studio.left == 1
    assert [step for step, _ in client.outline] == ["waiting", "started"]


async def test_too_many_that_wait_are_refused_at_once():
    release = anyio.Event()
    async with talk(FakeStudio(pace=release.wait), session(max_jobs=2)) as client:
        for request_id in (1, 2, 3):
            await client.ask(request_id)
        release.set()
        await settle()
    assert client.outline[2:4] == [("refused", 3), ("-0", 3)]
    assert [of for _, of in client.outline if of != 3] == [1] * 6 + [2] * 6


async def test_texts_that_wait_are_bounded_together():
    release = anyio.Event()
    limits = replace(SpeakLimits(), waiting_characters=1000)
    async with talk(FakeStudio(pace=release.wait), limits) as client:
        await client.ask(1, padding="x" * 2000)
        await client.ask(2)
        assert client.outline[2:] == [("refused", 2), ("-0", 2)]
        release.set()
        await settle()
        await client.ask(3)
    assert client.outline[-1] == ("ready", 3)


async def test_a_server_that_stops_finishes_and_closes():
    release = anyio.Event()
    async with talk(FakeStudio(pace=release.wait)) as client:
        await client.ask(1)
        client.conversation.session.drain()
        await client.ask(2)
        release.set()
        await settle()
        assert client.socket.closed == (SERVICE_RESTART, "server is restarting")
    assert [(step, of) for step, of in client.outline if of == 1] == [(step, 1) for step in ONE_TAKE]
    assert [(step, of) for step, of in client.outline if of == 2] == [("refused", 2), ("-0", 2)]


async def test_every_status_is_told():
    async with talk() as client:
        await client.ask()
    statuses = [message["data"]["status"] for message in client.heard if isinstance(message, dict)]
    assert statuses == [Status.WAITING, Status.STARTED, Status.READY]


async def test_requests_leave_nothing_behind():
    async with talk() as client:
        for request_id in range(100):
            await client.ask(request_id)
        assert client.conversation._explanations == {}
