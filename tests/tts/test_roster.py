import pytest

from app.errors import BackendUnavailable, VoiceNotFound
from app.tts.backend import Health, Traits
from app.tts.roster import Choice, Roster
from app.tts.speech import Quality, SpeechRequest
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
    assert roster.choose(SpeechRequest("hello")).voice.backend == "first"
    first.state = Health(False, "no model")
    assert roster.choose(SpeechRequest("hello")).voice.backend == "second"


def test_a_default_goes_first_and_its_outage_is_told(first, second):
    roster = Roster([first, second], default="second")
    assert roster.choose(SpeechRequest("hello")) == Choice(second.voices()[0], "second")
    second.state = Health(False, "no network")
    assert roster.choose(SpeechRequest("hello")) == Choice(first.voices()[0], "second")


def test_a_backend_that_never_spoke_is_not_missed(first, second):
    first.state = Health(False, "no model")
    assert Roster([first, second]).choose(SpeechRequest("hello")).expected == "second"


def test_if_nobody_can_speak_the_reason_is_told(first, second):
    first.state = second.state = Health(False, "no model")
    with pytest.raises(BackendUnavailable) as raised:
        Roster([first, second]).choose(SpeechRequest("hello"))
    assert (raised.value.backend, raised.value.reason, raised.value.available) == ("first", "no model", ())


@pytest.mark.parametrize(("quality", "backend"), [("low", "plain"), ("medium", "remote"), ("high", "studio")])
def test_quality_chooses_among_backends(quality, backend):
    remote = FakeBackend("remote", traits=Traits(fidelity=2, is_costly=True))
    plain = FakeBackend("plain", traits=Traits(fidelity=1))
    studio = FakeBackend("studio", traits=Traits(fidelity=3, is_costly=True))
    roster = Roster([remote, plain, studio])
    assert roster.choose(SpeechRequest("hello", quality=Quality(quality))).voice.backend == backend


def test_a_backend_without_the_language_is_passed_over(first, second):
    assert Roster([first, second]).choose(SpeechRequest("こんにちは")).voice.id == "second-ja"


def test_the_others_stand_in_with_the_same_language(roster):
    request = SpeechRequest("你好")
    voice = roster.choose(request).voice
    assert [other.id for other in roster.stand_ins(request, voice)] == ["second-zh-CN"]


def test_nobody_stands_in_for_a_named_backend(roster):
    request = SpeechRequest("hello", backend="first")
    assert list(roster.stand_ins(request, roster.choose(request).voice)) == []


def test_the_owner_of_a_named_voice_is_missed_when_it_is_out(roster, second):
    request = SpeechRequest("hello", voice="second-zh-CN")
    assert roster.choose(request).expected == "second"
    second.state = Health(False, "no network")
    with pytest.raises(VoiceNotFound):
        roster.choose(request)


@pytest.mark.parametrize("name", ["third", "edge", "第三", "\x00"])
def test_a_named_backend_that_is_missing_is_an_error(roster, name):
    with pytest.raises(BackendUnavailable) as raised:
        roster.choose(SpeechRequest("hello", backend=name))
    assert raised.value.available == ("first", "second")


def test_auto_is_a_name_for_the_best(roster):
    assert roster.choose(SpeechRequest("hello", backend="auto")).voice.backend == "first"


def test_the_voice_follows_the_language_of_the_text(roster):
    assert roster.choose(SpeechRequest("你好")).voice.language == "zh-CN"
    assert roster.choose(SpeechRequest("hello")).voice.language == "en-US"


def test_a_named_voice_of_a_named_backend_is_taken_or_refused(roster):
    assert roster.choose(SpeechRequest("a", backend="second", voice="second-ja")).voice.id == "second-ja"
    with pytest.raises(VoiceNotFound):
        roster.choose(SpeechRequest("a", backend="first", voice="second-ja"))


def test_a_voice_finds_its_backend(roster):
    assert roster.choose(SpeechRequest("a", voice="second-ja")).voice.backend == "second"


@pytest.mark.parametrize("voice", ["zh-CN-XiaoxiaoNeural", "zh_CN-huayan-medium"])
def test_another_servers_voice_is_replaced_by_its_language(roster, voice):
    assert roster.choose(SpeechRequest("hello", voice=voice)).voice.id == "first-zh-CN"


@pytest.mark.parametrize("voice", ["nobody", "xx-XX-NobodyNeural", "ZH-cn-Xiaoxiao", "\u0000"])
def test_a_voice_that_says_no_language_is_not_found(roster, voice):
    with pytest.raises(VoiceNotFound):
        roster.choose(SpeechRequest("a", voice=voice))


def test_voices_are_listed_by_backend_and_language(roster):
    assert [v.id for v in roster.voices(backend=None, language_tag="zh")] == ["first-zh-CN", "second-zh-CN"]
    assert len(roster.voices(backend="second", language_tag=None)) == 3
    with pytest.raises(BackendUnavailable):
        roster.voices(backend="third", language_tag=None)


@pytest.mark.parametrize(
    ("wanted", "absent"),
    [
        ({}, ["first-en-US"]),
        ({"voice": "first-zh-CN"}, ["first-zh-CN"]),
        ({"voice": "second-ja"}, []),
        ({"backend": "first"}, ["first-en-US"]),
        ({"backend": "second"}, []),
        ({"backend": "nobody"}, []),
    ],
)
def test_absentees_come_before_who_was_chosen(roster, first, second, wanted, absent):
    first.state = Health(False, "no network")
    chosen = second.choose_voice("en-US")
    assert [voice.id for voice in roster.absentees(SpeechRequest("hello", **wanted), chosen)] == absent


def test_nobody_is_absent_while_the_best_can_speak(roster, first, second):
    second.state = Health(False, "no model")
    assert not list(roster.absentees(SpeechRequest("hello"), first.choose_voice("en-US")))
