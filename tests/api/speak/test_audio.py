from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import anyio
import httpx
import pytest

from app.api.speak.limits import SpeakLimits
from app.audio import wav
from app.audio.format import sniff
from app.takes.take import Status, TakeRequest, Wording
from tests.api.speak.door import Door, door
from tests.api.speak.examples import PARTS, VOICE_ID
from tests.eventually import eventually

pytestmark = pytest.mark.anyio

RATE = PARTS[0].sample_rate
WHOLE = b"".join(part.pcm for part in PARTS)
FORMATS = ("mp3", "flac", "m4a", "webm")


async def waiting_take(opened: Door, owner: str = "ann") -> str:
    (take,) = await opened.studio.make_takes(owner, [TakeRequest(Wording("hello"), VOICE_ID)])
    return take.id


async def finished_take(opened: Door) -> str:
    take_id = await waiting_take(opened)
    recording = await opened.studio.recordings.begin(take_id, RATE)
    await recording.append(WHOLE)
    await recording.finish()
    opened.studio.change(take_id, status=Status.READY)
    return take_id


async def located(opened: Door, take_id: str, format: str = "wav") -> str:
    reply = await opened.get(f"/takes/{take_id}/{format}")
    assert (reply.status_code, reply.content) == (307, b"")
    return reply.headers["location"]


@asynccontextmanager
async def fetching(opened: Door, take_id: str, format: str = "wav") -> AsyncIterator[Any]:
    async with opened.stranger.stream("GET", await located(opened, take_id, format)) as reply:
        yield reply


@asynccontextmanager
async def waited_for(opened: Door, take_id: str, format: str = "wav") -> AsyncIterator[list[httpx.Response]]:
    """While the block runs somebody waits for the audio; behind it the reply is in the list."""
    url, replies = await located(opened, take_id, format), []

    async def fetch() -> None:
        replies.append(await opened.stranger.get(url))

    async with anyio.create_task_group() as group:
        group.start_soon(fetch)
        await eventually(lambda: take_id in opened.studio.ended)
        yield replies


async def test_a_finished_wav_is_a_file_for_whoever_has_its_url(tmp_path):
    async with door(tmp_path) as opened:
        take_id = await finished_take(opened)
        reply = await opened.stranger.get(await located(opened, take_id))
    assert reply.content == wav.encode(WHOLE, sample_rate=RATE)
    assert reply.headers["content-type"] == "audio/wav"
    assert reply.headers["content-length"] == str(len(WHOLE) + 44)
    assert reply.headers["content-disposition"] == f'inline; filename="{take_id}.wav"'


async def test_ranges_of_a_finished_wav_are_sent(tmp_path):
    async with door(tmp_path) as opened:
        url = await located(opened, await finished_take(opened))
        whole = await opened.stranger.get(url)
        some = {"Range": "bytes=44-143", "If-Range": whole.headers["etag"]}
        reply = await opened.stranger.get(url, headers=some)
    assert (reply.status_code, reply.content) == (206, WHOLE[:100])
    assert reply.headers["content-range"] == f"bytes 44-143/{len(whole.content)}"


async def test_the_head_of_a_file_is_told_without_it(tmp_path):
    async with door(tmp_path) as opened:
        take_id = await finished_take(opened)
        found = await opened.http.head(f"/v1/speak/takes/{take_id}/wav")
        reply = await opened.stranger.head(found.headers["location"])
    assert (reply.status_code, reply.content) == (200, b"")
    assert reply.headers["content-length"] == str(len(WHOLE) + 44)


async def test_the_head_of_a_wav_that_is_made_has_no_length(tmp_path):
    async with door(tmp_path) as opened:
        take_id = await waiting_take(opened)
        await opened.studio.recordings.begin(take_id, RATE)
        reply = await opened.stranger.head(await located(opened, take_id))
    assert (reply.status_code, reply.headers["content-type"]) == (200, "audio/wav")
    assert "content-length" not in reply.headers


@pytest.mark.parametrize("format", FORMATS)
async def test_a_finished_take_comes_in_every_format(tmp_path, format):
    async with door(tmp_path) as opened:
        reply = await opened.stranger.get(await located(opened, await finished_take(opened), format))
    assert sniff(reply.content) == format
    assert reply.headers["content-length"] == str(len(reply.content))


async def test_a_wav_comes_while_it_is_made(tmp_path):
    async with door(tmp_path) as opened:
        take_id = await waiting_take(opened)
        recording = await opened.studio.recordings.begin(take_id, RATE)
        async with fetching(opened, take_id) as reply:
            chunks = reply.aiter_raw()
            assert wav.parse_header(await anext(chunks)).data_bytes is None
            for part in PARTS:
                await recording.append(part.pcm)
                assert await anext(chunks) == part.pcm
            await recording.finish()
            assert [chunk async for chunk in chunks] == []
        assert reply.headers["transfer-encoding"] == "chunked"


async def test_a_wav_that_has_not_begun_is_waited_for(tmp_path):
    async with door(tmp_path) as opened:
        take_id = await waiting_take(opened)
        async with waited_for(opened, take_id) as replies:
            recording = await opened.studio.recordings.begin(take_id, RATE)
            opened.studio.change(take_id, status=Status.STARTED)
            await recording.append(WHOLE)
            await recording.finish()
    assert wav.parse_header(replies[0].content).payload(replies[0].content) == WHOLE


@pytest.mark.parametrize("format", FORMATS)
async def test_other_formats_wait_for_the_take(tmp_path, format):
    async with door(tmp_path) as opened:
        take_id = await waiting_take(opened)
        recording = await opened.studio.recordings.begin(take_id, RATE)
        async with waited_for(opened, take_id, format) as replies:
            await recording.append(WHOLE)
            await recording.finish()
            assert replies == []
            opened.studio.change(take_id, status=Status.READY)
    assert sniff(replies[0].content) == format


@pytest.mark.parametrize("format", ["wav", "mp3"])
async def test_a_wait_has_an_end(tmp_path, format):
    async with door(tmp_path, limits=SpeakLimits(wait_seconds=0.05)) as opened:
        reply = await opened.stranger.get(await located(opened, await waiting_take(opened), format))
    assert reply.status_code == 503
    assert "not ready" in reply.json()["detail"]


async def test_who_leaves_is_not_waited_for(tmp_path):
    async with door(tmp_path) as opened:
        url = await located(opened, await waiting_take(opened))
        with pytest.raises(httpx.ReadTimeout):
            await opened.stranger.get(url, timeout=0.2)
        await opened.stranger.aclose()
        await opened.http.aclose()
        await opened.live.emptied()


async def test_who_leaves_a_stream_holds_nothing(tmp_path):
    async with door(tmp_path) as opened:
        take_id = await waiting_take(opened)
        await opened.studio.recordings.begin(take_id, RATE)
        async with fetching(opened, take_id) as reply:
            await anext(reply.aiter_raw())
        await opened.stranger.aclose()
        await opened.http.aclose()
        await opened.live.emptied()


@pytest.mark.parametrize("format", ["wav", "mp3"])
@pytest.mark.parametrize("status", [Status.ERROR, Status.TIMEOUT])
async def test_a_take_that_failed_has_no_audio(tmp_path, format, status):
    async with door(tmp_path) as opened:
        take_id = await waiting_take(opened)
        opened.studio.change(take_id, status=status, error="the voice broke")
        reply = await opened.stranger.get(await located(opened, take_id, format))
    assert reply.status_code == 409
    assert "the voice broke" in reply.json()["detail"]


@pytest.mark.parametrize("format", ["wav", "mp3"])
async def test_a_take_that_fails_while_it_is_waited_for_says_why(tmp_path, format):
    async with door(tmp_path) as opened:
        take_id = await waiting_take(opened)
        async with waited_for(opened, take_id, format) as replies:
            opened.studio.change(take_id, status=Status.ERROR, error="the voice broke")
    assert (replies[0].status_code, "the voice broke" in replies[0].json()["detail"]) == (409, True)


async def test_half_a_take_is_never_taken_for_a_whole_one(tmp_path):
    async with door(tmp_path) as opened:
        take_id = await waiting_take(opened)
        recording = await opened.studio.recordings.begin(take_id, RATE)
        await recording.append(WHOLE)
        with pytest.raises(httpx.RemoteProtocolError):
            async with fetching(opened, take_id) as reply:
                await recording.discard()
                await reply.aread()


async def test_the_audio_of_a_deleted_take_is_gone(tmp_path):
    async with door(tmp_path) as opened:
        take_id = await finished_take(opened)
        url = await located(opened, take_id)
        await opened.http.delete(f"/v1/speak/takes/{take_id}")
        assert (await opened.stranger.get(url)).status_code == 404


@pytest.mark.parametrize("format", ["wav", "mp3"])
async def test_audio_that_is_not_kept_any_more_is_gone(tmp_path, format):
    async with door(tmp_path) as opened:
        take_id = await finished_take(opened)
        await opened.studio.recordings.delete(take_id)
        reply = await opened.stranger.get(await located(opened, take_id, format))
    assert (reply.status_code, "no audio here" in reply.json()["detail"]) == (404, True)


async def test_a_url_expires(tmp_path):
    async with door(tmp_path) as opened:
        url = await located(opened, await finished_take(opened))
        opened.clock.now += 599
        assert (await opened.stranger.get(url)).status_code == 200
        opened.clock.now += 2
        reply = await opened.stranger.get(url)
    assert (reply.status_code, reply.json()) == (401, {"detail": "the signed URL has expired"})


async def test_a_url_is_good_for_its_take_and_format_alone(tmp_path):
    async with door(tmp_path) as opened:
        first, second = await finished_take(opened), await finished_take(opened)
        url = await located(opened, first)
        for other in (url.replace(first, second), url.replace("/wav", "/mp3"), url[:-1], url.partition("?")[0]):
            assert (await opened.stranger.get(other)).status_code == 401


async def test_audio_of_others_is_not_there_for_accounts_either(tmp_path):
    async with door(tmp_path) as opened:
        take_id = await waiting_take(opened, owner="bob")
        assert (await opened.get(f"/audio/{take_id}/wav")).status_code == 404
