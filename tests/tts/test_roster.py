import pytest

from app.errors import BackendUnavailable, VoiceNotFound
from app.tts.backend import Health
from app.tts.roster import Roster
from app.tts.speech import SpeechRequest
from tests.tts.fake_backend import FakeBackend


@pytest.fixture
def first():
    return FakeBackend("first")


@pytest.fixture
def second():
    return FakeBackend("second", languages=["en-US", "zh-CN", "ja"])


@pytest.fixture
def roster(first, second):
    return Roster([first, second])


def test_without_a_name_the_first_that_can_speaks(roster, first):
    assert roster.choose_voice(SpeechRequest("hello")).backend == "first"
    first.state = Health(False, "no model")
    assert roster.choose_voice(SpeechRequest("hello")).backend == "second"


def test_the_default_is_never_replaced(first, second):
    roster = Roster([first, second], default="first")
    first.state = Health(False, "no model")
    with pytest.raises(BackendUnavailable) as raised:
        roster.choose_voice(SpeechRequest("hello"))
    assert (raised.value.backend, raised.value.reason, raised.value.available) == ("first", "no model", ("second",))


@pytest.mark.parametrize("name", ["third", "edge", "第三", "\x00"])
def test_a_named_backend_that_is_missing_is_an_error(roster, name):
    with pytest.raises(BackendUnavailable) as raised:
        roster.choose_voice(SpeechRequest("hello", backend=name))
    assert raised.value.available == ("first", "second")


def test_auto_is_a_name_for_the_best(roster):
    assert roster.choose_voice(SpeechRequest("hello", backend="auto")).backend == "first"


def test_the_voice_follows_the_language_of_the_text(roster):
    assert roster.choose_voice(SpeechRequest("你好")).language == "zh-CN"
    assert roster.choose_voice(SpeechRequest("hello")).language == "en-US"


def test_a_named_voice_of_a_named_backend_is_taken_or_refused(roster):
    assert roster.choose_voice(SpeechRequest("a", backend="second", voice="second-ja")).id == "second-ja"
    with pytest.raises(VoiceNotFound):
        roster.choose_voice(SpeechRequest("a", backend="first", voice="second-ja"))


def test_a_voice_finds_its_backend(roster):
    assert roster.choose_voice(SpeechRequest("a", voice="second-ja")).backend == "second"


@pytest.mark.parametrize("voice", ["zh-CN-XiaoxiaoNeural", "zh_CN-huayan-medium"])
def test_another_servers_voice_is_replaced_by_its_language(roster, voice):
    assert roster.choose_voice(SpeechRequest("hello", voice=voice)).id == "first-zh-CN"


@pytest.mark.parametrize("voice", ["nobody", "xx-XX-NobodyNeural", "ZH-cn-Xiaoxiao", "\u0000"])
def test_a_voice_that_says_no_language_is_not_found(roster, voice):
    with pytest.raises(VoiceNotFound):
        roster.choose_voice(SpeechRequest("a", voice=voice))


def test_voices_are_listed_by_backend_and_language(roster):
    assert [v.id for v in roster.voices(backend=None, language_tag="zh")] == ["first-zh-CN", "second-zh-CN"]
    assert len(roster.voices(backend="second", language_tag=None)) == 3
    with pytest.raises(BackendUnavailable):
        roster.voices(backend="third", language_tag=None)
