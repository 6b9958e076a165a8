import asyncio
import wave
from collections.abc import AsyncIterator, Awaitable
from pathlib import Path

import pytest

from app.sdk.speak import (
    BrokenReply,
    ClientError,
    Denied,
    GenerationFailed,
    InvalidRequest,
    NotConnected,
    NotFound,
    NotReady,
    RateLimited,
    ServerFailed,
    SimpleProsody,
    SpeakClient,
    Status,
    TakeRequest,
    VoiceChange,
    VoiceGender,
    Webhook,
    Wording,
)
from tests.sdk.fake_server import Naps
from tests.sdk.fake_speak import EMAIL, PASSWORD, RATE, FakeSpeak, fake_speak, take, voice, wav

pytestmark = pytest.mark.anyio


@pytest.fixture
async def server() -> AsyncIterator[FakeSpeak]:
    async with fake_speak() as server:
        yield server


@pytest.fixture
async def client(server: FakeSpeak) -> AsyncIterator[SpeakClient]:
    async with SpeakClient(server.url, email=EMAIL, password=PASSWORD, sleep=Naps()) as client:
        yield client


async def test_the_version_needs_no_credentials(server: FakeSpeak) -> None:
    async with SpeakClient(server.url) as client:
        assert await client.version() == (1, 0)


async def test_models_say_what_they_can(client: SpeakClient) -> None:
    [model] = await client.models()

    assert model == await client.model("tone")
    assert (model.name, model.display_name, model.languages) == ("tone", "Tone", ("en-GB", "nl-NL"))
    assert (model.styles, model.prosody_types, model.voice_inputs) == (
        (("base", "narrator"),),
        ("simple", "affect"),
        ("gender",),
    )


async def test_a_take_is_waited_for(server: FakeSpeak, client: SpeakClient) -> None:
    made = await client.generate_take("v1", "Good evening!", prosody=SimpleProsody(1, -2, 3), style=["narrator"])

    assert server.asked[1] == (
        "POST",
        "/v1/speak/takes/generate",
        {
            "voice_id": "v1",
            "text": "Good evening!",
            "style": ["narrator"],
            "prosody": {"pitch": 1, "pace": -2, "expression": 3},
        },
    )
    assert (made.status, made.prosody, made.style) == (Status.READY, SimpleProsody(1, -2, 3), ("narrator",))
    assert made.info is not None and made.info.seconds == 2.0


async def test_a_take_can_be_had_at_once(client: SpeakClient) -> None:
    made = await client.generate_take("v1", "Good evening!", wait=False)

    assert (made.status, made.info) == (Status.WAITING, None)


async def test_webhooks_and_own_data_go_with_a_take(server: FakeSpeak, client: SpeakClient) -> None:
    made = await client.generate_take(
        "v1", "Hi!", status_webhook="https://x/s", done_webhook="https://x/d", user_data=7, wait=False
    )

    [_, (_, _, body)] = server.asked
    assert body["status_webhook"] == {"post_url": "https://x/s"} and body["user_data"] == 7
    assert (made.done_webhook, made.user_data) == (Webhook("https://x/d"), 7)


async def test_many_takes_are_one_request_and_keep_their_order(server: FakeSpeak, client: SpeakClient) -> None:
    takes = await client.generate_takes([TakeRequest.of("v1", f"line {n}") for n in range(60)])

    assert [take.text for take in takes] == [f"line {n}" for n in range(60)]
    assert all(take.status == Status.READY for take in takes)
    assert server.count("/v1/speak/takes/generate") == 1
    assert server.count("/v1/speak/takes") == 4  # 60 ids in two requests, twice


async def test_lists_are_filtered(server: FakeSpeak, client: SpeakClient) -> None:
    server.takes = {"t1": [take("ready")], "t2": [take("error", take_id="t2")]}
    server.voices = {"v1": [voice("ready", done_webhook="https://x/d")]}

    takes = await client.takes(length=5, page=2, older=9, newer=None)
    [found] = await client.voices()

    assert server.asked[1][1] == "/v1/speak/takes?length=5&page=2&older=9"
    assert [take.take_id for take in takes] == ["t2", "t1"]
    assert (found.name, found.gender, found.done_webhook) == ("Ada", VoiceGender.FEMALE, Webhook("https://x/d"))


async def test_a_voice_is_made_changed_and_deleted(server: FakeSpeak, client: SpeakClient) -> None:
    made = await client.generate_voice("Ada", "tone", VoiceGender.FEMALE, example=Wording("Hi, I am Ada."))
    await client.update_voice(made.voice_id, VoiceChange(name="Eve", default_prosody=SimpleProsody(pitch=2)))
    await client.delete_voice(made.voice_id)

    bodies = [body for method, _, body in server.asked if method == "POST"]
    assert bodies[1]["example_take"] == {"text": "Hi, I am Ada."} and bodies[1]["gender"] == "female"
    assert bodies[2] == {"name": "Eve", "default_prosody": {"pitch": 2, "pace": 0, "expression": 0}}
    assert made.status == Status.READY and not server.voices


async def test_a_change_that_changes_nothing_is_not_sent(client: SpeakClient) -> None:
    with pytest.raises(ValueError, match="nothing"):
        await client.update_voice("v1", VoiceChange())


async def test_a_take_that_failed_is_an_error_that_has_it(server: FakeSpeak, client: SpeakClient) -> None:
    server.takes["t1"] = [take("started"), take("error", error="The voice is gone.")]

    with pytest.raises(GenerationFailed, match="The voice is gone") as failure:
        await client.wait_for_take("t1")

    assert getattr(failure.value.item, "status", None) == Status.ERROR


async def test_what_is_deleted_while_it_is_waited_for_is_not_found(server: FakeSpeak, client: SpeakClient) -> None:
    server.takes["t1"] = [take("started")]

    with pytest.raises(NotFound, match="t2"):
        await client.wait_for_takes(["t1", "t2"])


async def test_audio_comes_while_it_is_made(server: FakeSpeak, client: SpeakClient) -> None:
    more = asyncio.Event()

    async def growing() -> AsyncIterator[bytes]:
        yield wav(b"", data_bytes=0xFFFFFFFF)
        yield b"\1\0" * 40_000
        await more.wait()
        yield b"\2\0" * 40_000

    server.audio["t1/wav"] = growing()
    heard = b""
    async for chunk in client.audio("t1"):
        heard += chunk
        more.set()  # the first chunk has come before the second half was made

    assert heard[44:] == b"\1\0" * 40_000 + b"\2\0" * 40_000
    assert server.audio_credentials == [None]


async def test_other_formats_are_waited_for(server: FakeSpeak, client: SpeakClient) -> None:
    server.takes["t1"] = [take("started"), take("progress_50"), take("ready")]
    server.audio["t1/mp3"] = b"ID3..."

    assert await client.audio_bytes("t1", "mp3") == b"ID3..."
    assert server.count("/v1/speak/takes/t1") == 3


async def test_a_download_becomes_a_whole_file(server: FakeSpeak, client: SpeakClient, tmp_path: Path) -> None:
    async def growing() -> AsyncIterator[bytes]:
        yield wav(b"", data_bytes=0xFFFFFFFF)
        for _ in range(10):
            yield b"\1\0" * 1000

    server.audio["t1/wav"] = growing()
    size = await client.download("t1", tmp_path / "take.wav")

    with wave.open(str(tmp_path / "take.wav")) as file:
        assert (file.getnframes(), file.getframerate()) == (10_000, RATE)
    assert size == 44 + 20_000 and list(contents(tmp_path)) == ["take.wav"]


async def test_a_download_that_breaks_leaves_nothing(server: FakeSpeak, client: SpeakClient, tmp_path: Path) -> None:
    async def breaking() -> AsyncIterator[bytes]:
        yield wav(b"\0\0" * 100, data_bytes=0xFFFFFFFF)
        raise RuntimeError("the server dies")

    (tmp_path / "take.wav").write_bytes(b"what was there")
    server.audio["t1/wav"] = breaking()

    with pytest.raises(NotConnected, match="/signed/t1/wav failed"):
        await client.download("t1", tmp_path / "take.wav")

    assert contents(tmp_path) == {"take.wav": b"what was there"}


async def test_the_signed_address_can_be_passed_on(server: FakeSpeak, client: SpeakClient) -> None:
    assert await client.audio_url("t1", "flac") == f"{server.url}/signed/t1/flac?sig=1"
    assert not server.audio_credentials


@pytest.mark.parametrize(
    ("status", "detail", "headers", "kind", "words"),
    [
        (401, "Not you.", {}, Denied, "Not you."),
        (403, "Not yours.", {}, Denied, "Not yours."),
        (404, "No such take.", {}, NotFound, "No such take."),
        (409, "Not ready.", {}, NotReady, "Not ready."),
        (422, [{"loc": ["body", "text"], "msg": "Field required"}], {}, InvalidRequest, "text: Field required"),
        (429, "Slower.", {"Retry-After": "7"}, RateLimited, "Slower."),
        (500, None, {}, ServerFailed, "Internal Server Error"),
    ],
)
async def test_errors_are_typed(
    server: FakeSpeak,
    client: SpeakClient,
    status: int,
    detail: object,
    headers: dict[str, str],
    kind: type[ClientError],
    words: str,
) -> None:
    server.failures = [(status, detail, headers)] * 2

    with pytest.raises(kind, match=words) as failure:
        await client.takes()

    assert type(failure.value) is kind
    assert getattr(failure.value, "retry_after", 7.0) == 7.0
    assert getattr(failure.value, "field", "text") == "text"


@pytest.mark.parametrize("reply", [{"status": "ready"}, [], None, {"take_id": "t1", "status": "unheard of"}])
async def test_a_reply_that_lacks_something_is_an_error(server: FakeSpeak, client: SpeakClient, reply: object) -> None:
    server.takes["t1"] = [reply]  # type: ignore[list-item]

    assert isinstance(await _failure_of(client.take("t1")), BrokenReply)


async def test_a_server_that_is_not_there_is_an_error() -> None:
    async with SpeakClient("http://127.0.0.1:1", token="key") as client:
        assert isinstance(await _failure_of(client.models()), NotConnected)
        assert isinstance(await _failure_of(client.audio_bytes("t1")), NotConnected)


async def test_outside_its_block_it_says_so(server: FakeSpeak) -> None:
    client = SpeakClient(server.url, email=EMAIL, password=PASSWORD)
    for _ in range(2):
        for asking in (client.version, client.models, client.sign_in):
            with pytest.raises(NotConnected, match="use it in an async with block"):
                await asking()
        async with SpeakClient(server.url) as client:
            pass


async def test_waiting_survives_a_server_that_starts_again(server: FakeSpeak, client: SpeakClient) -> None:
    server.takes["t1"] = [take("started"), take("ready")]
    await client.sign_in()
    server.failures = [(503, "Starting.", {"Retry-After": "5"}), (502, "Bad gateway.", {})]

    assert (await client.wait_for_take("t1")).status == Status.READY


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


async def _failure_of(awaitable: Awaitable[object]) -> ClientError:
    with pytest.raises(ClientError) as failure:
        await awaitable
    return failure.value
