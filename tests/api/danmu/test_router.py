import io
import itertools
import json
import wave
from dataclasses import replace

import anyio
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from app.api.danmu.conversation import DanmuLimits
from app.errors import WorkerLost
from app.runtime.connections import AdmissionLimits
from app.runtime.session import SessionLimits
from app.tts.backend import Health
from app.tts.backends.tone import Tone
from tests.api.danmu.door import audio, code, door, ids
from tests.eventually import eventually, settled
from tests.tts.fake_backend import FakeBackend

pytestmark = pytest.mark.anyio

MIB = 1024 * 1024


async def test_a_line_is_spoken():
    async with door(FakeBackend()) as opened, opened.client() as client:
        reply = await client.ask("tts", {"text": "hello", "sample_rate": 8000}, id="req_1")
    assert (reply["id"], reply["type"], reply["status"]) == ("req_1", "tts_response", "success")
    metadata = reply["data"]["metadata"]
    with wave.open(io.BytesIO(audio(reply))) as file:
        assert file.getframerate() == metadata["sample_rate"] == 8000
        assert file.getnframes() / 8000 == metadata["duration"] == pytest.approx(0.05)
    assert metadata["size_bytes"] == len(audio(reply))
    assert (metadata["backend"], metadata["voice"], metadata["format"]) == ("fake", "fake-en-US", "wav")
    assert reply["data"]["cached"] is False


async def test_the_second_time_it_is_cached_and_the_same():
    async with door(FakeBackend(), cache_bytes=MIB) as opened, opened.client() as client:
        first, second = [await client.ask("tts", {"text": "hello"}) for _ in range(2)]
    assert (first["data"].pop("cached"), second["data"].pop("cached")) == (False, True)
    assert first == second


@pytest.mark.parametrize(
    ("format", "magic"), [("wav", b"RIFF"), ("mp3", b"\xff"), ("ogg", b"OggS"), ("flac", b"fLaC"), ("aac", b"\xff\xf1")]
)
async def test_each_format_is_what_it_says(format, magic):
    async with door(FakeBackend()) as opened, opened.client() as client:
        reply = await client.ask("tts", {"text": "hello there", "format": format})
    assert audio(reply).startswith(magic) or audio(reply).startswith(b"ID3")
    assert reply["data"]["metadata"]["format"] == format


async def test_chunks_join_to_the_text_and_each_is_a_file():
    text = (
        "First sentence here. Second one, with a clause! 🎉🎉🎉 [doge]\n<b></b> Third?  Last words" * 5
        + "🎉" * 90
        + "the end"
    )
    async with door(FakeBackend()) as opened, opened.client() as client:
        await client.send("tts_stream", {"text": text, "chunk_size": 40})
        replies = [await client.receive()]
        while replies[-1]["type"] == "tts_chunk":
            replies.append(await client.receive())
    *chunks, complete = replies
    assert "".join(chunk["data"]["text_chunk"] for chunk in chunks) == text
    assert [chunk["data"]["chunk_index"] for chunk in chunks] == list(range(len(chunks)))
    assert {chunk["data"]["total_chunks"] for chunk in chunks} == {len(chunks)}
    assert {chunk["status"] for chunk in chunks} == {"processing"}
    seconds = 0.0
    for chunk in chunks:
        assert len(chunk["data"]["text_chunk"]) <= 40
        with wave.open(io.BytesIO(audio(chunk))) as file:
            seconds += file.getnframes() / file.getframerate()
    assert (complete["type"], complete["status"]) == ("tts_complete", "success")
    assert complete["data"]["chunks_sent"] == len(chunks)
    assert complete["data"]["total_duration"] == pytest.approx(seconds, abs=0.001 * len(chunks))


async def test_each_chunk_tells_the_times_within_itself():
    async with door(Tone(character_ms=10)) as opened, opened.client() as client:
        await client.send("tts_stream", {"text": "hello. " * 6, "chunk_size": 10, "timestamps": True})
        replies = [await client.receive()]
        while replies[-1]["type"] == "tts_chunk":
            replies.append(await client.receive())
    for chunk in [reply["data"] for reply in replies[:-1]]:
        words = chunk["timestamps"]["words"]
        assert "".join(word["text"] for word in words).strip() == chunk["text_chunk"].strip()
        assert words[0]["start"] == 0.0
        assert words[-1]["end"] == pytest.approx(chunk["metadata"]["duration"], abs=1e-3)


async def test_voices_are_listed():
    async with door(FakeBackend()) as opened, opened.client() as client:
        everything = await client.ask("get_voices")
        chinese = await client.ask("get_voices", {"backend": None, "language": "zh-CN"})
        missing = await client.ask("get_voices", {"backend": "edge"})
    assert len(everything["data"]["voices"]) == 2
    assert [voice["id"] for voice in chinese["data"]["voices"]] == ["fake-zh-CN"]
    assert (code(missing), missing["error"]["details"]["available_backends"]) == ("BACKEND_UNAVAILABLE", ["fake"])


async def test_the_status_of_a_backend_is_true():
    broken = FakeBackend("broken")
    broken.state = Health(False, "no model: put one into models/")
    async with door(FakeBackend(), broken) as opened, opened.client() as client:
        named = await client.ask("backend_status", {"backend": "broken"})
        default = await client.ask("backend_status")
        unknown = await client.ask("backend_status", {"backend": "edge"})
    assert (named["data"]["available"], named["data"]["reason"]) == (False, "no model: put one into models/")
    assert (default["data"]["backend"], default["data"]["available"]) == ("fake", True)
    assert default["data"]["queue_size"] == 0
    assert code(unknown) == "BACKEND_UNAVAILABLE"


async def test_the_queue_is_told_as_it_is():
    backend = FakeBackend(gated=True)
    async with door(backend) as opened, opened.client() as first, opened.client() as second:
        for n in range(3):
            await first.send("tts", {"text": f"line {n}", "sample_rate": 8000}, id=f"a{n}")
        await first.ask("queue_status", id="q")
        idle = await second.ask("queue_status")
        await second.send("tts", {"text": "mine"}, id="b")
        waiting = await second.ask("queue_status")
        backend.open_gate()
        done = [await first.receive() for _ in range(3)]
    assert idle["data"]["queues"] == {"fake": {"size": 2, "processing": 1}}
    assert (idle["data"]["total_queued"], idle["data"]["position"]) == (2, 0)
    assert (waiting["data"]["total_queued"], waiting["data"]["position"]) == (3, 2)
    assert ids(done) == ["a0", "a1", "a2"]


async def test_a_cancelled_request_ends_with_its_own_error():
    backend = FakeBackend(gated=True)
    async with door(backend) as opened, opened.client() as client:
        await client.send("tts", {"text": "hello"}, id="speak")
        answers = [await client.ask("cancel", {"request_id": "speak"}, id="stop"), await client.receive()]
        again = await client.ask("cancel", {"request_id": "speak"}, id="stop2")
        backend.open_gate()
        after = await client.ask("tts", {"text": "hello"}, id="speak")
    assert ids(answers) == ["stop", "speak"]
    assert answers[0]["data"] == {"cancelled": True, "request_id": "speak"}
    assert code(answers[1]) == "CANCELLED"
    assert again["data"] == {"cancelled": False, "request_id": "speak"}
    assert after["status"] == "success"
    assert backend.cancelled == 1


async def test_ids_and_cancels_hold_within_a_connection():
    backend = FakeBackend(gated=True)
    async with door(backend) as opened, opened.client() as first, opened.client() as second:
        await first.send("tts", {"text": "hello"}, id="req_1")
        other = await second.ask("cancel", {"request_id": "req_1"}, id="x")
        backend.open_gate()
        mine = await first.receive()
    assert other["data"]["cancelled"] is False
    assert mine["status"] == "success"


async def test_an_id_in_use_is_refused_and_the_first_goes_on():
    backend = FakeBackend(gated=True)
    async with door(backend) as opened, opened.client() as client:
        await client.send("tts", {"text": "hello"})
        refused = await client.ask("tts", {"text": "again"})
        backend.open_gate()
        spoken = await client.receive()
    assert (code(refused), refused["error"]["details"]) == ("INVALID_MESSAGE_FORMAT", {"field": "id"})
    assert spoken["status"] == "success"


BAD = [
    ("{", "INVALID_MESSAGE_FORMAT"),
    (b"\x00\x01", "INVALID_MESSAGE_FORMAT"),
    ("[" * 100_000, "INVALID_MESSAGE_FORMAT"),
    ('{"id":"1","type":"tts","data":{"text":null}}', "INVALID_MESSAGE_FORMAT"),
    ('{"id":"1","type":"tts","data":{"text":"   "}}', "INVALID_MESSAGE_FORMAT"),
    ('{"id":"1","type":"tts","data":{"text":"\\ud800"}}', "INVALID_MESSAGE_FORMAT"),
    ('{"id":"1","type":"tts","data":{"text":"a","format":"wma"}}', "INVALID_MESSAGE_FORMAT"),
    ('{"id":"1","type":"tts","data":{"text":"a","format":"webm"}}', "INVALID_MESSAGE_FORMAT"),
    ('{"id":"1","type":"tts","data":{"text":"a","sample_rate":1}}', "INVALID_MESSAGE_FORMAT"),
    ('{"id":"1","type":"tts","data":{"text":"a","voice":"nobody"}}', "VOICE_NOT_FOUND"),
    ('{"id":"1","type":"tts","data":{"text":"a","backend":"edge"}}', "BACKEND_UNAVAILABLE"),
    (json.dumps({"id": "1", "type": "tts", "data": {"text": "x" * 1001}}), "TEXT_TOO_LONG"),
    (json.dumps({"id": "1", "type": "tts_stream", "data": {"text": "x" * 10_001}}), "TEXT_TOO_LONG"),
    (json.dumps({"id": "1", "type": "tts", "data": {"text": "x" * (MIB - 100)}}), "TEXT_TOO_LONG"),
]


@pytest.mark.parametrize(("message", "expected"), BAD)
async def test_bad_input_is_answered_and_the_next_request_speaks(message, expected):
    async with door(FakeBackend()) as opened, opened.client() as client:
        await client.socket.send(message)
        refused = await client.receive()
        spoken = await client.ask("tts", {"text": "hello"}, id="next")
    assert (refused["type"], refused["status"], code(refused)) == ("error", "error", expected)
    assert (spoken["id"], spoken["status"]) == ("next", "success")


async def test_a_message_beyond_one_mebibyte_is_closed_with_1009():
    async with door(FakeBackend()) as opened, opened.client() as client:
        await client.socket.send("x" * (MIB + 1))
        with pytest.raises(ConnectionClosed) as closed:
            await client.receive()
    assert closed.value.rcvd.code == 1009


async def test_a_reply_beyond_one_mebibyte_names_the_way_out_and_the_way_works():
    text = " ".join(f"the word {n}" for n in range(80))
    wanted = {"text": text, "sample_rate": 48_000}
    async with door(FakeBackend()) as opened, opened.client() as client:
        refused = await client.ask("tts", wanted)
        await client.send("tts_stream", wanted | {"chunk_size": 1000}, id="2")
        replies = [await client.receive()]
        while replies[-1]["type"] == "tts_chunk":
            replies.append(await client.receive())
    assert (code(refused), refused["error"]["details"]["use"]) == ("TEXT_TOO_LONG", "tts_stream")
    assert "".join(reply["data"]["text_chunk"] for reply in replies[:-1]) == text
    assert replies[-1]["type"] == "tts_complete"


async def test_a_chunk_that_proves_too_large_is_cut_further():
    text = "slowly spoken words"
    async with door(FakeBackend(character_ms=5000)) as opened, opened.client() as client:
        await client.send("tts_stream", {"text": text, "sample_rate": 8000})
        replies = [await client.receive()]
        while replies[-1]["type"] == "tts_chunk":
            replies.append(await client.receive())
    *chunks, complete = replies
    assert "".join(chunk["data"]["text_chunk"] for chunk in chunks) == text
    assert chunks[-1]["data"]["total_chunks"] == complete["data"]["chunks_sent"] == len(chunks) > 1


async def test_a_character_that_fits_no_message_is_an_error():
    async with door(FakeBackend(character_ms=60_000)) as opened, opened.client() as client:
        reply = await client.ask("tts_stream", {"text": "a", "sample_rate": 8000})
    assert code(reply) == "TEXT_TOO_LONG"


async def test_what_nobody_expected_is_an_internal_error_and_is_logged(caplog):
    backend = FakeBackend()
    backend.failure = ZeroDivisionError("the wiring is wrong")
    async with door(backend) as opened, opened.client() as client:
        reply = await client.ask("tts", {"text": "hello"})
        status = await client.ask("queue_status")
    assert (code(reply), reply["error"]["message"]) == ("INTERNAL_ERROR", "the server failed on this request")
    assert status["status"] == "success"
    assert any(record.exc_info for record in caplog.records)


async def test_nothing_more_is_made_for_a_client_that_does_not_read():
    backend = FakeBackend(character_ms=15_000)
    texts = ["".join(pair) for pair in itertools.product("abcdefgh", repeat=2)][:60]
    async with door(backend) as opened, opened.client(max_queue=1) as client:
        for text in texts:
            await client.send("tts", {"text": text, "sample_rate": 8000}, id=text)
        await eventually(lambda: 0 < opened.synthesizer.report().waiting == 60 - backend.started)
        await settled(lambda: backend.started)
        made = backend.started
        async with opened.client() as other:
            assert (await other.ask("tts", {"text": "zz", "sample_rate": 8000}))["status"] == "success"
        assert backend.started == made + 1 < 60
        replies = [await client.receive() for _ in range(60)]
    assert {reply["status"] for reply in replies} == {"success"}


async def test_a_worker_that_breaks_costs_one_request():
    backend = FakeBackend()
    backend.failure = WorkerLost("the voice crashed on this text")
    async with door(backend) as opened, opened.client() as client:
        broken = await client.ask("tts", {"text": "hello"})
        backend.failure = None
        spoken = await client.ask("tts", {"text": "hello"}, id="2")
    assert code(broken) == "INTERNAL_ERROR"
    assert spoken["status"] == "success"


async def test_the_61st_message_is_limited_and_heartbeats_are_free():
    async with door(FakeBackend(), limits=DanmuLimits(messages_per_minute=60)) as opened, opened.client() as client:
        for _ in range(100):
            await client.socket.send('{"type":"heartbeat_ack","timestamp":"2025-06-13T10:30:00Z"}')
        replies = [await client.ask("queue_status", id=str(n)) for n in range(61)]
    assert {reply["status"] for reply in replies[:60]} == {"success"}
    assert (replies[60]["id"], code(replies[60])) == ("60", "RATE_LIMITED")
    assert 0 < replies[60]["error"]["details"]["retry_after"] <= 1


async def test_who_does_not_stop_is_sent_away():
    async with door(FakeBackend(), limits=DanmuLimits(messages_per_minute=5)) as opened, opened.client() as client:
        for n in range(50):
            await client.send("queue_status", id=str(n))
        with pytest.raises(ConnectionClosed) as closed:
            while True:
                await client.receive()
    assert closed.value.rcvd.code == 1008


async def test_the_eleventh_connection_is_refused_in_the_handshake():
    async with door(FakeBackend(), admission=AdmissionLimits(per_client=2)) as opened:
        async with opened.client(), opened.client():
            with pytest.raises(InvalidStatus) as refused:
                await connect(opened.ws_url)
        async with opened.client() as client:
            assert (await client.ask("queue_status"))["status"] == "success"
    assert refused.value.response.status_code == 429


async def test_an_idle_connection_is_closed_and_a_heartbeat_comes_before():
    session = SessionLimits(idle_timeout=0.4, heartbeat_interval=0.15)
    async with door(FakeBackend(), limits=DanmuLimits(session=session)) as opened, opened.client() as client:
        beat = await client.receive()
        with pytest.raises(ConnectionClosed) as closed:
            while True:
                await client.receive()
    assert set(beat) == {"type", "timestamp"}
    assert beat["type"] == "heartbeat"
    assert closed.value.rcvd.code == 1000


async def test_no_heartbeat_comes_between_a_request_and_its_reply():
    backend = FakeBackend(gated=True)
    session = SessionLimits(idle_timeout=0, heartbeat_interval=0.05)
    async with door(backend, limits=DanmuLimits(session=session)) as opened, opened.client() as client:
        await client.send("tts", {"text": "hello"})
        with anyio.move_on_after(0.3) as quiet:
            await client.receive()
        backend.open_gate()
        reply = await client.receive()
    assert quiet.cancelled_caught
    assert reply["type"] == "tts_response"


async def test_a_client_that_leaves_takes_its_jobs_along():
    backend = FakeBackend(gated=True)
    async with door(backend) as opened:
        async with opened.client() as client:
            for n in range(5):
                await client.send("tts", {"text": f"line {n}"}, id=str(n))
            await client.ask("queue_status", id="q")
        await eventually(lambda: not len(opened.connections) and not opened.synthesizer.report().running)
        assert opened.synthesizer.report().waiting == 0
    assert backend.cancelled == 1


async def test_draining_finishes_what_runs_and_closes_what_is_idle():
    backend = FakeBackend(gated=True)
    async with door(backend) as opened, opened.client() as busy, opened.client() as idle:
        await busy.send("tts", {"text": "hello"})
        await busy.ask("queue_status", id="q")
        async with anyio.create_task_group() as group:
            group.start_soon(opened.connections.drain)
            with pytest.raises(ConnectionClosed) as closed:
                await idle.receive()
            refused = await busy.ask("tts", {"text": "more"}, id="late")
            with pytest.raises(InvalidStatus):
                await connect(opened.ws_url)
            backend.open_gate()
            spoken = await busy.receive()
            with pytest.raises(ConnectionClosed) as finished:
                await busy.receive()
    assert closed.value.rcvd.code == 1012
    assert code(refused) == "BACKEND_UNAVAILABLE"
    assert spoken["status"] == "success"
    assert finished.value.rcvd.code == 1012


async def test_a_burst_of_a_hundred_lines_is_answered_in_full():
    backend = FakeBackend(concurrency=2)
    async with door(backend, queue_depth=256) as opened, opened.client() as client:
        for n in range(100):
            await client.send("tts", {"text": f"line {n}"}, id=str(n))
        replies = [await client.receive() for _ in range(100)]
    assert sorted(ids(replies), key=int) == [str(n) for n in range(100)]
    assert {reply["status"] for reply in replies} == {"success"}


async def test_one_that_floods_fills_its_own_line_only():
    backend = FakeBackend(gated=True)
    async with door(backend, queue_depth=10) as opened, opened.client() as flood, opened.client() as viewer:
        for n in range(30):
            await flood.send("tts", {"text": f"line {n}"}, id=str(n))
        await flood.send("queue_status", id="q")
        refused = [await flood.receive() for _ in range(20)]
        await viewer.send("tts", {"text": "mine"}, id="v")
        status = await viewer.ask("queue_status", id="q")
        backend.open_gate()
        mine = await viewer.receive()
    assert {code(reply) for reply in refused if reply["type"] == "error"} == {"QUEUE_FULL"}
    assert status["data"]["position"] <= 2
    assert mine["status"] == "success"


@pytest.mark.parametrize("limits", [replace(DanmuLimits(), messages_per_minute=0)])
async def test_extra_fields_are_ignored(limits):
    async with door(FakeBackend(), limits=limits) as opened, opened.client() as client:
        await client.socket.send('{"id":"1","type":"tts","extra":1,"data":{"text":"a","more":[]},"more":{}}')
        assert (await client.receive())["status"] == "success"
