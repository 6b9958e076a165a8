import json
from dataclasses import replace

import pytest

from app.api.speak.framing import Frame, Mode, unpack
from app.api.speak.messages import Undecodable
from app.api.speak.telling import Telling, refusal
from app.errors import QueueFull
from app.takes.take import Status
from tests.api.speak.examples import PARTS, TAKE, TAKE_ID, VOICE

pytestmark = pytest.mark.anyio


class Sent:
    """What was sent."""

    def __init__(self) -> None:
        self.messages: list[str | bytes] = []

    async def __call__(self, message: str | bytes) -> None:
        self.messages.append(message)

    @property
    def frames(self) -> list[Frame]:
        return [unpack(message) for message in self.messages if isinstance(message, bytes)]


async def test_the_audio_ends_before_the_last_status():
    sent = Sent()
    await Telling(7, Mode.PARTS, sent).told(TAKE)
    assert unpack(sent.messages[0]) == Frame(7, TAKE_ID, 0, None, b"")
    assert json.loads(sent.messages[1])["data"]["status"] == "ready"


async def test_the_audio_ends_behind_the_last_part():
    sent = Sent()
    telling = Telling(7, Mode.CHUNKS, sent)
    await telling.told(replace(TAKE, status=Status.WAITING))
    for part in PARTS:
        await telling.heard(part)
    await telling.told(TAKE)
    assert sent.frames[-1] == Frame(7, TAKE_ID, 2, 0, b"")


async def test_the_audio_of_a_voice_is_that_of_its_example():
    sent = Sent()
    telling = Telling(7, Mode.PARTS, sent)
    await telling.told(replace(VOICE, status=Status.WAITING))
    await telling.heard(PARTS[0])
    assert [frame.take_id for frame in sent.frames] == [VOICE.example_take_id]


async def test_an_error_ends_the_audio_where_it_is():
    sent = Sent()
    telling = Telling(7, Mode.PARTS, sent)
    await telling.told(replace(TAKE, status=Status.STARTED))
    await telling.heard(PARTS[0])
    told, end = telling.failure(QueueFull("full"))
    assert json.loads(told)["request_id"] == 7
    assert unpack(end) == Frame(7, TAKE_ID, 1, None, b"")


async def test_the_audio_ends_once():
    telling = Telling(7, Mode.PARTS, Sent())
    await telling.told(TAKE)
    assert len(telling.failure(QueueFull("full"))) == 1


def test_a_message_that_is_none_is_answered_in_its_mode():
    message = Undecodable("no", request_id="a", mode=Mode.CHUNKS)
    _, end = refusal(message, message)
    assert unpack(end) == Frame("a", None, 0, 0, b"")


def test_where_no_request_is_named_there_is_no_audio_to_end():
    message = Undecodable("no")
    assert len(refusal(message, message)) == 1
