import json
import threading
from dataclasses import replace

import anyio
import numpy as np
import pytest
from websockets.exceptions import InvalidStatus

from app.errors import Unavailable
from app.runtime.session import SERVICE_RESTART
from tests.api.stream.door import HOP, Door, door, limited, track
from tests.fingerprint.fake_recognizer import MUSIC, STOPS, FakeRecognizer, hit, sound

pytestmark = pytest.mark.anyio

INVALID = {"type": "error", "message": "Processing error: Invalid audio format"}
INITIALIZED = {"type": "status", "message": "Streaming processor initialized"}


async def refusal(door: Door, *args: str, **options: object) -> tuple[int, object]:
    with pytest.raises(InvalidStatus) as caught:
        async with door.client(*args, **options):
            pass
    response = caught.value.response
    return response.status_code, json.loads(response.body)


# What is told


async def test_a_stream_is_greeted_and_told_of_its_processor():
    async with door() as live, live.client() as client:
        assert await client.receive() == {
            "type": "status",
            "message": "Connected to SoundHash streaming service",
        }
        await client.send(sound(10))
        assert await client.receive() == INITIALIZED


async def test_music_is_told_with_what_it_is_and_how_far_the_stream_is():
    async with door() as live, live.client() as client:
        await client.begin()
        await client.send(sound(HOP))
        assert await client.receive() == INITIALIZED
        await client.send(sound(HOP, MUSIC))
        told = await client.receive()
    assert told["type"] == "match"
    assert told["data"]["matches"] == [
        {
            "video_id": "abc123",
            "title": "Song Title",
            "url": "https://youtube.com/watch?v=abc123",
            "thumbnail_url": "https://i.ytimg.com/vi/abc123/default.jpg",
            "start_time": 37.3,
            "end_time": 40.3,
            "similarity_score": 0.95,
            "confidence": 0.92,
        }
    ]
    assert told["data"]["stats"] == {
        "buffer_size": 2 * HOP,
        "buffer_capacity": 66_150,
        "samples_processed": 2 * HOP,
        "total_matches": 1,
        "duration_seconds": 1.0,
    }


async def test_matches_are_counted_and_told_in_order():
    async with door() as live, live.client() as client:
        await client.begin()
        for n in range(1, 6):
            await client.send(sound(HOP, MUSIC))
            if n == 1:
                assert await client.receive() == INITIALIZED
            told = (await client.receive())["data"]["stats"]
            assert (told["total_matches"], told["samples_processed"]) == (n, n * HOP)


async def test_tracks_that_are_gone_are_not_told():
    def make(rate: int) -> FakeRecognizer:
        recognizer = FakeRecognizer(rate)
        recognizer.hits = (hit(7), hit(1))
        return recognizer

    async with door(make) as live, live.client() as client:
        await client.begin()
        await client.send(sound(HOP, MUSIC))
        assert await client.receive() == INITIALIZED
        told = (await client.receive())["data"]
        assert ([match["video_id"] for match in told["matches"]], told["stats"]["total_matches"]) == (["abc123"], 1)
        del live.shelf.tracks[1]
        await client.send(sound(HOP, MUSIC))
        await client.send("text")
        assert await client.receive() == INVALID


async def test_links_that_nobody_gave_are_null():
    async with door() as live, live.client() as client:
        live.shelf.tracks[1] = replace(track(), url=None, thumbnail_url=None)
        await client.begin()
        await client.send(sound(HOP, MUSIC))
        await client.receive()
        [match] = (await client.receive())["data"]["matches"]
        assert (match["url"], match["thumbnail_url"]) == (None, None)


async def test_a_catalogue_that_does_not_answer_is_told_and_the_stream_goes_on():
    async with door() as live, live.client() as client:
        await client.begin()
        live.shelf.fault = Unavailable("the database does not answer")
        await client.send(sound(HOP, MUSIC))
        await client.receive()
        assert "does not answer" in (await client.receive())["message"]
        live.shelf.fault = None
        await client.send(sound(HOP, MUSIC))
        assert (await client.receive())["type"] == "match"


@pytest.mark.parametrize("asks", [True, False])
async def test_the_end_of_music_is_told_to_who_asks(asks):
    async with door() as live, live.client(query="?events=1" if asks else "") as client:
        await client.begin()
        for value in (MUSIC, STOPS, MUSIC):
            await client.send(sound(HOP, value))
            await anyio.sleep(0.1)  # so that each is a turn of its own
        told = [await client.receive() for _ in range(4 if asks else 3)]
    stopped = {"type": "status", "message": "Music stopped", "event": "lost"}
    assert [one["type"] for one in told] == ["status", "match", *(["status"] if asks else []), "match"]
    assert (stopped in told) is asks


# What comes


@pytest.mark.parametrize("message", ["hello", b"12345", np.array([0.1, np.nan], "<f4").tobytes()])
async def test_what_is_no_audio_is_refused_and_the_stream_goes_on(message):
    async with door() as live, live.client() as client:
        await client.begin()
        await client.send(sound(HOP))
        assert await client.receive() == INITIALIZED
        await client.send(message)
        await client.send(sound(HOP))
        assert await client.receive() == INVALID
        await client.send(sound(HOP, MUSIC))
        assert (await client.receive())["data"]["stats"]["samples_processed"] == 3 * HOP


async def test_why_is_told_to_who_asks():
    async with door() as live, live.client(query="?events=1") as client:
        await client.begin()
        await client.send(b"12345")
        assert (await client.receive())["detail"] == "5 bytes: a sample has 4"


async def test_empty_messages_are_ignored():
    async with door() as live, live.client() as client:
        await client.begin()
        await client.send(b"")
        await client.send(sound(HOP))
        assert await client.receive() == INITIALIZED


async def test_other_forms_are_heard_as_they_are():
    made: list[FakeRecognizer] = []

    def make(rate: int) -> FakeRecognizer:
        made.append(FakeRecognizer(rate))
        return made[-1]

    async with door(make) as live, live.client(query="?sample_rate=48000&encoding=s16") as client:
        await client.begin()
        await client.send(np.full(24_000, 16_384, "<i2").tobytes())
        assert await client.receive() == INITIALIZED
        told = (await client.receive())["data"]["stats"]
    assert (made[0].sample_rate, made[0].pushed[0][0]) == (48_000, 0.5)
    assert (told["buffer_capacity"], told["duration_seconds"]) == (144_000, 0.5)


async def test_a_recognizer_that_breaks_is_told_without_its_text(caplog):
    def make(rate: int) -> FakeRecognizer:
        raise RuntimeError("secret")

    async with door(make) as live, live.client() as client:
        await client.begin()
        await client.send(sound(HOP))
        assert await client.receive() == {
            "type": "error",
            "message": "Processing error: the server failed on this audio",
        }
    assert "secret" in caplog.text


# Who may connect


@pytest.mark.parametrize("query", ["?sample_rate=1", "?encoding=mp3", "?events=maybe"])
async def test_options_that_cannot_be_taken_are_refused_in_the_handshake(query):
    async with door() as live:
        status, body = await refusal(live, "a", query)
    assert status == 422 and body["field"] in query


async def test_a_wrong_credential_is_refused_and_none_is_not():
    async with door() as live:
        assert (await refusal(live, "a", "?token=wrong"))[0] == 401
        assert (await refusal(live, "a", additional_headers={"Authorization": "Bearer a.b.c"}))[0] == 401
        async with live.client("a", f"?token={live.token('ann')}") as client:
            await client.begin()


async def test_attempts_are_limited_in_the_handshake():
    async with door(limits=limited(attempts_per_minute=2)) as live:
        for _ in range(2):
            async with live.client() as client:
                await client.begin()
        for _ in range(3):
            status, body = await refusal(live)
            assert status == 429 and "attempts" in body["detail"]


async def test_one_connection_too_many_of_an_address_is_told_and_closed():
    limits = limited(connections_per_address=1, connections=9)
    async with door(limits=limits) as live, live.client("a"), live.client("b") as client:
        [told], code, _ = await client.ending()
    assert (told["type"], code) == ("error", 1008) and "limit" in told["message"]


async def test_one_stream_too_many_is_told_and_closed_for_later():
    async with door(limits=limited(connections=1)) as live, live.client("a"), live.client("b") as client:
        [told], code, _ = await client.ending()
    assert (told["type"], code) == ("error", 1013)


async def test_the_newest_connection_has_the_id():
    async with door(limits=limited(connections=1)) as live, live.client("a") as old:
        await old.begin()
        async with live.client("a") as new:
            await new.begin()
            assert await old.ending() == ([], 4009, "replaced")
            assert len(list(live.streams)) == 1
            await new.send(sound(HOP))
            assert await new.receive() == INITIALIZED


async def test_nobody_replaces_the_stream_of_somebody_else():
    async with door() as live, live.client("a", f"?token={live.token('ann')}") as client:
        await client.begin()
        assert (await refusal(live, "a"))[0] == 403
        assert (await refusal(live, "a", f"?token={live.token('bob')}"))[0] == 403
        async with live.client("a", f"?token={live.token('ann')}") as again:
            await again.begin()
            assert (await client.ending())[1] == 4009


@pytest.mark.parametrize(
    ("client_id", "shown"),
    [("room/1", "room/1"), ("a%2Fb", "a/b"), ("%2e%2e", ".."), ("%E6%89%8B%E6%9C%BA%201", "手机 1")],
)
async def test_an_id_may_be_of_any_printable_characters(client_id, shown):
    async with door() as live, live.client(client_id) as client:
        await client.begin()
        assert [stream.client_id for stream in live.streams] == [shown]


@pytest.mark.parametrize("client_id", ["", "a%07b", "x" * 201])
async def test_an_id_that_cannot_be_shown_is_refused(client_id):
    async with door() as live:
        status, body = await refusal(live, client_id)
    assert (status, body["field"]) == (422, "client_id")


# How it ends


async def test_who_sends_nothing_is_idle():
    async with door(limits=limited(idle=0.2)) as live, live.client() as client:
        await client.begin()
        assert (await client.ending())[1:] == (1000, "idle timeout")


async def test_too_much_audio_is_told_and_closed():
    async with door(limits=limited(bytes_per_second=88_200)) as live, live.client() as client:
        await client.begin()
        for _ in range(3):
            await client.send(sound(22_050))
        told, code, reason = await client.ending()
    assert (told[-1]["type"], code, reason) == ("error", 1008, "rate limit exceeded")
    assert "88200 bytes of audio a second" in told[-1]["message"]


async def test_too_many_messages_are_told_and_closed():
    async with door(limits=limited(messages_per_minute=5)) as live, live.client() as client:
        await client.begin()
        for _ in range(6):
            await client.send(sound(1))
        told, code, _ = await client.ending()
    assert "5 messages within a minute" in told[-1]["message"] and code == 1008


async def test_a_message_that_is_too_large_is_refused():
    async with door() as live, live.client() as client:
        await client.begin()
        await client.send(bytes(256 * 1024 + 1))
        assert (await client.ending())[1] == 1009


async def test_who_does_not_converse_any_more_leaves_nothing():
    async with door() as live:
        async with live.client() as client:
            await client.begin()
            await client.send(sound(HOP, MUSIC))
        await live.live.emptied()
        assert (list(live.streams), len(live.connections)) == ([], 0)


async def test_a_restart_closes_streams_so_that_they_come_back():
    async with door() as live, live.client() as client, anyio.create_task_group() as group:
        await client.begin()
        group.start_soon(live.connections.drain)
        assert (await client.ending())[1] == SERVICE_RESTART


async def test_audio_that_comes_too_fast_for_the_server_is_left_out_and_told():
    go_on = threading.Event()

    def make(rate: int) -> FakeRecognizer:
        return FakeRecognizer(rate, on_push=lambda: go_on.wait(10) and None)

    async with door(make) as live, live.client() as client:
        await client.begin()
        for _ in range(16):
            await client.send(sound(HOP, MUSIC))
        told = await client.receive()
        go_on.set()
        assert told["type"] == "error" and "overloaded" in told["message"]
        assert await client.receive() == INITIALIZED
        assert (await client.receive())["type"] == "match"
