import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.errors import VoiceNotFound
from app.tts.backends.espeak_voices import Catalogue, Sound, canonical
from app.tts.genders import is_male
from app.tts.speech import Gender, Voice

LINES = """\
gmq/fo\tFaroese\t5 fo\tmale
gmw/en\tEnglish (Great Britain)\t2 en-gb,2 en\tmale
gmw/en-US\tEnglish (America)\t2 en-us,3 en\tmale
iro/chr\tCherokee\t5 chr-US-Qaaa-x-west\tmale
jpx/ja\tJapanese\t5 ja\tneutral
gmq/nb\tNorwegian Bokmål\t5 nb,5 no\tmale
roa/es\tSpanish (Spain)\t5 es\tmale
roa/es-419\tSpanish (Latin America)\t5 es-419,6 es-mx\tmale
sit/cmn\tChinese (Mandarin, latin as English)\t5 cmn,5 zh-cmn,5 zh\tmale
sit/cmn-Latn-pinyin\tChinese (Mandarin, latin as Pinyin)\t5 cmn-latn-pinyin,5 zh-cmn,5 zh\tmale
sit/yue\tChinese (Cantonese)\t5 yue,5 zh-yue,8 zh\tmale
sit/yue-Latn-jyutping\tChinese (Cantonese, latin as Jyutping)\t5 yue,5 zh-yue,8 zh\tmale
!v/f1\tfemale1\t5 variant\tfemale
!v/m1\tmale1\t5 variant\tmale
!v/AnxiousAndy\tanxiousAndy\t5 variant\tmale
!v/Mr serious\tMr_Serious\t5 variant\tmale"""


@pytest.fixture(scope="module")
def catalogue() -> Catalogue:
    return Catalogue(LINES)


def test_catalogue_of_nothing_has_nothing() -> None:
    assert Catalogue("").listed == ()


def test_each_voice_is_listed_plain_and_with_some_variants(catalogue: Catalogue) -> None:
    chinese = [voice.id for voice in catalogue.listed if voice.language == "zh-CN"]
    assert chinese == ["cmn", "cmn+f1", "cmn+m1"]
    assert len(catalogue.listed) == 11 * 3


def test_voice_is_described_for_people(catalogue: Catalogue) -> None:
    expected = Voice("cmn+f1", "Chinese (Mandarin), female 1", "zh-CN", Gender.FEMALE, "espeak")
    assert catalogue.find("cmn+f1") == expected


@pytest.mark.parametrize(
    ("voice_id", "name"),
    [("ja+AnxiousAndy", "Japanese, Anxious Andy"), ("ja+Mr serious", "Japanese, Mr Serious"), ("ja", "Japanese")],
)
def test_names_of_variants_are_readable(catalogue: Catalogue, voice_id: str, name: str) -> None:
    assert catalogue.find(voice_id).name == name
    assert catalogue.find(voice_id).id == voice_id


def test_capitals_of_an_id_do_not_matter(catalogue: Catalogue) -> None:
    assert catalogue.find("EN-US+anxiousandy").id == "en-us+AnxiousAndy"


@pytest.mark.parametrize("voice_id", ["", "+", "+f1", "cmn+", "cmn+f9", "cmn+f1+f1", "xx", "cmn\0", "sit/cmn", "fo"])
def test_voice_that_does_not_exist_is_not_found(catalogue: Catalogue, voice_id: str) -> None:
    with pytest.raises(VoiceNotFound):
        catalogue.find(voice_id)


@pytest.mark.parametrize(
    ("voice_id", "language"),
    [
        ("en-us", "en-US"),
        ("es", "es-ES"),
        ("es-419", "es-419"),
        ("ja", "ja"),
        ("yue", "zh-HK"),
        ("yue-latn-jyutping", "yue-Latn-jyutping"),
        ("cmn-latn-pinyin", "zh-Latn-pinyin"),
        ("chr-us-qaaa-x-west", "chr"),
    ],
)
def test_languages_are_bcp_47(catalogue: Catalogue, voice_id: str, language: str) -> None:
    assert catalogue.find(voice_id).language == language


@pytest.mark.parametrize(
    ("language", "voice_id"),
    [
        ("zh-CN", "cmn+f1"),
        ("zh", "cmn+f1"),
        ("zh_TW", "cmn+f1"),
        ("zh-HK", "yue+f1"),
        ("zh-Hant-HK", "yue+f1"),
        ("yue", "yue+f1"),
        ("en", "en-us+f1"),
        ("en-AU", "en-gb+f1"),
        ("en-CA", "en-us+f1"),
        ("ES-MX", "es-419+f1"),
        ("es-ES", "es+f1"),
        ("no", "nb+f1"),
        ("ja-JP", "ja+f1"),
    ],
)
def test_language_finds_its_voice(catalogue: Catalogue, language: str, voice_id: str) -> None:
    assert catalogue.choose(language).id == voice_id


@pytest.mark.parametrize("language", ["tlh", "", "-", "z", "pt-BR", "fo"])
def test_language_that_nobody_speaks_is_not_found(catalogue: Catalogue, language: str) -> None:
    with pytest.raises(VoiceNotFound):
        catalogue.choose(language)


@pytest.mark.parametrize(
    ("like", "voice_id"),
    [
        (None, "ja+f1"),
        ("zh-CN-XiaoxiaoNeural", "ja+f1"),
        ("zh-CN-YunxiNeural", "ja"),
        ("someone", "ja+f1"),
        ("cmn+AnxiousAndy", "ja+AnxiousAndy"),
        ("cmn", "ja"),
        ("cmn+f9", "ja+f1"),
    ],
)
def test_voice_is_chosen_like_another(catalogue: Catalogue, like: str | None, voice_id: str) -> None:
    chosen = catalogue.choose("ja", like=like).id
    assert chosen.lower() == voice_id.lower()


@pytest.mark.parametrize(
    ("voice", "expected"),
    [
        ("zh-CN-YunxiNeural", True),
        ("en-US-AndrewMultilingualNeural", True),
        ("zh-HK-WanLungNeural", True),
        ("onyx", True),
        ("zh-CN-XiaoxiaoNeural", False),
        ("zh-CN-liaoning-XiaobeiNeural", False),
        ("nova", False),
        ("", False),
    ],
)
def test_well_known_men_are_known(voice: str, expected: bool) -> None:
    assert is_male(voice) is expected


@pytest.mark.parametrize(
    ("tag", "expected"),
    [
        ("PT-br", "pt-BR"),
        ("zh-hant-tw", "zh-Hant-TW"),
        ("es-419", "es-419"),
        ("en-gb-scotland", "en-GB-scotland"),
        ("vi-vn-x-south", "vi-VN-x-south"),
        ("en-x-us", "en-x-us"),
        ("ja", "ja"),
    ],
)
def test_tags_are_written_canonically(tag: str, expected: str) -> None:
    assert canonical(tag) == expected


@given(st.from_regex(r"[A-Za-z]{2,3}(-[A-Za-z0-9]{1,8}){0,3}", fullmatch=True))
def test_writing_a_tag_canonically_changes_only_capitals(tag: str) -> None:
    assert canonical(tag).lower() == tag.lower()
    assert canonical(canonical(tag)) == canonical(tag)


def test_every_listed_voice_is_found_and_known_to_the_worker(catalogue: Catalogue) -> None:
    for voice in catalogue.listed:
        assert catalogue.find(voice.id) == voice
    assert catalogue.sound("cmn+anxiousandy") == Sound("sit/cmn", "AnxiousAndy")
    assert catalogue.sound("yue-latn-jyutping") == Sound("sit/yue-Latn-jyutping", "")
