import pytest

from app.errors import VoiceNotFound
from app.tts.backends.xtts_messages import Introduction, Speaker
from app.tts.backends.xtts_voices import LANGUAGES, Catalogue
from app.tts.speech import Gender, Voice

SPEAKERS = (Speaker("Anna", "female"), Speaker("bob", "male"), Speaker("Claribel Dervla"))


@pytest.fixture
def catalogue() -> Catalogue:
    introduction = Introduction(limits=tuple((code, 100) for code in [*LANGUAGES, "xx"]), speakers=SPEAKERS)
    return Catalogue(introduction, is_male=lambda voice: "Yunxi" in voice)


def test_every_speaker_speaks_all_seventeen_languages(catalogue: Catalogue) -> None:
    assert len(catalogue.listed) == 17 * 3
    assert len({voice.id for voice in catalogue.listed}) == 17 * 3


def test_every_listed_voice_is_found(catalogue: Catalogue) -> None:
    assert all(catalogue.find(voice.id.upper()) == voice for voice in catalogue.listed)


def test_voice_is_described_for_people(catalogue: Catalogue) -> None:
    expected = Voice("zh-cn+Anna", "Chinese (Mandarin), Anna", "zh-CN", Gender.FEMALE, "xtts")
    assert catalogue.find("ZH-CN+anna") == expected


def test_language_alone_is_its_first_voice(catalogue: Catalogue) -> None:
    assert catalogue.find("ja").id == "ja+Anna"


@pytest.mark.parametrize("voice_id", ["", "+", "+anna", "en+", "en+nobody", "xx+anna", "anna", "zh+anna"])
def test_voice_that_does_not_exist_is_not_found(catalogue: Catalogue, voice_id: str) -> None:
    with pytest.raises(VoiceNotFound):
        catalogue.find(voice_id)


@pytest.mark.parametrize(
    ("language", "voice_id"),
    [
        ("zh", "zh-cn+Anna"),
        ("zh_TW", "zh-cn+Anna"),
        ("cmn", "zh-cn+Anna"),
        ("en-GB", "en+Anna"),
        ("pt-BR", "pt+Anna"),
        ("JA-jp", "ja+Anna"),
    ],
)
def test_language_finds_its_voice(catalogue: Catalogue, language: str, voice_id: str) -> None:
    assert catalogue.choose(language).id == voice_id


@pytest.mark.parametrize("language", ["", "tlh", "vi", "yue", "zh-HK", "zh-Hant-HK", "zh-yue"])
def test_language_that_the_model_does_not_speak_is_not_found(catalogue: Catalogue, language: str) -> None:
    with pytest.raises(VoiceNotFound):
        catalogue.choose(language)


@pytest.mark.parametrize(
    ("like", "voice_id"),
    [
        ("en+Claribel Dervla", "ja+Claribel Dervla"),
        ("en+bob", "ja+bob"),
        ("zh-CN-YunxiNeural", "ja+bob"),
        ("zh-CN-XiaoxiaoNeural", "ja+Anna"),
        ("cmn+f2", "ja+Anna"),
    ],
)
def test_voice_is_chosen_like_another(catalogue: Catalogue, like: str, voice_id: str) -> None:
    assert catalogue.choose("ja", like=like).id == voice_id


def test_gender_that_nobody_has_is_not_insisted_on() -> None:
    introduction = Introduction(limits=(("ja", 71),), speakers=(Speaker("Claribel Dervla"),))
    catalogue = Catalogue(introduction, is_male=lambda voice: True)
    assert catalogue.choose("ja", like="onyx").id == "ja+Claribel Dervla"


def test_model_without_speakers_has_no_voice() -> None:
    catalogue = Catalogue(Introduction(limits=(("ja", 71),)), is_male=lambda voice: False)
    assert catalogue.listed == ()
    with pytest.raises(VoiceNotFound):
        catalogue.choose("ja")
    with pytest.raises(VoiceNotFound):
        catalogue.find("ja")


def test_limit_and_parts_are_those_of_the_language(catalogue: Catalogue) -> None:
    voice = catalogue.find("zh-cn+anna")
    assert catalogue.parts(voice) == ("zh-cn", "Anna")
    assert catalogue.limit(voice) == 100
