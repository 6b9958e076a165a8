import re
from urllib.parse import urlsplit

import pytest

from app.downloads.catalogue import ALIASES, ITEMS, find
from app.errors import NotFound
from app.lipsync.networks.registry import FILES, FOLDER


@pytest.mark.parametrize("item", ITEMS.values(), ids=lambda item: item.name)
def test_items_are_whole(item: object) -> None:
    item = ITEMS[item.name]  # type: ignore[attr-defined]
    assert item.about and item.licence and item.files
    for path, source in item.files.items():
        assert re.fullmatch(r"(faces|lipsync|piper|kokoro|xtts)/[\w.-]+", path)
        assert urlsplit(source.url).scheme == "https"
        assert source.url.endswith(path.rpartition("/")[2])
        assert source.sha256 is None or re.fullmatch("[0-9a-f]{64}", source.sha256)


def test_only_what_is_no_free_licence_asks_for_consent() -> None:
    assert {item.name for item in ITEMS.values() if item.consent} == {
        "en_US-lessac-medium",
        "nota_wav2lip",
        "wav2lip",
        "xtts",
    }


def test_networks_are_fetched_to_where_they_are_looked_for() -> None:
    for name, files in FILES.items():
        (path,) = find(name).files
        folder, _, file = path.rpartition("/")
        assert folder == FOLDER and file in files


def test_any_piper_voice_can_be_named() -> None:
    item = find("de_DE-thorsten_emotional-medium")
    assert [source.url for source in item.files.values()] == [
        "https://huggingface.co/rhasspy/piper-voices/resolve/main/de/de_DE/thorsten_emotional/medium/"
        f"de_DE-thorsten_emotional-medium.{ending}"
        for ending in ("onnx", "onnx.json")
    ]
    assert not item.is_proven and item.size is None


def test_a_backends_name_stands_for_what_it_needs() -> None:
    assert find("piper") is ITEMS["zh_CN-huayan-medium"]
    assert find("kokoro").size == 325_532_387 + 28_214_398
    assert set(ALIASES.values()) <= set(ITEMS)


@pytest.mark.parametrize("name", ["", "nonsense", "../etc-passwd-low", "zh_CN-huayan-best", "zh_CN/x-y-low", "list"])
def test_other_names_are_not_found(name: str) -> None:
    with pytest.raises(NotFound):
        find(name)
