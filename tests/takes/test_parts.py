import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.audio.pcm import from_bytes, to_bytes
from app.audio.splice import sounding
from app.takes.parts import CLAUSE_REST, MOST_REST, SENTENCE_REST, Piece, cut, end_in_silence
from app.tts import pieces

RATE = 8000
TONE = to_bytes(np.rint(8000 * np.sin(np.arange(RATE) * 0.3)).astype(np.int16))


def texts(text: str, **options) -> list[str]:
    return [piece.text for piece in cut(text, language="en", **options)]


def silent_seconds(pcm: bytes) -> float:
    begin, end = sounding(from_bytes(pcm))
    return (len(pcm) // 2 - (end if begin < end else 0)) / RATE


def test_a_sentence_is_a_piece():
    assert texts("Hello there. How are you?\nFine!") == ["Hello there. ", "How are you?\n", "Fine!"]


def test_a_long_sentence_ends_at_its_clauses_with_less_silence():
    assert list(cut("One two, three four, five.", language="en", size=12)) == [
        Piece("One two, ", CLAUSE_REST),
        Piece("three four, ", CLAUSE_REST),
        Piece("five.", SENTENCE_REST),
    ]


def test_no_text_has_no_pieces():
    assert texts("") == []


@given(st.text("ab ,.!\n一。🎉", max_size=300), st.integers(1, 40))
def test_pieces_joined_are_the_text_and_none_is_too_long(text, size):
    found = texts(text, size=size)
    assert "".join(found) == text
    assert all(0 < len(piece) <= size for piece in found)


@given(st.text("ab ,.!\n一。", max_size=300))
def test_where_a_text_is_cut_does_not_depend_on_how_much_of_it_is_looked_at(text):
    at_once = [
        piece
        for sentence in pieces.sentences(text, language="en")
        for piece in pieces.split(sentence, size=12, language="en")
    ]
    assert texts(text, size=12) == at_once


def test_the_first_piece_of_a_long_text_is_found_without_reading_it_all():
    endless = "Hello there. " * 200_000
    assert next(cut(endless, language="en")).text == "Hello there. "


@pytest.mark.parametrize(("silence", "kept"), [(0.0, 0.3), (0.1, 0.3), (0.4, 0.4), (MOST_REST, MOST_REST), (3.0, 0.6)])
def test_the_silence_at_the_end_is_brought_within_bounds(silence, kept):
    ended = end_in_silence(TONE + bytes(2 * round(silence * RATE)), sample_rate=RATE, least=0.3)
    assert silent_seconds(ended) == pytest.approx(kept, abs=0.006)
    assert ended[: len(TONE) - 100] == TONE[:-100]


def test_a_sound_that_breaks_off_falls_to_silence_without_a_click():
    loud = to_bytes(np.full(RATE, 8000, np.int16))
    samples = from_bytes(end_in_silence(loud, sample_rate=RATE, least=0.3))
    assert np.abs(np.diff(samples[100:].astype(int))).max() < 8000 / 10


@given(st.lists(st.sampled_from([0, 0, 0, 500]), max_size=60), st.floats(0, 0.02), st.floats(0, 0.02))
def test_law_of_bounds(samples, least, most):
    given_pcm = np.array([*samples, 0], "<i2").tobytes()
    ended = end_in_silence(given_pcm, sample_rate=1000, least=least, most=most)
    begin, end = sounding(from_bytes(ended))
    silent = len(ended) // 2 - (end if begin < end else 0)
    assert round(least * 1000) <= silent <= round(max(least, most) * 1000)
    assert given_pcm.startswith(ended) or ended.startswith(given_pcm)
