"""What of the requests the stream's own tests do not show: how much is kept."""

import json
from contextlib import ExitStack
from typing import Any

import pytest

from app.sdk.errors import BrokenReply
from app.sdk.speak import Take
from app.sdk.speak_requests import STATUS_BYTES, Request, Requests
from app.sdk.speak_take import read_take
from tests.sdk.fake_speak import frame, take, wav

pytestmark = pytest.mark.anyio

PART = wav(bytes(1000))


class Line:
    """Keeps what is posted."""

    def __init__(self) -> None:
        self.posted: list[dict[str, Any]] = []

    def post(self, message: str) -> None:
        self.posted.append(json.loads(message))


def opened(buffer_bytes: int) -> Requests:
    requests = Requests(buffer_bytes=buffer_bytes)
    requests.wire = Line()
    requests.opened()
    return requests


def ask(requests: Requests, block: ExitStack) -> Request[Take]:
    return block.enter_context(requests.request("/takes/generate", {}, read_take, is_chunked=False))


async def test_reading_goes_on_while_there_is_room() -> None:
    requests = opened(buffer_bytes=3 * len(PART))
    with ExitStack() as block:
        request = ask(requests, block)
        for part in range(2):
            assert requests.received(frame(1, part, None, PART)) is None
        room = requests.received(frame(1, 2, None, PART))
        assert room is not None
        await request.event()
        await room

        assert requests.received(json.dumps({"request_id": 1, "data": take("started")})) is None


async def test_giving_up_a_request_makes_room() -> None:
    requests = opened(buffer_bytes=len(PART))
    with ExitStack() as block:
        ask(requests, block)
        room = requests.received(frame(1, 0, None, PART))
    assert room is not None
    await room

    assert requests.received(frame(1, 1, None, PART)) is None


async def test_statuses_count_too() -> None:
    requests = opened(buffer_bytes=2 * STATUS_BYTES)
    with ExitStack() as block:
        request = ask(requests, block)
        assert requests.received(json.dumps({"request_id": 1, "data": take("waiting")})) is None
        room = requests.received(json.dumps({"request_id": 1, "data": take("started")}))
        assert room is not None
        await request.event()
        await room


async def test_what_waits_for_a_missing_part_is_bounded_and_holds_up_nothing() -> None:
    requests = opened(buffer_bytes=2 * len(PART))
    with ExitStack() as block:
        request = ask(requests, block)
        for part in (1, 2):
            assert requests.received(frame(1, part, None, PART)) is None
        assert requests.received(frame(1, 3, None, PART)) is None

        with pytest.raises(BrokenReply, match="is missing"):
            await request.event()


async def test_ended_requests_are_forgotten() -> None:
    requests = opened(buffer_bytes=10_000)
    with ExitStack() as block:
        request = ask(requests, block)
        assert len(requests) == 1
        requests.received(json.dumps({"request_id": 1, "data": take("ready")}))
        requests.received(frame(1, 0, None, b""))
        assert len(requests) == 0
        await request.event()
        await request.event()
