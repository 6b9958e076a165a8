import json
import os
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.errors import VoiceNotFound
from app.tts.backends.edge_voices import Catalogue, VoiceFile, VoiceMemory, parse
from app.tts.genders import gender_of
from app.tts.speech import Gender, Voice

XIAOXIAO = Voice("zh-CN-XiaoxiaoNeural", "Xiaoxiao", "zh-CN", Gender.FEMALE, "edge")
XIAOYI = Voice("zh-CN-XiaoyiNeural", "Xiaoyi", "zh-CN", Gender.FEMALE, "edge")
YUNXI = Voice("zh-CN-YunxiNeural", "Yunxi", "zh-CN", Gender.MALE, "edge")
HIUMAAN = Voice("zh-HK-HiuMaanNeural", "HiuMaan", "zh-HK", Gender.FEMALE, "edge")
FEW = Catalogue([YUNXI, XIAOYI, XIAOXIAO, HIUMAAN], is_complete=True)


# --- choosing ---


@pytest.mark.parametrize(
    ("language", "voice"),
    [
        ("zh-CN", "zh-CN-XiaoxiaoNeural"),
        ("zh", "zh-CN-XiaoxiaoNeural"),
        ("cmn", "zh-CN-XiaoxiaoNeural"),
        ("zh-Hant", "zh-TW-HsiaoChenNeural"),
        ("zh-TW", "zh-TW-HsiaoChenNeural"),
        ("yue", "zh-HK-HiuMaanNeural"),
        ("zh-SG", "zh-CN-XiaoxiaoNeural"),
        ("en", "en-US-AriaNeural"),
        ("en-US", "en-US-AriaNeural"),
        ("en-GB", "en-GB-SoniaNeural"),
        ("ja", "ja-JP-NanamiNeural"),
        ("ja-JP", "ja-JP-NanamiNeural"),
        ("ko", "ko-KR-SunHiNeural"),
        ("vi", "vi-VN-HoaiMyNeural"),
        ("pt", "pt-BR-FranciscaNeural"),
        ("no", "nb-NO-PernilleNeural"),
    ],
)
def test_every_language_has_its_voice_without_a_list(language: str, voice: str) -> None:
    assert Catalogue().choose(language).id == voice


@pytest.mark.parametrize("like", ["zh-CN-YunxiNeural", "en-US-GuyNeural", "onyx", "cmn+m3", "zm_yunjian"])
def test_a_male_voice_is_replaced_by_one(like: str) -> None:
    assert Catalogue().choose("ja", like=like).id == "ja-JP-KeitaNeural"
    assert Catalogue().choose("zh-CN", like=like).id == "zh-CN-YunxiNeural"


@pytest.mark.parametrize("like", [None, "zh-CN-XiaoyiNeural", "nova", "cmn+f2", "af_bella", "cmn", "", "no such"])
def test_any_other_by_a_female_one(like: str | None) -> None:
    assert Catalogue().choose("ja", like=like).id == "ja-JP-NanamiNeural"


def test_a_voice_that_speaks_the_language_stays() -> None:
    assert FEW.choose("zh-CN", like="zh-cn-xiaoyineural") == XIAOYI


def test_avoided_voices_are_passed_over_gender_first_and_region_second() -> None:
    avoided: set[str] = set()
    order = []
    for _ in range(4):
        order.append(FEW.choose("zh-CN", avoid=avoided.__contains__))
        avoided.add(order[-1].id)
    assert order == [XIAOXIAO, XIAOYI, HIUMAAN, YUNXI]
    with pytest.raises(VoiceNotFound):
        FEW.choose("zh-CN", avoid=avoided.__contains__)


def test_a_complete_list_knows_what_it_cannot_speak() -> None:
    with pytest.raises(VoiceNotFound):
        FEW.choose("ja")


# --- finding ---


def test_listed_voices_are_found_in_any_case() -> None:
    assert FEW.find("ZH-cn-yunxineural") == YUNXI


@pytest.mark.parametrize(
    ("voice_id", "language"),
    [
        ("zh-CN-XiaochenNeural", "zh-CN"),
        ("zh-CN-liaoning-XiaobeiNeural", "zh-CN-liaoning"),
        ("fil-PH-RosaNeural", "fil-PH"),
        ("en-US-AvaMultilingualNeural", "en-US"),
    ],
)
def test_without_a_list_what_looks_like_a_voice_is_one(voice_id: str, language: str) -> None:
    assert Catalogue().find(voice_id).language == language
    with pytest.raises(VoiceNotFound):
        FEW.find(voice_id)


@pytest.mark.parametrize("end", ["'/><x y='", "Neural' ", "\n", "<"])
def test_what_would_break_the_markup_is_no_voice(end: str) -> None:
    with pytest.raises(VoiceNotFound):
        Catalogue().find(f"zh-CN-{end}Neural")


@given(st.from_regex(r"[a-z]{2}-[A-Z]{2}-.{0,20}Neural\n?"))
def test_no_id_that_is_found_can_leave_its_attribute(voice_id: str) -> None:
    try:
        found = Catalogue().find(voice_id)
    except VoiceNotFound:
        return
    assert re.fullmatch(r"[A-Za-z0-9-]+", found.id)


def test_genders_of_unknown_voices_are_not_made_up() -> None:
    assert Catalogue().find("xx-XX-NobodyNeural").gender is Gender.NEUTRAL
    assert gender_of("zh-CN-YunyangNeural") is Gender.MALE
    assert gender_of("en-US-AndrewMultilingualNeural") is Gender.MALE
    assert gender_of("cmn") is Gender.NEUTRAL


def test_the_service_is_believed_about_gender() -> None:
    odd = Voice("zh-CN-YunxiNeural", "Yunxi", "zh-CN", Gender.FEMALE, "edge")
    assert Catalogue([odd]).gender_of("zh-CN-YunxiNeural") is Gender.FEMALE


# --- the service's list ---


def test_entries_become_voices() -> None:
    friendly = "Microsoft Xiaoxiao Online (Natural) - Chinese (Mainland)"
    entry = {"ShortName": "zh-CN-XiaoxiaoNeural", "Locale": "zh-CN", "Gender": "Female", "FriendlyName": friendly}
    assert parse([entry]) == [
        Voice("zh-CN-XiaoxiaoNeural", "Xiaoxiao - Chinese (Mainland)", "zh-CN", Gender.FEMALE, "edge")
    ]


@pytest.mark.parametrize(
    "entry",
    [
        None,
        3,
        [],
        {},
        {"ShortName": 3},
        {"ShortName": "zh-CN-<Neural"},
        {"ShortName": "zh-CN-XiaoxiaoNeural", "Status": "Deprecated"},
    ],
)
def test_other_entries_are_left_out(entry: object) -> None:
    assert parse([entry]) == []


def test_what_an_entry_does_not_tell_is_taken_from_its_id() -> None:
    (voice,) = parse([{"ShortName": "ja-JP-KeitaNeural", "Locale": 1, "Gender": "?", "FriendlyName": None}])
    assert voice == Voice("ja-JP-KeitaNeural", "Keita (ja-JP)", "ja-JP", Gender.NEUTRAL, "edge")


# --- on disk ---


def test_a_file_gives_back_what_it_was_given(tmp_path: Path) -> None:
    now = [1000.0]
    file = VoiceFile(tmp_path / "new" / "voices.json", clock=lambda: now[0])
    assert file.load() is None
    file.save(FEW.listed)
    now[0] += 60
    assert file.load() == (list(FEW.listed), 60)
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["voices.json"]


def test_a_file_of_the_future_is_old(tmp_path: Path) -> None:
    VoiceFile(tmp_path / "voices.json", clock=lambda: 2000).save([YUNXI])
    assert VoiceFile(tmp_path / "voices.json", clock=lambda: 1000).load() == ([YUNXI], float("inf"))


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"\xff\xfe",
        b"[]",
        b"null",
        b'{"voices": [], "fetched_at": 0}',
        b'{"voices": [[1]], "fetched_at": 0}',
        b'{"voices": [["a", "b", "c", "robot"]], "fetched_at": 0}',
        b'{"voices": [["a", "b", "c", "male"]]}',
    ],
)
def test_a_damaged_file_is_none(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "voices.json").write_bytes(content)
    assert VoiceFile(tmp_path / "voices.json").load() is None


def test_a_write_that_fails_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = VoiceFile(tmp_path / "voices.json", clock=lambda: 0)
    file.save([YUNXI])

    def full(*_: object, **__: object) -> None:
        raise OSError("no space left on device")

    monkeypatch.setattr(os, "replace", full)
    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(OSError, match="no space"):
        file.save([XIAOXIAO])
    assert json.loads((tmp_path / "voices.json").read_text())["voices"][0][0] == YUNXI.id
    assert len(list(tmp_path.iterdir())) == 1


# --- silent voices ---


def test_two_texts_without_sound_make_a_voice_rest() -> None:
    now = [0.0]
    memory = VoiceMemory(seconds=100, clock=lambda: now[0])
    memory.was_silent("v", "one")
    assert memory.wait_time("v") == 0
    memory.was_silent("v", "one")
    assert memory.wait_time("v") == 0
    memory.was_silent("v", "two")
    assert memory.wait_time("v") == 100
    now[0] = 100
    assert memory.wait_time("v") == 0
    memory.was_silent("v", "two")
    assert memory.wait_time("v") == 100


def test_a_success_forgives() -> None:
    memory = VoiceMemory(clock=lambda: 0)
    memory.was_silent("v", "one")
    memory.spoke("v")
    memory.was_silent("v", "two")
    assert memory.wait_time("v") == 0


def test_it_remembers_so_many_and_no_more() -> None:
    memory = VoiceMemory(size=10, clock=lambda: 0)
    for voice in range(1000):
        for text in "ab":
            memory.was_silent(str(voice), text)
    assert sum(memory.wait_time(str(voice)) > 0 for voice in range(1000)) == 10
