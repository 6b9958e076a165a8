import json
import random

import anyio
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from app.api.telephony.limits import CallLimits
from app.api.telephony.messages import ECHO_MESSAGE_BYTES
from app.errors import NotFound
from app.runtime.connections import AdmissionLimits
from tests.api.telephony.door import door
from tests.wire import BINARY, TEXT, frame, wire

pytestmark = pytest.mark.anyio

NOT_AUDIO = "Error: Only binary audio data is supported."

EVENTS = [
    {"event": "websocket:connected", "content-type": "audio/l16;rate=16000", "caller": "447700900000"},
    {"event": "websocket:dtmf", "digit": "5", "duration": 260},
    {"event": "websocket:cleared"},
    {"event": "websocket:notify", "payload": {"part": 1}},
    {"event": "websocket:hangup"},
    {"event": 3},
]


async def refusal(url: str) -> tuple[int, object]:
    with pytest.raises(InvalidStatus) as caught:
        async with connect(url):
            pass
    return caught.value.response.status_code, json.loads(caught.value.response.body)


# Sound


async def test_the_documents_client_gets_its_silence_back():
    async with door() as live, connect(f"{live.live.ws_url}/ws/echo") as websocket:
        silence = b"\x00\x00" * 16000
        await websocket.send(silence)
        assert await websocket.recv() == silence


@pytest.mark.parametrize("size", [0, 1, 125, 126, 320, 640, 960, 65_535, 65_536, ECHO_MESSAGE_BYTES])
async def test_sound_of_any_size_comes_back_unchanged(size):
    sound = random.Random(size).randbytes(size)
    async with door() as live, live.echo(max_size=None) as caller:
        await caller.send(sound)
        assert await caller.receive() == sound


async def test_sound_comes_back_in_order():
    rng = random.Random(1)
    sounds = [rng.randbytes(rng.choice([0, 3, 640, 4_096, 70_000])) for _ in range(600)]
    async with door() as live, live.echo(max_size=None) as caller, anyio.create_task_group() as group:

        async def send() -> None:
            for sound in sounds:
                await caller.send(sound)

        group.start_soon(send)
        assert [await caller.receive() for _ in sounds] == sounds


async def test_sound_and_text_come_back_in_the_order_in_which_they_came():
    async with door() as live, wire(live.live.port) as client:
        await client.open("/ws/echo")
        text = json.dumps({"action": "notify", "payload": {}}).encode()
        await client.send(b"".join(frame(TEXT, text) if n % 7 == 3 else frame(BINARY, bytes([n])) for n in range(200)))
        for n in range(200):
            opcode, payload = await client.read_frame()
            assert (opcode, payload) == (BINARY, bytes([n])) if n % 7 != 3 else opcode == TEXT


async def test_a_fragmented_message_comes_back_whole():
    async with door() as live, live.echo() as caller:
        await caller.socket.send([b"ab", b"cd", b"ef"])
        assert await caller.receive() == b"abcdef"


async def test_a_message_beyond_the_limit_ends_the_call():
    async with door() as live, live.echo() as caller:
        await caller.send(bytes(ECHO_MESSAGE_BYTES + 1))
        assert (await caller.ending())[1] == 1009


async def test_who_reads_late_is_waited_for_and_gets_everything():
    sounds = [bytes([n % 251]) * 16_384 for n in range(2_000)]  # 32 MB: more than the kernel takes
    async with door() as live, wire(live.live.port, receive_buffer=4_096) as client, anyio.create_task_group() as group:
        await client.open("/ws/echo")

        async def send() -> None:
            with anyio.fail_after(60):
                for sound in sounds:
                    await client._loop.sock_sendall(client.socket, frame(BINARY, sound))
            sent.set()

        sent = anyio.Event()
        group.start_soon(send)
        with anyio.move_on_after(0.5):
            await sent.wait()
        assert not sent.is_set()  # it is not read from while it does not read
        for sound in sounds:
            assert await client.read_frame() == (BINARY, sound)


# Text


@pytest.mark.parametrize("event", EVENTS)
async def test_events_of_a_call_platform_are_no_error(event):
    async with door() as live, live.echo() as caller:
        await caller.tell(**event)
        await caller.send(b"sound")
        assert await caller.receive() == b"sound"


@pytest.mark.parametrize("text", ["hello", "", "{}", "[]", '"event"', '{"event"', '{"action":"dance"}', "[" * 100_000])
async def test_other_text_is_told_that_it_is_none_and_the_call_goes_on(text):
    async with door() as live, live.echo() as caller:
        await caller.send(text)
        assert await caller.receive() == NOT_AUDIO
        await caller.send(b"sound")
        assert await caller.receive() == b"sound"


async def test_nothing_is_ever_queued_so_that_it_is_cleared_and_played_at_once():
    async with door() as live, live.echo() as caller:
        await caller.tell(action="clear")
        await caller.tell(action="notify", payload={"part": [1, "é"]})
        await caller.tell(action="notify")
        assert await caller.told() == {"event": "websocket:cleared"}
        assert await caller.told() == {"event": "websocket:notify", "payload": {"part": [1, "é"]}}
        assert await caller.told() == {"event": "websocket:notify", "payload": {}}


async def test_a_speak_that_cannot_be_read_is_told_so():
    async with door() as live, live.echo() as caller:
        await caller.tell(event="speak")
        assert (await caller.told())["event"] == "chorus:error"


# Processors


class Probe:
    """Tells of its call's form, and of what it hears."""

    closed = 0

    def __init__(self, line):
        self.line = line

    def hear(self, sound):
        self.line.post(f"{self.line.form.sample_rate} {self.line.form.frame_bytes} {len(sound)}".encode())

    def note(self, event):
        if type(event).__name__ == "Dtmf":
            self.line.start("job", {"1": self.answer, "2": self.fail, "3": self.break_down}[event.digit])

    async def answer(self):
        await self.line.send(b"answer")

    async def fail(self):
        raise NotFound("there is none")

    async def break_down(self):
        raise ZeroDivisionError("a secret")

    def close(self):
        Probe.closed += 1


PROBES = {"echo": Probe, "probe": Probe}


@pytest.mark.parametrize(
    ("query", "content_type", "rate"),
    [
        ("", None, 16_000),
        ("?rate=8000", None, 8_000),
        ("?rate=8000", "audio/l16;rate=24000", 24_000),
        ("", "audio/l16;rate=8000", 8_000),
        ("", "Audio/L16; Rate=24000", 24_000),
        ("?rate=24000", "audio/l16;rate=44100", 24_000),
        ("?rate=24000", "audio/opus", 24_000),
        ("?rate=24000", 7, 24_000),
    ],
)
async def test_the_form_of_a_call_is_what_its_platform_says(query, content_type, rate):
    async with door(processors=PROBES) as live, live.echo(query) as caller:
        if content_type is not None:
            await caller.tell(**{"event": "websocket:connected", "content-type": content_type})
            await caller.tell(**{"event": "websocket:connected", "content-type": "audio/l16;rate=16000"})
        await caller.send(b"four")
        assert await caller.receive() == f"{rate} {rate // 25} 4".encode()


async def test_a_processor_may_work_and_its_failures_end_nothing(caplog):
    async with door(processors=PROBES) as live, live.echo("?processor=probe") as caller:
        for digit, answer in (("1", b"answer"), ("2", "there is none"), ("3", "the server failed on this")):
            await caller.tell(event="websocket:dtmf", digit=digit)
            told = await caller.receive()
            assert told == answer if isinstance(answer, bytes) else json.loads(told)["message"] == answer
    assert "a secret" in caplog.text


async def test_a_processor_is_closed_with_its_call():
    before = Probe.closed
    async with door(processors=PROBES) as live:
        async with live.echo() as caller:
            await caller.send(b"")
        await live.live.emptied()
        assert Probe.closed == before + 1


# Who is let in, and the end


@pytest.mark.parametrize(
    "query", ["processor=dance", "rate=44100", "rate=x", "rate=-8000", "rate=9999999999999999999999"]
)
async def test_what_there_is_not_is_refused_in_the_handshake(query):
    async with door() as live:
        status, body = await refusal(f"{live.live.ws_url}/ws/echo?{query}")
    assert (status, body["field"]) == (422, query.partition("=")[0])


async def test_one_call_too_many_is_refused_in_the_handshake():
    async with door(admission=AdmissionLimits(total=1)) as live, live.echo():
        status, _ = await refusal(f"{live.live.ws_url}/ws/echo")
        assert status == 429
        assert (await refusal(f"{live.live.ws_url}/ws/play/a.wav"))[0] == 429


async def test_a_silent_call_ends():
    async with door(limits=CallLimits(idle_timeout=0.05)) as live, live.echo() as caller:
        assert await caller.ending() == ([], 1000, "idle timeout")


async def test_calls_end_with_the_server():
    async with door() as live, live.echo() as caller:
        await caller.send(b"sound")
        assert await caller.receive() == b"sound"
        live.live.server.stop()
        assert await caller.ending() == ([], 1012, "server is restarting")


async def test_who_never_reads_is_freed():
    async with door(stall_timeout=0.5) as live, wire(live.live.port, receive_buffer=4_096) as client:
        await client.open("/ws/echo")
        with anyio.fail_after(20):
            try:
                while True:
                    await client._loop.sock_sendall(client.socket, frame(BINARY, bytes(16_384)))
            except ConnectionError:
                pass
        await live.live.emptied()


async def test_a_flood_of_tiny_messages_comes_back_in_order():
    async with door() as live, wire(live.live.port) as client:
        await client.open("/ws/echo")
        numbers = [n.to_bytes(2, "big") for n in range(5_000)]
        await client.send(b"".join(frame(BINARY, number) for number in numbers))
        assert [(await client.read_frame())[1] for _ in numbers] == numbers
