"""The vendor's own client, without async, at the whole server: nothing of it is changed."""

import httpx
import httpx_ws
import pytest
from daisys.v1.speak import (
    AffectProsody,
    DaisysTakeDeletionError,
    DaisysWebsocketGenerateError,
    SignalProsody,
    SimpleProsody,
    Status,
    StreamMode,
    StreamOptions,
    TakeGenerate,
    VoiceGender,
)

from app.audio import wav
from app.audio.decode import decode
from app.audio.format import sniff
from tests.e2e.daisys_server import api, daisys_server, expired_token
from tests.e2e.webhook_receiver import webhook_receiver

pytestmark = pytest.mark.filterwarnings("ignore:The `json` method is deprecated")  # the client's own

TEXT = "Hello there. This is the second sentence, and it is a little longer. And this is the third one."
LONG_TEXT = TEXT * 20


@pytest.fixture(scope="module")
def receiver():
    with webhook_receiver() as running:
        yield running


@pytest.fixture(scope="module")
def server(tmp_path_factory, receiver):
    with daisys_server(tmp_path_factory.mktemp("data"), receiver) as running:
        yield running


@pytest.fixture
def speak(server, monkeypatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with api(server) as client:
        yield client


@pytest.fixture(scope="module")
def voice(server):
    with api(server) as client:
        return client.generate_voice("Deborah", "espeak", VoiceGender.FEMALE, description="warm and calm")


def payload(data: bytes) -> bytes:
    return bytes(wav.parse_header(data).payload(data))


def refused(call, *arguments, **options) -> tuple[int, str]:
    with pytest.raises(httpx.HTTPStatusError) as caught:
        call(*arguments, **options)
    return caught.value.response.status_code, caught.value.response.json()["detail"]


def test_it_finds_the_version_and_the_models(speak):
    assert (speak.version().version, speak.version().minor) == (1, 0)
    (model,) = speak.get_models()
    assert speak.get_model("espeak") == model
    assert {"en-GB", "nl", "zh-CN"} <= set(model.languages)
    assert model.genders and model.styles and len(model.prosody_types) == 3


def test_it_makes_a_voice_that_has_an_example(speak, voice):
    example = speak.get_take(voice.example_take_id)
    assert (voice.status, example.status, example.voice_id) == (Status.READY, Status.READY, voice.voice_id)
    assert payload(speak.get_take_audio(voice.example_take_id))
    assert voice in speak.get_voices()


def test_it_fetches_a_take_in_every_format(speak, voice):
    take = speak.generate_take(voice.voice_id, TEXT)
    assert len(take.info.normalized_text) == 3
    audio = speak.get_take_audio(take.take_id)
    assert len(payload(audio)) == 2 * take.info.duration
    for format in ("mp3", "flac", "m4a", "webm"):
        data = speak.get_take_audio(take.take_id, format=format)
        assert sniff(data) == format
        sound = decode(data, sample_rate=take.info.audio_rate, max_samples=10**7, max_bytes=10**7)
        assert len(sound.samples) == pytest.approx(take.info.duration, rel=0.02)


def test_it_writes_audio_into_a_file(speak, voice, tmp_path):
    take = speak.generate_take(voice.voice_id, "Hello.")
    speak.get_take_audio(take.take_id, file=str(tmp_path / "hello.wav"))
    assert payload((tmp_path / "hello.wav").read_bytes())


def test_it_hears_a_take_while_it_is_made(speak, voice):
    take = speak.generate_take(voice.voice_id, LONG_TEXT, wait=False)
    with speak.stream_take_audio(take.take_id) as chunks:
        streamed = b"".join(chunks)
    assert speak.wait_for_takes(take.take_id).status is Status.READY
    assert payload(streamed) == payload(speak.get_take_audio(take.take_id))


def test_it_gives_away_a_url_that_needs_no_login(speak, voice):
    take = speak.generate_take(voice.voice_id, "Hello.")
    url = speak.get_take_audio_url(take.take_id, format="mp3")
    assert sniff(httpx.get(url).content) == "mp3"
    assert httpx.get(url[:-2]).status_code == 401


def test_it_makes_many_takes_and_finds_them_again(speak, voice):
    wanted = [TakeGenerate(text=f"This is number {number}.", voice_id=voice.voice_id) for number in range(12)]
    takes = speak.generate_takes(wanted)
    assert [take.text for take in takes] == [take.text for take in wanted]
    ids = [take.take_id for take in takes]
    assert speak.get_takes(take_ids=ids) == takes[::-1]
    assert speak.get_takes(length=5) == takes[:-6:-1]
    assert speak.get_takes(length=5, page=2) == takes[-6:-11:-1]
    assert speak.get_takes(newer=takes[0].timestamp_ms, older=takes[-1].timestamp_ms) == takes[::-1]


def test_it_forgets_a_take(speak, voice):
    take = speak.generate_take(voice.voice_id, "Hello.")
    assert speak.delete_take(take.take_id) is True
    with pytest.raises(DaisysTakeDeletionError, match="not found"):
        speak.delete_take(take.take_id)
    assert refused(speak.get_take_audio, take.take_id)[0] == 404


def test_it_changes_and_forgets_a_voice(speak):
    voice = speak.generate_voice("Dora", "espeak", VoiceGender.MALE)
    prosody = AffectProsody(pitch=1, pace=2, valence=3, dominance=4, arousal=5)
    assert speak.update_voice(voice.voice_id, name="Theodore", default_style=["calm"], default_prosody=prosody) is True
    changed = speak.get_voice(voice.voice_id)
    assert (changed.name, changed.default_style, changed.default_prosody) == ("Theodore", ["calm"], prosody)
    assert speak.delete_voice(voice.voice_id) is True
    assert voice.voice_id not in [other.voice_id for other in speak.get_voices()]


@pytest.mark.parametrize(
    "prosody",
    [
        SimpleProsody(pitch=0, pace=10, expression=0),
        AffectProsody(pitch=0, pace=10, valence=0, dominance=0, arousal=0),
        SignalProsody(pitch=0, pace=10, tilt=0, pitch_range=0),
    ],
    ids=lambda prosody: type(prosody).__name__,
)
def test_it_speaks_faster_where_it_is_asked_to(speak, voice, prosody):
    plain = speak.generate_take(voice.voice_id, TEXT)
    fast = speak.generate_take(voice.voice_id, TEXT, prosody=prosody)
    assert fast.prosody == prosody
    assert fast.info.duration < 0.8 * plain.info.duration


@pytest.mark.parametrize("language", ["nl-NL", "en-GB"])
def test_it_may_name_the_language(speak, voice, language):
    take = speak.generate_take(voice.voice_id, "Hello.", override_language=language)
    assert (take.status, take.override_language) == (Status.READY, language)


def test_it_is_told_what_is_wrong(speak, voice):
    assert refused(speak.generate_take, "v" + "0" * 26, "Hello.")[0] == 404
    assert refused(speak.generate_take, voice.voice_id, "")[0] == 422
    assert "must be of" in refused(speak.generate_take, voice.voice_id, "Hello.", style=["sung"])[1]
    loud = SimpleProsody(pitch=11, pace=0, expression=0)
    assert refused(speak.generate_take, voice.voice_id, "Hello.", prosody=loud)[0] == 422
    assert refused(speak.get_model, "shakespeare")[0] == 404


def test_voices_of_everybody_stay_as_they_are(speak):
    stock = next(other for other in speak.get_voices() if other.timestamp_ms == 0)
    assert speak.generate_take(stock.voice_id, "Hello.").status is Status.READY
    assert refused(speak.update_voice, stock.voice_id, name="mine")[0] == 403
    assert refused(speak.delete_voice, stock.voice_id)[0] == 403


def test_webhooks_are_told(speak, voice, receiver):
    url = receiver.url
    take = speak.generate_take(voice.voice_id, TEXT, status_webhook=f"{url}/status", done_webhook=f"{url}/done")
    (done,) = receiver.wait_for("/done")
    assert (done["take_id"], done["status"], done["info"]["duration"]) == (take.take_id, "ready", take.info.duration)
    statuses = [told["status"] for told in receiver.wait_for("/status", 5)]
    assert statuses == [status.value for status in Status if status.value in statuses]
    assert statuses[-1] == "ready"
    assert len(receiver.told("/done")) == 1


@pytest.mark.parametrize("mode", StreamMode)
def test_it_hears_over_the_websocket_what_is_kept(speak, voice, mode):
    audio, statuses, take_id = b"", [], ""
    with speak.websocket(model="espeak") as socket:
        request_id = socket.generate_take(voice.voice_id, TEXT, stream_options=StreamOptions(mode=mode))
        for _, take, _, sound in socket.iter_request(request_id):
            audio += sound or b""
            statuses += [take.status] if take else []
            take_id = take.take_id if take else take_id
    assert (statuses[0], statuses[-1]) == (Status.WAITING, Status.READY)
    assert audio == payload(speak.get_take_audio(take_id))


def test_it_makes_a_voice_over_the_websocket(speak):
    told, heard = [], []
    with speak.websocket(model="espeak") as socket:
        socket.generate_voice(
            "Dora",
            "espeak",
            VoiceGender.FEMALE,
            status_callback=lambda request_id, voice: told.append(voice),
            audio_callback=lambda **part: heard.append(part["audio"]),
        )
        while not told or not told[-1].status.done():
            socket.update()
    assert speak.get_voice(told[-1].voice_id) == told[-1]
    assert heard[0].startswith(b"RIFF") and heard[-1] is None


def test_it_is_told_what_is_wrong_over_the_websocket_and_goes_on(speak, voice):
    with speak.websocket(model="espeak") as socket:
        with pytest.raises(DaisysWebsocketGenerateError, match="does not exist"):
            list(socket.iter_request(socket.generate_take("v" + "0" * 26, "Hello.")))
        messages = list(socket.iter_request(socket.generate_take(voice.voice_id, "Hello.")))
    assert [take.status for _, take, _, _ in messages if take][-1] is Status.READY


def test_a_token_that_expires_in_the_middle_is_renewed(speak, voice):
    speak.get_models()
    with speak.websocket(model="espeak") as socket:
        speak.access_token = expired = expired_token()
        messages = list(socket.iter_request(socket.generate_take(voice.voice_id, "Hello.")))
        assert speak.generate_take(voice.voice_id, "Hello.").status is Status.READY
    assert messages
    assert speak.access_token != expired


def test_a_client_that_cannot_renew_its_token_logs_in_again(speak):
    speak.get_models()
    speak.access_token, speak.refresh_token = expired_token(), "rt_unknown"
    assert speak.get_models()


def test_a_wrong_secret_opens_no_websocket(speak):
    url = speak.websocket_url(model="espeak")
    with pytest.raises(httpx_ws.WebSocketUpgradeError), httpx_ws.connect_ws(url[:-2]):
        pass
