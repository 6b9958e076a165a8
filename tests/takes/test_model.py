import pytest

from app.errors import InvalidInput
from app.runtime.workers import Workers
from app.takes.model import models
from app.takes.stock import example_text, stock_voices
from app.takes.voice import VoiceGender
from app.tts.backend import Health
from app.tts.cache import SpeechCache
from app.tts.synthesizer import Synthesizer
from tests.tts.fake_backend import FakeBackend


def engine(*backends):
    return Synthesizer(backends, workers=Workers({"codec": 1}), cache=SpeechCache(max_bytes=0), queue_depth=0)


@pytest.fixture
def model():
    return models(engine(FakeBackend(languages=("zh-CN", "fr-FR", "en-US"))))[0]


def test_every_backend_that_can_speak_is_a_model():
    mute = FakeBackend("mute")
    mute.state = Health(False, "no model")
    assert [model.name for model in models(engine(FakeBackend("one"), mute, FakeBackend("two")))] == ["one", "two"]


def test_the_main_language_stands_first(model):
    assert model.languages == ("en-US", "zh-CN", "fr-FR")


def test_what_a_model_has_passes(model):
    model.check(gender=VoiceGender.NONBINARY, override_language="zh", style=["calm"])


@pytest.mark.parametrize(
    ("asked", "field"),
    [
        ({"gender": VoiceGender.MALE}, "gender"),
        ({"override_language": "nl-NL"}, "override_language"),
        ({"style": ["angelic"]}, "style"),
    ],
)
def test_what_a_model_has_not_is_refused(model, asked, field):
    with pytest.raises(InvalidInput) as refused:
        model.check(**asked)
    assert refused.value.field == field


def test_everybody_has_the_same_voices_at_every_start(model):
    first, second = list(stock_voices([model])), list(stock_voices([model]))
    assert first == second
    assert [voice.owner for voice in first] == [None]
    assert all(len(voice.id) == 27 and voice.id.startswith("v") for voice in first)


def test_a_model_introduces_itself_in_its_first_language(model):
    assert example_text(model).startswith("Hello")
