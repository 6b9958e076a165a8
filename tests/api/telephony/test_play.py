import json
import os
import random

import anyio
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from app.api.telephony.playing import MAX_UNANSWERED
from app.audio.pcm import from_bytes, to_bytes
from app.calls.call import RATES
from tests.api.telephony.door import door, tone, wav_file
from tests.eventually import eventually
from tests.wire import BINARY, CLOSE, frame, wire

pytestmark = pytest.mark.anyio

NAMES = [
    "a.mp3",
    "A.MP3",
    "b.wav",
    "c.OgG",
    "d.m4a",
    "e.flac",
    "f.aac",
    "two words.mp3",
    "音楽 ♪.mp3",
    "100%.mp3",
    "a+b.mp3",
]


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "files").mkdir()
    return tmp_path / "files"


def put(folder, name, data):
    (folder / name).write_bytes(data)
    return data


# Bytes as they are


@pytest.mark.parametrize("name", NAMES)
async def test_the_bytes_of_a_file_are_played_whole(folder, name):
    data = put(folder, name, random.Random(name).randbytes(200_001))
    async with door(folder) as live, live.play(name) as listener:
        came, code, _ = await listener.ending()
    assert (b"".join(came), code) == (data, 1000)


@pytest.mark.parametrize("size", [0, 1, 65_535, 65_536, 65_537, 131_072])
async def test_files_of_any_size_are_played(folder, size):
    data = put(folder, "a.wav", os.urandom(size))
    async with door(folder) as live, live.play("a.wav") as listener:
        came, code, reason = await listener.ending()
    assert (b"".join(came), code, reason) == (data, 1000, "")


async def test_the_documents_client_hears_a_file_to_its_end(folder):
    data, came = put(folder, "example.mp3", os.urandom(300_000)), []
    async with door(folder) as live, connect(f"{live.live.ws_url}/ws/play/example.mp3") as websocket:
        while True:
            try:
                message = await websocket.recv()
                assert not isinstance(message, str)
                came.append(message)
            except ConnectionClosed:
                break
    assert b"".join(came) == data


async def test_a_pace_is_kept(folder):
    data = put(folder, "a.mp3", os.urandom(4_000))
    async with door(folder) as live, live.play("a.mp3", "?pace=20000") as listener:
        came, code, _ = await listener.ending()
    assert (b"".join(came), code, {len(piece) for piece in came}) == (data, 1000, {400})


async def test_many_listeners_cost_one_read(folder):
    data = put(folder, "a.mp3", os.urandom(1_000_000))
    async with door(folder) as live, anyio.create_task_group() as group:
        heard = []

        async def listen() -> None:
            async with live.play("a.mp3") as listener:
                heard.append(b"".join((await listener.ending())[0]) == data)

        for _ in range(100):
            group.start_soon(listen)
        await eventually(lambda: len(heard) == 100, within=60)
        assert all(heard)
        assert live.reads.reads == 16


async def test_a_file_that_is_replaced_goes_on_as_it_was(folder):
    data = put(folder, "a.wav", os.urandom(20_000_000))
    async with door(folder) as live, wire(live.live.port, receive_buffer=4_096) as client:
        await client.open("/ws/play/a.wav")
        first = await client.read_frame()
        (folder / "new").write_bytes(b"x" * 20_000_000)
        os.replace(folder / "new", folder / "a.wav")
        came = bytearray(first[1])
        while (heard := await client.read_frame())[0] == BINARY:
            came += heard[1]
        assert bytes(came) == data


async def test_a_file_that_becomes_shorter_ends_with_a_fault(folder):
    put(folder, "a.wav", bytes(20_000_000))
    async with door(folder) as live, wire(live.live.port, receive_buffer=4_096) as client:
        await client.open("/ws/play/a.wav")
        await client.read_frame()
        os.truncate(folder / "a.wav", 100_000)
        assert await client.read_close() == (1011, "the file cannot be played now")


async def test_a_listener_who_goes_in_the_middle_leaves_nothing_behind(folder):
    put(folder, "a.wav", bytes(50_000_000))
    async with door(folder) as live:
        for _ in range(5):
            async with wire(live.live.port, receive_buffer=4_096) as client:
                await client.open("/ws/play/a.wav")
                await client.read_frame()
                client.reset()
        await live.live.emptied()
        assert not live.reads._open
        assert len(live.connections) == 0


async def test_what_a_listener_says_is_passed_over(folder):
    data = put(folder, "a.wav", os.urandom(3_000_000))
    async with door(folder) as live, wire(live.live.port, receive_buffer=4_096) as client:
        await client.open("/ws/play/a.wav")
        await client.send(frame(BINARY, bytes(640)) * 500 + frame(1, b"hello") + frame(1, b'{"event":"speak"}'))
        came = bytearray()
        while (heard := await client.read_frame())[0] == BINARY:
            came += heard[1]
        assert (heard[0], bytes(came)) == (CLOSE, data)


# The frames of calls


@pytest.mark.parametrize("rate", RATES)
async def test_a_file_is_played_in_frames_of_20_ms(folder, rate):
    put(folder, "a.wav", wav_file(tone(0.31, 44_100), 44_100))
    async with door(folder) as live, live.play("a.wav", f"?format=l16&rate={rate}") as listener:
        came, code, _ = await listener.ending()
    assert code == 1000
    assert [len(sound) for sound in came] == [rate // 25] * 16
    heard = from_bytes(b"".join(came))[: round(0.31 * rate)]
    wanted = tone(0.31, rate)
    inner = slice(rate // 100, -rate // 100)
    assert abs(heard[inner].astype(int) - wanted[inner].astype(int)).max() < 200


async def test_a_file_of_the_calls_own_form_is_played_sample_by_sample(folder):
    put(folder, "a.wav", wav_file(tone(0.5)))
    async with door(folder) as live, live.play("a.wav", "?format=l16") as listener:
        came, _, _ = await listener.ending()
    assert b"".join(came) == to_bytes(tone(0.5))


async def test_a_long_file_is_played_while_it_is_decoded(folder):
    put(folder, "a.wav", wav_file(tone(0.5)))
    async with door(folder, kept_seconds=0.1) as live, live.play("a.wav", "?format=l16") as listener:
        came, _, _ = await listener.ending()
        assert b"".join(came) == to_bytes(tone(0.5))


async def test_many_listeners_cost_one_decoding(folder):
    put(folder, "a.wav", wav_file(tone(0.2)))
    async with door(folder) as live, anyio.create_task_group() as group:
        ends = []

        async def listen() -> None:
            async with live.play("a.wav", "?format=l16&rate=8000") as listener:
                came, code, _ = await listener.ending()
                ends.append((len(came), code))

        for _ in range(50):
            group.start_soon(listen)
        await eventually(lambda: len(ends) == 50)
        assert (set(ends), live.sounds.decodings) == ({(10, 1000)}, 1)


async def test_clear_stops_what_is_ahead(folder):
    put(folder, "a.wav", wav_file(tone(60)))
    async with door(folder) as live, live.play("a.wav", "?format=l16") as listener:
        await listener.receive()
        await listener.tell(action="notify", payload={"never": True})
        await listener.tell(action="clear")
        came, code, _ = await listener.ending()
    texts = [json.loads(message) for message in came if isinstance(message, str)]
    assert (texts, code, len(came) < 1_000) == ([{"event": "websocket:cleared"}], 1000, True)
    assert isinstance(came[-1], str)


async def test_notify_is_answered_when_what_was_sent_has_been_heard(folder):
    put(folder, "a.wav", wav_file(tone(0.5)))
    async with door(folder) as live, live.play("a.wav", "?format=l16") as listener:
        for _ in range(3):
            await listener.receive()
        await listener.tell(action="notify", payload={"part": 1})
        came, code, _ = await listener.ending()
    [at] = [n for n, message in enumerate(came) if isinstance(message, str)]
    assert json.loads(came[at]) == {"event": "websocket:notify", "payload": {"part": 1}}
    assert code == 1000


async def test_notify_is_answered_at_the_end_at_the_latest(folder):
    put(folder, "a.wav", wav_file(tone(0.06)))
    async with door(folder) as live, live.play("a.wav", "?format=l16") as listener:
        await listener.receive()
        await listener.tell(action="notify", payload={"part": 1})
        await listener.tell(action="notify", payload={"part": 2})
        came, code, _ = await listener.ending()
    assert [json.loads(message)["payload"] for message in came if isinstance(message, str)] == [
        {"part": 1},
        {"part": 2},
    ]
    assert code == 1000


async def test_what_is_no_sound_is_an_unsupported_format(folder):
    put(folder, "a.wav", b"hello")
    put(folder, "b.mp3", b"#EXTM3U\nfile:///etc/passwd\n")
    async with door(folder) as live:
        for name in ("a.wav", "b.mp3"):
            async with live.play(name, "?format=l16") as listener:
                assert await listener.ending() == ([], 1003, "Unsupported audio format")


# What is not played


@pytest.fixture
def traps(tmp_path, folder):
    put(tmp_path, "secret.mp3", b"secret")
    put(folder, "notes.txt", b"notes")
    put(folder, "a.mp3", b"music")
    put(folder, ".hidden.mp3", b"hidden")
    (folder / "folder.mp3").mkdir()
    (folder / "out.mp3").symlink_to(tmp_path / "secret.mp3")
    (folder / "up.mp3").symlink_to("../secret.mp3")
    (folder / "gone.mp3").symlink_to("/nowhere/else.mp3")
    (folder / "circle.mp3").symlink_to("circle.mp3")
    (folder / "in.mp3").symlink_to("a.mp3")
    os.mkfifo(folder / "pipe.mp3")
    return folder


PATH, FORMAT, MISSING = "Invalid file path", "Unsupported audio format", "File not found"


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("missing.mp3", MISSING),
        ("folder.mp3", MISSING),
        ("pipe.mp3", MISSING),
        ("notes.txt", FORMAT),
        ("missing.txt", FORMAT),
        ("a", FORMAT),
        ("a.mp3.", FORMAT),
        ("a.mp3 ", FORMAT),
        ("..", PATH),
        (".", PATH),
        (".hidden.mp3", PATH),
        ("..\\secret.mp3", PATH),
        ("a.mp3\0.wav", PATH),
        ("a\n.mp3", PATH),
        ("x" * 300 + ".mp3", PATH),
        ("out.mp3", PATH),
        ("up.mp3", PATH),
        ("gone.mp3", PATH),
    ],
)
async def test_what_is_not_played_is_refused_with_its_reason(traps, name, reason):
    async with door(traps) as live, live.play(name) as listener:
        assert await listener.ending() == ([], 1003, reason)


@pytest.mark.parametrize(
    "name", ["..%2fsecret.mp3", "%2e%2e%2fsecret.mp3", "../secret.mp3", "/etc/passwd", "files/../a.mp3"]
)
async def test_paths_of_several_parts_are_no_file(traps, name):
    async with door(traps) as live:
        with pytest.raises(InvalidStatus):
            async with live.play(name, quoted=False):
                pass


async def test_a_circle_of_links_is_no_file(traps):
    async with door(traps) as live, live.play("circle.mp3") as listener:
        came, code, _ = await listener.ending()
    assert (came, code in (1003, 1011)) == ([], True)


async def test_a_link_within_the_folder_is_a_file(traps):
    async with door(traps) as live, live.play("in.mp3") as listener:
        assert (await listener.ending())[0] == [b"music"]


async def test_without_a_folder_there_is_no_file(tmp_path):
    async with door(tmp_path / "none") as live, live.play("a.mp3") as listener:
        assert await listener.ending() == ([], 1003, MISSING)


@pytest.mark.parametrize(
    "query", ["format=opus", "rate=8000", "format=l16&rate=44100", "pace=x", "pace=10", "format=l16&pace=8000"]
)
async def test_what_there_is_not_is_refused_in_the_handshake(folder, query):
    async with door(folder) as live:
        with pytest.raises(InvalidStatus) as caught:
            async with live.play("a.mp3", f"?{query}"):
                pass
    assert caught.value.response.status_code == 422


async def test_too_many_notifications_are_told(folder):
    put(folder, "a.wav", wav_file(tone(2.0)))
    async with door(folder) as live, live.play("a.wav", "?format=l16") as listener, anyio.create_task_group() as group:
        await listener.receive()

        async def ask() -> None:
            for _ in range(2 * MAX_UNANSWERED):
                await listener.tell(action="notify")

        for _ in range(4):
            group.start_soon(ask)
        told = [(await listener.told())["event"] for _ in range(8 * MAX_UNANSWERED)]
    assert set(told) == {"chorus:error", "websocket:notify"}
    assert told.count("websocket:notify") >= MAX_UNANSWERED
