import asyncio
import base64
import hashlib
from collections.abc import AsyncIterator, Awaitable, Coroutine
from contextlib import aclosing
from http import HTTPStatus
from pathlib import Path
from typing import Any

import pytest

from app.sdk.portrait import (
    Backoff,
    BrokenReply,
    ConnectionLost,
    Fragment,
    NotConnected,
    Opening,
    Portrait,
    Portraits,
    Progress,
    Refused,
    RequestFailed,
)
from app.sdk.portrait_client import KEPT_NAMES, portrait_url
from app.sdk.portrait_exchange import HELD_MESSAGES
from tests.eventually import eventually
from tests.sdk.fake_portraits import RESULT, FakePortraits, PortraitPeer, fake_portraits
from tests.sdk.fake_server import Naps

PICTURE = b"a picture"
NAME = hashlib.sha256(PICTURE).hexdigest()

pytestmark = pytest.mark.anyio


@pytest.fixture
async def server() -> AsyncIterator[FakePortraits]:
    async with fake_portraits() as server:
        yield server


async def both(asking: Coroutine[Any, Any, Any], answering: Coroutine[Any, Any, Any]) -> Any:
    """Run both; returns what was asked for."""
    async with asyncio.timeout(20), asyncio.TaskGroup() as group:
        asked = group.create_task(asking)
        group.create_task(answering)
    return asked.result()


async def failure_of(asking: Awaitable[Any]) -> Exception:
    try:
        await asking
    except Exception as error:
        return error
    raise AssertionError("it did not fail")


async def served(peer: PortraitPeer, heard: list[dict[str, Any]], count: int = 1) -> None:
    """Finish so many requests at once, and note them."""
    for _ in range(count):
        heard.append(await peer.hear_type("process"))
        await peer.finish(heard[-1])


def decoded(text: str) -> bytes:
    return base64.b64decode(text, validate=True)


async def test_a_picture_speaks_a_sound(server: FakePortraits, tmp_path: Path) -> None:
    (tmp_path / "ada.png").write_bytes(PICTURE)
    told: list[Progress] = []

    async def answer(peer: PortraitPeer) -> None:
        request = await peer.hear()
        assert request.keys() == {"type", "image_base64", "audio_base64", "options"}
        assert (decoded(request["image_base64"]), decoded(request["audio_base64"])) == (PICTURE, b"sound")
        assert request["options"] == {"model_type": "warp", "pads": [0, 10, 0, 0]}
        await peer.progress(25)
        await peer.finish(request)

    async with Portraits(server.url, "key") as portraits:
        peer = await server.accept()
        drawing = portraits.speak(
            tmp_path / "ada.png", b"sound", model="warp", pads=(0, 10, 0, 0), fps=None, on_progress=told.append
        )
        portrait = await both(drawing, answer(peer))

    assert (peer.path, peer.authorization) == ("/ws/lip-sync", "Bearer key")
    assert portrait.video == b"video" and portrait.image_id == NAME and portrait.frames == 50
    assert (portrait.model_used, portrait.requested_model) == ("warp", "nota_wav2lip")
    assert portrait.fallback_reason == "nota_wav2lip has no weights" and portrait.duration == 2.0
    assert told == [Progress(25.0, "25 %")]


async def test_a_text_is_spoken_by_the_server(server: FakePortraits) -> None:
    heard: list[dict[str, Any]] = []
    async with Portraits(server.url) as portraits:
        peer = await server.accept()
        asking = portraits.speak(PICTURE, text="Grüß Gott", voice="anna", language="de", speed=None, ssml=False)
        await both(asking, served(peer, heard))

    del heard[0]["image_base64"]
    said = {"text": "Grüß Gott", "voice": "anna", "language": "de", "ssml": False}
    assert heard[0] == {"type": "process", **said, "options": {}}


async def test_a_picture_is_sent_once(server: FakePortraits) -> None:
    heard: list[dict[str, Any]] = []
    async with Portraits(server.url) as portraits:
        peer = await server.accept()
        for text in ("one", "two"):
            await both(portraits.speak(PICTURE, text=text), served(peer, heard))
        await both(portraits.speak(b"another", text="three"), served(peer, heard))

    assert decoded(heard[0]["image_base64"]) == PICTURE
    assert heard[1]["image_id"] == NAME and "image_base64" not in heard[1]
    assert decoded(heard[2]["image_base64"]) == b"another"


async def test_a_picture_that_the_server_has_forgotten_is_sent_again(server: FakePortraits) -> None:
    async def forget(peer: PortraitPeer) -> None:
        assert "image_base64" not in await peer.hear_type("process")
        await peer.refuse("validation_error", field="image_id")
        request = await peer.hear_type("process")
        assert decoded(request["image_base64"]) == PICTURE and "image_id" not in request
        await peer.finish(request)

    async with Portraits(server.url) as portraits:
        peer = await server.accept()
        await both(portraits.speak(PICTURE, text="one"), served(peer, []))

        portrait = await both(portraits.speak(PICTURE, text="two"), forget(peer))

    assert portrait.video == b"video"


async def test_a_picture_that_is_refused_when_it_is_sent_is_not_sent_for_ever(server: FakePortraits) -> None:
    async def refuse(peer: PortraitPeer) -> None:
        await peer.hear()
        await peer.refuse("validation_error", field="image_id")

    async with Portraits(server.url) as portraits:
        peer = await server.accept()
        error = await both(failure_of(portraits.speak(PICTURE, text="hi")), refuse(peer))
        named = await both(failure_of(portraits.speak(image_id=NAME, text="hi")), refuse(peer))

    for failed in (error, named):
        assert isinstance(failed, RequestFailed) and failed.code == "validation_error"
        assert failed.details["field"] == "image_id"


async def test_names_of_pictures_are_not_kept_without_bound(server: FakePortraits) -> None:
    heard: list[dict[str, Any]] = []
    async with Portraits(server.url) as portraits:
        peer = await server.accept()
        await both(portraits.speak(PICTURE, text="hi"), served(peer, heard))
        for number in range(KEPT_NAMES):
            portraits._note(f"{number:064x}")
        await both(portraits.speak(PICTURE, text="hi"), served(peer, heard))

    assert "image_base64" in heard[1]


async def test_a_video_or_a_name_can_take_the_place_of_a_picture(server: FakePortraits) -> None:
    heard: list[dict[str, Any]] = []
    async with Portraits(server.url) as portraits:
        peer = await server.accept()
        await both(portraits.speak(None, b"sound", video=b"film"), served(peer, heard))
        await both(portraits.speak(None, b"sound", image_id=NAME), served(peer, heard))

    assert decoded(heard[0]["video_base64"]) == b"film" and heard[1]["image_id"] == NAME
    assert not any("image_base64" in request for request in heard)


@pytest.mark.parametrize(
    "asked",
    [{}, {"text": "hi"}, {"image": PICTURE}, {"image": PICTURE, "text": "hi", "video": b"film"}]
    + [{"image": PICTURE, "text": "hi", "audio": b"sound"}, {"image": PICTURE, "image_id": NAME, "text": "hi"}],
)
async def test_one_speaks_and_one_thing_is_said(server: FakePortraits, asked: dict[str, Any]) -> None:
    async with Portraits(server.url) as portraits:
        with pytest.raises(ValueError, match="exactly one of"):
            await portraits.speak(**asked)


async def test_a_file_that_is_not_there_is_the_callers_error(server: FakePortraits, tmp_path: Path) -> None:
    async with Portraits(server.url) as portraits:
        with pytest.raises(FileNotFoundError):
            await portraits.speak(tmp_path / "nobody.jpg", text="hi")


async def test_large_files_arrive_as_they_are(server: FakePortraits) -> None:
    picture, sound = bytes(range(256)) * 5000 + b"!", b"\xff" * (3 * 2**20 + 2)
    heard: list[dict[str, Any]] = []
    async with Portraits(server.url) as portraits:
        await both(portraits.speak(picture, sound), served(await server.accept(), heard))

    assert decoded(heard[0]["image_base64"]) == picture and decoded(heard[0]["audio_base64"]) == sound


async def test_a_video_comes_in_fragments(server: FakePortraits) -> None:
    told: list[Progress] = []

    async def answer(peer: PortraitPeer) -> None:
        request = await peer.hear_type("process")
        assert request["options"] == {"stream": True}
        await peer.open_stream(model_used="warp", requested_model="wav2lip", fallback_reason="no weights")
        await peer.say(b"init")
        await peer.progress(60)
        await peer.say(b"more")
        await peer.finish(request, video=None)

    async def collect(portraits: Portraits) -> list[Any]:
        return [event async for event in portraits.stream(PICTURE, text="hi", on_progress=told.append)]

    async with Portraits(server.url) as portraits:
        events = await both(collect(portraits), answer(await server.accept()))

    assert events[:3] == [
        Opening("1f0c9a2e", "avc1.64001e, mp4a.40.2", 64, 48, 25.0, "warp", "wav2lip", "no weights"),
        Fragment(b"init"),
        Fragment(b"more"),
    ]
    assert isinstance(events[3], Portrait) and events[3].video == b"" and events[3].video_size == 5
    assert told == [Progress(60.0, "60 %")]


async def test_the_server_waits_for_who_takes_fragments_slowly(server: FakePortraits) -> None:
    fragment = bytes(2**20)
    sent = 0

    async def answer(peer: PortraitPeer) -> None:
        nonlocal sent
        request = await peer.hear_type("process")
        for _ in range(100):
            await peer.say(fragment)
            sent += 1
        await peer.finish(request, video=None)

    async def take_slowly(portraits: Portraits) -> int:
        count = 0
        async with aclosing(portraits.stream(PICTURE, text="hi")) as events:
            async for _ in events:
                count += 1
                if count == 1:
                    await eventually(lambda: sent >= HELD_MESSAGES)
                    for _ in range(200):
                        await asyncio.sleep(0)
                    assert sent < 60  # what is held, and what is in the network's own buffers
        return count

    async with Portraits(server.url) as portraits:
        assert await both(take_slowly(portraits), answer(await server.accept())) == 101


async def test_who_waits_no_more_cancels(server: FakePortraits) -> None:
    async with Portraits(server.url) as portraits:
        peer = await server.accept()
        drawing = asyncio.timeout(None)
        with pytest.raises(TimeoutError):
            async with drawing, asyncio.TaskGroup() as group:

                async def cancel() -> None:
                    await peer.hear_type("process")
                    drawing.reschedule(asyncio.get_running_loop().time())

                group.create_task(cancel())
                await portraits.speak(PICTURE, text="hi")
        await peer.hear_cancel()


@pytest.mark.parametrize("late", ["cancelled", "info", "error"])
async def test_what_is_left_of_a_cancelled_portrait_is_not_taken_for_the_next(server: FakePortraits, late: str) -> None:
    async def answer(peer: PortraitPeer) -> None:
        await peer.hear_type("process")
        await peer.open_stream()
        await peer.hear_cancel()
        await peer.say(b"late fragment")
        await peer.progress(99)
        if late == "info":  # it had ended before the cancel came
            await peer.say(RESULT | {"video_base64": base64.b64encode(bytes(100_000)).decode()})
        await (peer.refuse("processing_error") if late == "error" else peer.confirm(late))
        await peer.say("no JSON")
        await peer.pong()
        await peer.finish(await peer.hear_type("process"))

    async def give_up_then_ask(portraits: Portraits) -> Portrait:
        async with aclosing(portraits.stream(PICTURE, text="one")) as events:
            assert isinstance(await anext(events), Opening)
        return await portraits.speak(PICTURE, text="two")

    async with Portraits(server.url) as portraits:
        portrait = await both(give_up_then_ask(portraits), answer(await server.accept()))

    assert portrait.video == b"video"


async def test_the_next_is_not_asked_for_before_the_server_has_let_go(server: FakePortraits) -> None:
    async with Portraits(server.url) as portraits:
        peer = await server.accept()

        async def answer() -> None:
            await peer.hear_type("process")
            await peer.open_stream()
            await peer.hear_cancel()
            await peer.pong()
            await peer.confirm()
            assert (await peer.hear())["text"] == "two"
            await peer.refuse("processing_error")

        async def ask() -> Exception:
            async with aclosing(portraits.stream(PICTURE, text="one")) as events:
                await anext(events)
            return await failure_of(portraits.speak(PICTURE, text="two"))

        assert isinstance(await both(ask(), answer()), RequestFailed)


async def test_portraits_wait_their_turn(server: FakePortraits) -> None:
    heard: list[dict[str, Any]] = []

    async def ask(portraits: Portraits) -> list[Portrait]:
        return await asyncio.gather(*(portraits.speak(PICTURE, text=str(number)) for number in range(3)))

    async with Portraits(server.url) as portraits:
        made = await both(ask(portraits), served(await server.accept(), heard, 3))

    assert len(made) == 3 and sorted(request["text"] for request in heard) == ["0", "1", "2"]


async def test_an_error_has_its_code_and_words(server: FakePortraits) -> None:
    async def answer(peer: PortraitPeer) -> None:
        await peer.hear_type("process")
        await peer.refuse("processing_error")
        await served(peer, [])

    async with Portraits(server.url) as portraits:
        peer = await server.accept()

        async def ask() -> Exception:
            error = await failure_of(portraits.speak(PICTURE, text="hi"))
            await portraits.speak(PICTURE, text="again")
            return error

        error = await both(ask(), answer(peer))

    assert isinstance(error, RequestFailed) and error.code == "processing_error"
    assert error.message == "it is processing_error"


async def test_a_reply_that_lacks_something_is_told(server: FakePortraits) -> None:
    async def answer(peer: PortraitPeer) -> None:
        await peer.hear_type("process")
        await peer.say({"type": "result", "job_id": "1"})

    async with Portraits(server.url) as portraits:
        error = await both(failure_of(portraits.speak(PICTURE, text="hi")), answer(await server.accept()))

    assert isinstance(error, BrokenReply)


async def test_a_server_that_has_only_what_the_document_says_is_enough(server: FakePortraits) -> None:
    async def answer(peer: PortraitPeer) -> None:
        for _ in range(2):
            assert "image_base64" in await peer.hear_type("process")
            await peer.say(RESULT | {"video_base64": base64.b64encode(b"video").decode(), "timestamp": 1.0})

    async def ask(portraits: Portraits) -> Portrait:
        await portraits.speak(PICTURE, b"sound")
        return await portraits.speak(PICTURE, b"sound")

    async with Portraits(server.url) as portraits:
        portrait = await both(ask(portraits), answer(await server.accept()))

    assert portrait.video == b"video" and portrait.requested_model is None and portrait.image_id is None


async def test_a_connection_that_breaks_fails_what_was_under_way_and_comes_back(server: FakePortraits) -> None:
    async def answer() -> None:
        peer = await server.accept()
        await peer.hear_type("process")
        await peer.hang_up(1012, "restarting")
        await served(await server.accept(), [])

    async with Portraits(server.url, sleep=Naps()) as portraits:

        async def ask() -> Exception:
            error = await failure_of(portraits.speak(PICTURE, text="one"))
            assert (await portraits.speak(PICTURE, text="two")).video == b"video"
            return error

        error = await both(ask(), answer())

    assert isinstance(error, ConnectionLost) and error.code == 1012


async def test_a_connection_that_breaks_is_an_error_even_for_who_was_not_reading(server: FakePortraits) -> None:
    async with Portraits(server.url, sleep=Naps()) as portraits:
        peer = await server.accept()

        async def answer() -> None:
            await peer.hear_type("process")
            await peer.open_stream()

        async def ask() -> Exception:
            async with aclosing(portraits.stream(PICTURE, text="hi")) as events:
                await anext(events)
                await peer.hang_up(1012, "restarting")
                await eventually(lambda: server.attempts == 2)
                return await failure_of(anext(events))

        assert isinstance(await both(ask(), answer()), ConnectionLost)


async def test_a_connection_that_breaks_while_a_cancel_is_owed_leaves_nobody_waiting(server: FakePortraits) -> None:
    async def answer() -> None:
        peer = await server.accept()
        await peer.hear_type("process")
        await peer.open_stream()
        await peer.hear_cancel()
        peer.cut()
        await served(await server.accept(), [])

    async with Portraits(server.url, sleep=Naps()) as portraits:

        async def ask() -> Portrait:
            async with aclosing(portraits.stream(PICTURE, text="one")) as events:
                await anext(events)
            return await portraits.speak(PICTURE, text="two")

        assert (await both(ask(), answer())).video == b"video"


async def test_a_connection_that_is_given_up_ends_what_waits(server: FakePortraits) -> None:
    async def answer() -> None:
        peer = await server.accept()
        await peer.hear_type("process")
        await peer.hang_up()

    async with Portraits(server.url, backoff=Backoff(attempts=0)) as portraits:

        async def ask() -> list[BaseException]:
            asked = (portraits.speak(PICTURE, text=text) for text in ("one", "two"))
            return [error for error in await asyncio.gather(*asked, return_exceptions=True) if error]

        errors = await both(ask(), answer())
        later = await failure_of(portraits.speak(PICTURE, text="three"))

    assert [type(error) for error in errors] == [ConnectionLost, ConnectionLost]
    assert isinstance(later, ConnectionLost)


async def test_outside_its_block_nothing_is_asked(server: FakePortraits) -> None:
    with pytest.raises(NotConnected, match="with block"):
        await Portraits(server.url).speak(PICTURE, text="hi")


async def test_a_refusal_is_told(server: FakePortraits) -> None:
    server.refusals.append((HTTPStatus.UNAUTHORIZED, {}))
    with pytest.raises(Refused) as refused:
        async with Portraits(server.url, "wrong"):
            pass
    assert refused.value.status == 401


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("ws://localhost:8000", "ws://localhost:8000/ws/lip-sync"),
        ("http://localhost:8000/", "ws://localhost:8000/ws/lip-sync"),
        ("wss://example.com/ws/lip-sync", "wss://example.com/ws/lip-sync"),
        ("https://example.com/chorus/?v=1", "wss://example.com/chorus/ws/lip-sync?v=1"),
    ],
)
def test_the_address_may_be_of_the_server_or_of_the_door(url: str, address: str) -> None:
    assert portrait_url(url) == address
