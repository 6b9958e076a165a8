"""The clients of talking portraits against the real door, whose engine draws next to nothing."""

import asyncio
import hashlib
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from app.sdk.portrait import Fragment, Opening, Portrait, Portraits, Progress, RequestFailed
from tests.api.lipsync.door import Door, Held, door
from tests.eventually import eventually
from tests.lipsync.performers import SIDE, png, tone
from tests.sdk.node import run_node

PICTURE, SOUND = png(), tone(1.0)

pytestmark = pytest.mark.anyio


@pytest.fixture
async def live() -> AsyncIterator[Door]:
    async with door() as opened:
        yield opened


async def test_a_picture_speaks(live: Door) -> None:
    told: list[Progress] = []
    async with Portraits(live.live.ws_url) as portraits:
        made = [await portraits.speak(PICTURE, SOUND, model="flat", on_progress=told.append) for _ in range(2)]

    assert [(portrait.frames, portrait.width, portrait.fps) for portrait in made] == [(25, SIDE, 25.0)] * 2
    assert made[0].image_id == hashlib.sha256(PICTURE).hexdigest()
    assert len(made[0].video) == made[0].video_size and made[0].video[4:8] == b"ftyp"
    assert told[0].percent < told[-1].percent == 100


async def test_a_picture_is_seen_while_it_is_drawn(live: Door) -> None:
    async with Portraits(live.live.ws_url) as portraits:
        events = [event async for event in portraits.stream(PICTURE, tone(3.0), model="flat")]

    opening, *fragments, portrait = events
    assert isinstance(opening, Opening) and (opening.width, opening.fps) == (SIDE, 25.0)
    assert isinstance(portrait, Portrait) and portrait.codecs == opening.codecs
    film = b"".join(event.data for event in fragments if isinstance(event, Fragment))
    assert len(fragments) > 2 and len(film) == portrait.video_size and portrait.video == b""


async def test_who_leaves_lets_the_next_in() -> None:
    held = Held()
    async with door(held.engine) as live, Portraits(live.live.ws_url) as portraits:
        async with asyncio.TaskGroup() as group:
            drawing = group.create_task(portraits.speak(PICTURE, SOUND, model="flat"))
            await held.there()
            drawing.cancel()
        held.go_on()
        assert (await portraits.speak(PICTURE, SOUND, model="flat")).frames == 25
        await eventually(lambda: live.renderer.line.running == 0)


async def test_what_the_server_refuses_is_told_and_the_next_is_drawn(live: Door) -> None:
    async with Portraits(live.live.ws_url) as portraits:
        with pytest.raises(RequestFailed) as unknown:
            await portraits.speak(None, SOUND, image_id="0" * 64)
        with pytest.raises(RequestFailed) as broken:
            await portraits.speak(b"no picture", SOUND)
        made = await portraits.speak(PICTURE, SOUND)

    assert (unknown.value.code, unknown.value.details["field"]) == ("validation_error", "image_id")
    assert broken.value.code == "validation_error"
    assert (made.requested_model, made.fallback_reason) == ("nota_wav2lip", "nota_wav2lip has no weights")


@pytest.mark.node
async def test_the_javascript_client(live: Door, tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(PICTURE)
    (tmp_path / "a.wav").write_bytes(SOUND)
    program = Path(__file__).parent / "js" / "portrait_live.mjs"

    printed = json.loads(await run_node(program, live.live.ws_url, tmp_path / "a.png", tmp_path / "a.wav"))

    name = hashlib.sha256(PICTURE).hexdigest()
    assert printed["uploaded"] == {"imageId": name, "width": SIDE, "height": SIDE, "faces": 1}
    assert printed["imageId"] == name and printed["frames"] == [25, 25, 25]
    assert printed["sizes"] == [True, True] and printed["percent"] == 100
    assert printed["types"] == ["opening", "fragment", "portrait"]
    assert printed["reason"] == "AbortError"
    assert printed["refused"] == ["validation_error", "image_id"] and printed["noPicture"] == "validation_error"
