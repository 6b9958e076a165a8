"""The vendor's own client, unchanged, at this door."""

from typing import Any

import anyio
import httpx_ws
import pytest
from daisys.v1.speak import DaisysWebsocketGenerateError, Status, StreamMode, StreamOptions, VoiceGender
from daisys.v1.speak.exceptions import DaisysVoiceUpdateError, DaisysWebsocketStreamError

from app.api.speak import urls
from app.audio import wav
from app.errors import QueueFull
from tests.api.speak.door import Door, door
from tests.api.speak.examples import PARTS, VOICE_ID
from tests.api.speak.fake_studio import FakeStudio
from tests.eventually import eventually

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.filterwarnings("ignore:The `json` method is deprecated"),  # the client's own
]

MODES = [StreamOptions(mode=mode) for mode in StreamMode]
PCM = [part.pcm for part in PARTS]


class Heard:
    """What the client's callbacks are told."""

    def __init__(self) -> None:
        self.statuses: list[Status] = []
        self.audio: list[tuple[int, int | None, bytes | None]] = []

    async def status(self, request_id: int, item: Any) -> None:
        self.statuses.append(item.status)

    async def part(
        self, request_id: int, take_id: str, part_id: int, chunk_id: int | None, audio: bytes | None
    ) -> None:
        self.audio.append((part_id, chunk_id, audio))

    @property
    def is_over(self) -> bool:
        return bool(self.statuses) and self.statuses[-1].done()


async def iterated(socket: Any, request_id: int) -> tuple[list[Status], list[bytes]]:
    statuses, parts = [], []
    async for _, take, header, audio in socket.iter_request(request_id):
        if take:
            statuses.append(take.status)
        elif header:
            parts.append(header + audio)
        elif audio:
            parts[-1] += audio
    return statuses, parts


@pytest.mark.parametrize("options", MODES, ids=str)
async def test_it_iterates_over_a_take(tmp_path, options):
    async with door(tmp_path) as opened, opened.api() as client, client.websocket(model="espeak") as socket:
        request_id = await socket.generate_take(VOICE_ID, "hello", stream_options=options)
        statuses, parts = await iterated(socket, request_id)
    assert statuses == [Status.WAITING, Status.STARTED, Status.READY]
    assert parts == [wav.encode(pcm, sample_rate=22_050) for pcm in PCM]


@pytest.mark.parametrize("options", MODES, ids=str)
async def test_it_calls_back(tmp_path, options):
    async with door(tmp_path) as opened, opened.api() as client, client.websocket(model="espeak") as socket:
        heard = Heard()
        await socket.generate_take(
            VOICE_ID, "hello", stream_options=options, status_callback=heard.status, audio_callback=heard.part
        )
        while not heard.is_over:
            await socket.update()
    assert heard.audio[-1][2] is None
    joined = b"".join(audio for _, _, audio in heard.audio if audio)
    assert joined == b"".join(wav.encode(pcm, sample_rate=22_050) for pcm in PCM)


async def test_it_makes_several_takes_on_one_connection(tmp_path):
    async with door(tmp_path) as opened, opened.api() as client, client.websocket(model="espeak") as socket:
        ids = [await socket.generate_take(VOICE_ID, f"number {number}") for number in range(3)]
        found = [await iterated(socket, request_id) for request_id in ids[:1]]
    assert ids == [0, 1, 2]
    assert [len(parts) for _, parts in found] == [2]


async def test_it_makes_a_voice(tmp_path):
    async with door(tmp_path) as opened, opened.api() as client, client.websocket(model="espeak") as socket:
        heard = Heard()
        await socket.generate_voice(
            "Deborah", "espeak", VoiceGender.FEMALE, status_callback=heard.status, audio_callback=heard.part
        )
        while not heard.is_over:
            await socket.update()
    assert heard.statuses == [Status.WAITING, Status.STARTED, Status.READY]
    assert [(part, audio is None) for part, _, audio in heard.audio] == [(0, False), (1, False), (2, True)]


async def test_it_raises_what_is_refused_and_goes_on(tmp_path):
    studio = FakeStudio(refusal=QueueFull("the line is full"))
    async with door(tmp_path, studio) as opened, opened.api() as client, client.websocket(model="espeak") as socket:
        request_id = await socket.generate_take(VOICE_ID, "hello")
        with pytest.raises(DaisysWebsocketGenerateError, match="the line is full") as caught:
            await iterated(socket, request_id)
        studio.refusal = None
        statuses, _ = await iterated(socket, await socket.generate_take(VOICE_ID, "hello"))
    assert caught.value.request_id == request_id
    assert statuses[-1] is Status.READY


async def test_it_ends_with_a_take_that_fails(tmp_path):
    studio = FakeStudio(parts=PARTS[:1], fault="the voice broke")
    async with door(tmp_path, studio) as opened, opened.api() as client, client.websocket(model="espeak") as socket:
        statuses, parts = await iterated(socket, await socket.generate_take(VOICE_ID, "hello"))
    assert (statuses[-1], len(parts)) == (Status.ERROR, 1)


async def test_it_raises_what_belongs_to_no_request(tmp_path):
    async with door(tmp_path) as opened, opened.api() as client, client.websocket(model="espeak") as socket:
        await socket.ws.send_text("hello")
        with pytest.raises(DaisysWebsocketStreamError, match="invalid JSON"):
            await socket.update()


async def test_it_says_that_its_url_has_expired(tmp_path, monkeypatch):
    async with door(tmp_path) as opened, opened.api() as client:
        sign = urls.SignedUrls.socket

        def sign_late(self, *args: Any, **options: Any) -> str:
            url = sign(self, *args, **options)
            opened.clock.now += 3601
            return url

        monkeypatch.setattr(urls.SignedUrls, "socket", sign_late)
        with pytest.raises(httpx_ws.WebSocketUpgradeError) as caught:
            async with client.websocket(model="espeak"):
                pass
    assert caught.value.response.status_code == 401


async def test_it_reconnects_when_the_server_restarts(tmp_path):
    async with door(tmp_path) as opened, opened.api() as client, client.websocket(model="espeak") as socket:
        for connection in opened.connections.list():
            connection.tell(lambda session: session.drain())  # which closes it with 1012
        await eventually(lambda: not len(opened.connections))
        await socket.update()
        statuses, _ = await iterated(socket, await socket.generate_take(VOICE_ID, "hello"))
    assert statuses[-1] is Status.READY


async def test_it_finds_the_model_of_a_voice(tmp_path):
    async with door(tmp_path) as opened, opened.api() as client:
        voice = await client.generate_voice("Deborah", "espeak", VoiceGender.FEMALE, wait=False)
        url = await client.websocket_url(voice_id=voice.voice_id)
    assert "/v1/speak/ws/espeak?sig=" in url


async def test_it_fails_an_update_of_nothing_in_words_of_its_own(tmp_path):
    async with door(tmp_path) as opened, opened.api() as client:
        voice = await client.generate_voice("Deborah", "espeak", VoiceGender.FEMALE, wait=False)
        with pytest.raises(DaisysVoiceUpdateError):
            await client.update_voice(voice.voice_id)
        assert await client.update_voice(voice.voice_id, gender=VoiceGender.MALE) is True


@pytest.mark.parametrize("options", MODES, ids=str)
async def test_its_other_half_without_async_iterates_too(tmp_path, options):
    def listen(opened: Door) -> tuple[list[Status], bytes]:
        with opened.api() as client, client.websocket(model="espeak") as socket:
            messages = list(socket.iter_request(socket.generate_take(VOICE_ID, "hello", stream_options=options)))
        return [m[1].status for m in messages if m[1]], b"".join(m[3] for m in messages if m[3])

    async with door(tmp_path) as opened:
        statuses, audio = await anyio.to_thread.run_sync(listen, opened)
    assert (statuses[-1], audio) == (Status.READY, b"".join(PCM))
