import json
from pathlib import Path
from typing import Any

import pytest

from app.errors import InvalidInput, VoiceNotFound
from app.tts.backends.piper_voices import Catalogue, Model, is_neutral, read_model, read_models
from app.tts.speech import Gender
from tests.tts.tiny_voices import piper_config

LESSAC = Model("en_US-lessac-medium", "en-US", "medium")
RYAN = Model("en_US-ryan-high", "en-US", "high")
AMY_LOW = Model("en_US-amy-low", "en-US", "low")
HUAYAN = Model("zh_CN-huayan-medium", "zh-CN", "medium")
CROWD = Model("de_DE-crowd-high", "de-DE", "high", speakers={f"p{n}": n for n in range(99)})


def catalogue(*models: Model) -> Catalogue:
    return Catalogue(
        models or (RYAN, LESSAC, HUAYAN, AMY_LOW, CROWD),
        gender_of=lambda name: Gender.MALE if "Yunxi" in name else Gender.NEUTRAL,
    )


@pytest.mark.parametrize(
    ("name", "changes", "language"),
    [
        ("zh_CN-huayan-medium", {}, "zh-CN"),
        ("mine", {"language": {"code": "pt_BR"}}, "pt-BR"),
        ("mine", {"language": {"code": "ja"}}, "ja"),
        ("mine", {"espeak": {"voice": "cmn"}}, "zh-CN"),
        ("mine", {"espeak": {"voice": "en-us"}}, "en-US"),
    ],
)
def test_language_is_read_from_what_there_is(name: str, changes: dict[str, Any], language: str) -> None:
    assert read_model(name, {**piper_config(), **changes}).language == language


@pytest.mark.parametrize(
    "changes",
    [
        {"audio": {}},
        {"audio": None},
        {"espeak": {}},
        {"num_speakers": "1"},
        {"num_symbols": None},
        {"phoneme_id_map": {"a": [1]}},
    ],
)
def test_configuration_without_what_piper_needs_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput, match="its configuration has no"):
        read_model("mine", {**piper_config(), **changes})


@pytest.mark.parametrize("config", [None, [], "text", 1])
def test_configuration_must_be_an_object(config: object) -> None:
    with pytest.raises(InvalidInput):
        read_model("mine", config)


def test_what_a_model_is_survives_json() -> None:
    model = read_model("mine", piper_config(speakers=3), version="1-2")
    assert Model(**json.loads(json.dumps(model.to_json()))) == model
    assert model.speakers == {"p0": 0, "p1": 1, "p2": 2}


def test_folder_that_is_not_there_has_no_voices(tmp_path: Path) -> None:
    assert read_models(tmp_path / "nowhere") == ({}, {})


@pytest.mark.parametrize(
    ("language", "like", "chosen"),
    [
        ("en-US", None, "en_US-lessac-medium"),
        ("en", None, "en_US-lessac-medium"),
        ("en-US", "zh-CN-YunxiNeural", "en_US-ryan-high"),
        ("en-US", "somebody", "en_US-lessac-medium"),
        ("en-US", "en_US-ryan-high", "en_US-ryan-high"),
        ("zh-CN", "en_US-ryan-high", "zh_CN-huayan-medium"),
        ("zh", None, "zh_CN-huayan-medium"),
        ("de", "de_DE-crowd-high#p7", "de_DE-crowd-high"),
    ],
)
def test_voice_is_chosen_by_language_and_likeness(language: str, like: str | None, chosen: str) -> None:
    assert catalogue().choose(language, like=like).id == chosen


@pytest.mark.parametrize("voice_id", ["", "#", "nobody", "de_DE-crowd-high#p99", "en_US-ryan-high#", "../x"])
def test_what_is_no_voice_is_not_found(voice_id: str) -> None:
    with pytest.raises(VoiceNotFound):
        catalogue().find(voice_id)


def test_language_without_a_voice_is_not_found() -> None:
    with pytest.raises(VoiceNotFound):
        catalogue().choose("ko-KR")


def test_crowd_is_found_but_not_listed() -> None:
    assert [voice.id for voice in catalogue(CROWD).listed] == ["de_DE-crowd-high"]
    assert catalogue().sound("de_DE-crowd-high#p42") == ("de_DE-crowd-high", 42)
    assert catalogue().sound("de_DE-crowd-high") == ("de_DE-crowd-high", None)


def test_names_are_for_people() -> None:
    few = Model("en_GB-several_people-x_low", "en-GB", "x_low", speakers={"ann": 0, "bob": 1})
    assert [(voice.id, voice.name) for voice in catalogue(few).listed] == [
        ("en_GB-several_people-x_low", "Several People, x-low"),
        ("en_GB-several_people-x_low#ann", "Several People, ann, x-low"),
        ("en_GB-several_people-x_low#bob", "Several People, bob, x-low"),
    ]
    assert catalogue().find("en_US-ryan-high").gender is Gender.MALE
    assert is_neutral("anybody") is Gender.NEUTRAL
