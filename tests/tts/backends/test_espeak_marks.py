import pytest

from app.tts.backends.espeak_marker import END_OF_TEXT, LENGTH, PHONEME, RECORD, WORD
from app.tts.backends.espeak_marks import read
from app.tts.speech import Mark, MarkKind, Sound


def chunk(*records: bytes, pcm: bytes = b"") -> bytes:
    return LENGTH.pack(sum(map(len, records))) + b"".join(records) + pcm


def word(place: int, next_place: int, length: int) -> bytes:
    return RECORD.pack(WORD, 22050, 44100, place, next_place, LENGTH.pack(length))


def phoneme(name: str) -> bytes:
    return RECORD.pack(PHONEME, 0, 11025, 0, 0, name.encode()[:8])


def test_chunk_is_taken_apart() -> None:
    sound = read(chunk(word(0, 1, 1), phoneme("a"), pcm=b"\1\2"), "A")
    marks = Mark(MarkKind.WORD, "A", 1.0, 2.0), Mark(MarkKind.PHONEME, "a", 0.0, 0.5)
    assert sound == Sound(b"\1\2", marks)


@pytest.mark.parametrize(
    ("text", "place", "next_place", "length", "expected"),
    [
        ("It's ok", 0, 5, 2, "It's"),
        ("U.S., e-mail", 0, END_OF_TEXT, 1, "U.S., e-mail"),
        ("你好，欢迎", 0, 3, 1, "你好"),
        ("1234 today", 0, 5, 5, "1234"),
        ("C++ is", 0, 4, 3, "C++"),
        ("हैं।", 0, END_OF_TEXT, 1, "हैं"),
        ("one", 9, END_OF_TEXT, 1, ""),
        ("one", 2, 0, 1, ""),
    ],
)
def test_word_is_what_stands_there(text: str, place: int, next_place: int, length: int, expected: str) -> None:
    assert [mark.text for mark in read(chunk(word(place, next_place, length)), text).marks] == [expected] * bool(
        expected
    )


@pytest.mark.parametrize(
    ("name", "ipa"), [("ˈoʊ", "ˈoʊ"), ("ts.h", "ʈʂʰ"), ("ˈi.", "ˈɻ̩"), ("o-", "ɤ"), ("ˈɔːɹx", "ˈɔːɹ"), ("əəəaə", "əəəa")]
)
def test_phoneme_is_ipa(name: str, ipa: str) -> None:
    assert read(chunk(phoneme(name)), "").marks[0].text == ipa
