"""The vendor's own client, with async, at the whole server: nothing of it is changed."""

from typing import Any

import anyio
import pytest
from daisys.v1.speak import Status, StreamMode, StreamOptions, TakeGenerate, VoiceGender

from app.audio import wav
from tests.e2e.daisys_server import api, daisys_server, expired_token

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.filterwarnings("ignore:The `json` method is deprecated"),  # the client's own
]

TEXT = "Hello there. This is the second sentence, and it is a little longer. And this is the third one."


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with daisys_server(tmp_path_factory.mktemp("data")) as running:
        yield running


async def new_voice(speak: Any) -> str:
    return (await speak.generate_voice("Deborah", "espeak", VoiceGender.FEMALE)).voice_id


def payload(data: bytes) -> bytes:
    return bytes(wav.parse_header(data).payload(data))


async def test_it_makes_fetches_and_forgets_a_take(server):
    async with api(server) as speak:
        take = await speak.generate_take(await new_voice(speak), TEXT)
        assert len(payload(await speak.get_take_audio(take.take_id))) == 2 * take.info.duration
        assert (await speak.get_takes(take_ids=[take.take_id])) == [take]
        assert await speak.delete_take(take.take_id) is True


async def test_it_hears_a_take_while_it_is_made(server):
    async with api(server) as speak:
        take = await speak.generate_take(await new_voice(speak), TEXT * 20, wait=False)
        async with speak.stream_take_audio(take.take_id) as chunks:
            streamed = b"".join([chunk async for chunk in chunks])
        await speak.wait_for_takes(take.take_id)
        assert payload(streamed) == payload(await speak.get_take_audio(take.take_id))


async def test_it_waits_for_many_takes_and_is_told_of_each(server):
    told: list[Any] = []
    async with api(server) as speak:
        voice = await new_voice(speak)
        wanted = [TakeGenerate(text=f"Number {number}.", voice_id=voice) for number in range(5)]
        takes = await speak.generate_takes(wanted, wait=False)
        done = await speak.wait_for_takes([take.take_id for take in takes], callback=told.append)
    assert [take.status for take in done] == [Status.READY] * 5
    assert told


@pytest.mark.parametrize("mode", StreamMode)
async def test_it_hears_over_the_websocket_what_is_kept(server, mode):
    audio, statuses, take_id = b"", [], ""
    async with api(server) as speak:
        voice = await new_voice(speak)
        async with speak.websocket(voice_id=voice) as socket:
            request_id = await socket.generate_take(voice, TEXT, stream_options=StreamOptions(mode=mode))
            async for _, take, _, sound in socket.iter_request(request_id):
                audio += sound or b""
                statuses += [take.status] if take else []
                take_id = take.take_id if take else take_id
        assert audio == payload(await speak.get_take_audio(take_id))
    assert (statuses[0], statuses[-1]) == (Status.WAITING, Status.READY)


async def test_it_makes_a_voice_over_the_websocket(server):
    told: list[Any] = []
    heard: list[bytes | None] = []

    async def status(request_id: int, voice: Any) -> None:
        told.append(voice)

    async def part(audio: bytes | None, **rest: Any) -> None:
        heard.append(audio)

    async with api(server) as speak, speak.websocket(model="espeak") as socket:
        await socket.generate_voice("Dora", "espeak", VoiceGender.FEMALE, status_callback=status, audio_callback=part)
        while not told or not told[-1].status.done():
            await socket.update()
        assert await speak.get_voice(told[-1].voice_id) == told[-1]
    assert heard[0].startswith(b"RIFF") and heard[-1] is None


async def test_many_connections_speak_at_once(server):
    finished: list[Status] = []

    async def talk(speak: Any, voice: str) -> None:
        async with speak.websocket(model="espeak") as socket:
            request_id = await socket.generate_take(voice, TEXT)
            async for _, take, _, _ in socket.iter_request(request_id):
                finished.extend([take.status] if take and take.status.done() else [])

    async with api(server) as speak:
        voice = await new_voice(speak)
        async with anyio.create_task_group() as group:
            for _ in range(8):
                group.start_soon(talk, speak, voice)
    assert finished == [Status.READY] * 8


async def test_a_token_that_expires_in_the_middle_is_renewed(server):
    async with api(server) as speak:
        voice = await new_voice(speak)
        async with speak.websocket(model="espeak") as socket:
            speak.access_token = expired = expired_token()
            request_id = await socket.generate_take(voice, "Hello.")
            statuses = [take.status async for _, take, _, _ in socket.iter_request(request_id) if take]
            assert await speak.get_models()
    assert statuses[-1] is Status.READY
    assert speak.access_token != expired
