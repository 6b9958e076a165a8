import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.errors import VoiceNotFound
from app.tts.backends.kokoro_voices import Catalogue, is_neutral, parse
from app.tts.speech import Gender, Voice

NAMES = ("af_bella", "af_heart", "af_sky", "am_adam", "bf_emma", "zf_xiaobei", "zm_yunxi")


def catalogue(*names: str) -> Catalogue:
    return Catalogue(names or NAMES, gender_of=lambda name: Gender.MALE if "Yunxi" in name else Gender.NEUTRAL)


@pytest.mark.parametrize(
    ("voice_id", "shares"),
    [
        ("af_bella", {"af_bella": 1.0}),
        ("af_bella+af_sky", {"af_bella": 0.5, "af_sky": 0.5}),
        ("af_bella(2)+af_sky(1)", {"af_bella": 2 / 3, "af_sky": 1 / 3}),
        ("AF_Bella(0.5) + af_sky(1.5)", {"af_bella": 0.25, "af_sky": 0.75}),
        ("af_bella+af_bella(3)", {"af_bella": 1.0}),
        ("af_bella(0)+af_sky", {"af_bella": 0.0, "af_sky": 1.0}),
    ],
)
def test_mixtures_are_read(voice_id: str, shares: dict[str, float]) -> None:
    assert dict(parse(voice_id, NAMES).shares) == pytest.approx(shares)


@pytest.mark.parametrize(
    "voice_id",
    [
        "",
        "+",
        "af_bella+",
        "af_nobody",
        "af_bella(-1)",
        "af_bella(nan)",
        "af_bella(1e9)",
        "af_bella(0)",
        "af_bella((1))",
        "af_bella-af_sky",
        "../af_bella",
        "+".join(["af_bella"] * 9),
        "zh-CN-XiaoxiaoNeural",
    ],
)
def test_what_is_no_voice_is_not_found(voice_id: str) -> None:
    with pytest.raises(VoiceNotFound):
        catalogue().find(voice_id)


@given(st.dictionaries(st.sampled_from(NAMES), st.integers(1, 999), min_size=1))
def test_shares_add_up_to_one(weights: dict[str, int]) -> None:
    mixture = parse("+".join(f"{name}({weight})" for name, weight in weights.items()), NAMES)
    assert sum(share for _, share in mixture.shares) == pytest.approx(1)
    assert [name for name, _ in mixture.shares] == list(weights)


def test_names_tell_language_and_gender() -> None:
    assert catalogue().find("zm_yunxi") == Voice("zm_yunxi", "Yunxi", "zh-CN", Gender.MALE, "kokoro")
    assert catalogue().find("bf_emma").language == "en-GB"
    assert catalogue().find("af_bella + am_adam") == Voice(
        "af_bella+am_adam", "Bella and Adam", "en-US", Gender.NEUTRAL, "kokoro"
    )


def test_listed_are_plain_voices_of_known_languages() -> None:
    assert [voice.id for voice in catalogue("zf_xiaobei", "af_sky", "xx_strange", "plain").listed] == [
        "af_sky",
        "zf_xiaobei",
    ]


@pytest.mark.parametrize(
    ("language", "like", "chosen"),
    [
        ("en-US", None, "af_heart"),
        ("en", None, "af_heart"),
        ("en-GB", None, "bf_emma"),
        ("en-GB", "am_adam", "bf_emma"),
        ("en-US", "zh-CN-YunxiNeural", "am_adam"),
        ("zh-CN", "zh-CN-YunxiNeural", "zm_yunxi"),
        ("zh", "somebody", "zf_xiaobei"),
        ("zh-CN", "am_adam", "zm_yunxi"),
        ("en-US", "af_sky", "af_sky"),
    ],
)
def test_voice_is_chosen_by_language_and_likeness(language: str, like: str | None, chosen: str) -> None:
    assert catalogue().choose(language, like=like).id == chosen


def test_language_without_a_voice_is_not_found() -> None:
    with pytest.raises(VoiceNotFound):
        catalogue().choose("ko")
    assert is_neutral("anything") is Gender.NEUTRAL
