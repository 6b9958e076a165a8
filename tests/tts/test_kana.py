from importlib.util import find_spec

import pytest

from app.tts import kana
from app.tts.kana import find_reader, has_kanji

needs_package = pytest.mark.skipif(find_spec(kana.PACKAGE) is None, reason="pip install '.[japanese]'")


@pytest.mark.parametrize(("text", "expected"), [("配信", True), ("々", True), ("ありがとう", False), ("GG 666", False)])
def test_only_kanji_needs_a_reading(text, expected):
    assert has_kanji(text) is expected


@needs_package
@pytest.mark.parametrize(
    ("text", "reading"),
    [
        ("配信ありがとうございます", "ハイシンアリガトーゴザイマス"),
        ("初見です、よろしく！", "ショケンデス、ヨロシク！"),
        ("草", "クサ"),
    ],
)
def test_kanji_are_read(text, reading):
    assert find_reader()(text) == reading


@needs_package
def test_kana_stay_as_they_are():
    assert find_reader()("ありがとう、GG") == "ありがとう、GG"


@needs_package
@pytest.mark.parametrize("text", ["", "　", "漢", "漢字🎉", "彁" * 50, "a漢" * 500])
def test_nothing_breaks_the_reader(text):
    assert len(find_reader()(text)) <= 8 * len(text)


def test_without_the_package_there_is_no_reader(monkeypatch):
    monkeypatch.setattr(kana, "PACKAGE", "no_such_package_anywhere")
    assert find_reader() is None
