import random

import pytest

from app.errors import BackendUnavailable, InvalidInput, TextTooLong
from app.runtime.workers import Workers
from app.takes.ids import Ids
from app.takes.orders import Orders
from app.takes.take import Status, TakeRequest, Wording
from app.takes.voice import VoiceGender, VoiceRequest
from app.tts.backend import Health
from app.tts.cache import SpeechCache
from app.tts.synthesizer import Synthesizer
from tests.takes.stage import VOICE
from tests.tts.fake_backend import FakeBackend

NEW = VoiceRequest("Bea", "fake", VoiceGender.NONBINARY)


def orders(backend: FakeBackend | None = None, *, text_characters: int = 100, now: float = 7.0) -> Orders:
    synthesizer = Synthesizer(
        [backend or FakeBackend()], workers=Workers({"codec": 1}), cache=SpeechCache(max_bytes=0), queue_depth=9
    )
    return Orders(synthesizer, Ids(clock=lambda: now, rng=random.Random(1)), text_characters=text_characters)


def test_a_take_has_the_time_of_its_id_and_waits():
    take = orders().take("ann", TakeRequest(Wording("Hello."), "v1"))
    assert (take.owner, take.status, take.timestamp_ms, take.id[0]) == ("ann", Status.WAITING, 7000, "t")


def test_a_voice_has_an_example_that_is_spoken_with_it():
    voice, take = orders().voice("ann", NEW)
    assert (voice.example_take_id, take.request.voice_id) == (take.id, voice.id)
    assert (voice.status, take.status, voice.owner, take.owner) == (Status.WAITING, Status.WAITING, "ann", "ann")
    assert take.request.wording.text


def test_a_voice_sounds_as_its_id_has_it():
    first, second = orders().voice("ann", NEW)[0], orders().voice("bob", NEW)[0]
    assert first.id == second.id and first.design == second.design
    assert orders(now=8.0).voice("ann", NEW)[0].design != first.design


@pytest.mark.parametrize(
    ("request_", "field"),
    [
        (VoiceRequest("Bea", "absent", VoiceGender.NONBINARY), "model"),
        (VoiceRequest("Bea", "fake", VoiceGender.MALE), "gender"),
        (VoiceRequest("Bea", "fake", VoiceGender.NONBINARY, default_style=("shouting",)), "style"),
    ],
)
def test_a_voice_that_cannot_be_is_refused_by_field(request_, field):
    with pytest.raises(InvalidInput) as refused:
        orders().voice("ann", request_)
    assert refused.value.field == field


@pytest.mark.parametrize(
    ("wording", "field"),
    [(Wording("Hello.", override_language="ru"), "override_language"), (Wording("Привет, как дела?"), "text")],
)
def test_a_language_that_the_model_does_not_speak_is_refused_by_field(wording, field):
    with pytest.raises(InvalidInput, match="does not speak this language") as refused:
        orders().read(wording, VOICE)
    assert refused.value.field == field


def test_a_text_has_no_more_characters_than_it_may():
    assert orders().read(Wording("x" * 100), VOICE)
    with pytest.raises(TextTooLong, match="100 may"):
        orders().read(Wording("x" * 101), VOICE)
    assert orders(text_characters=0).read(Wording("x" * 1000), VOICE)


def test_a_text_that_shows_no_language_is_in_the_main_one_of_the_model():
    (line,) = orders(FakeBackend(languages=("nl-NL", "zh-CN"))).read(Wording("666"), VOICE).lines()
    assert line.request.voice == "fake-zh-CN"
    (line,) = orders(FakeBackend(languages=("nl-NL",))).read(Wording("Goedemorgen allemaal."), VOICE).lines()
    assert line.request.voice == "fake-nl-NL"


def test_a_model_that_is_away_is_said():
    backend = FakeBackend()
    backend.state = Health(False, "loading")
    with pytest.raises(BackendUnavailable, match="loading"):
        orders(backend).read(Wording("Hello."), VOICE)
