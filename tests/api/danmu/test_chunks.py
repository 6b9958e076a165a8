import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.api.danmu.chunks import Chunks
from app.audio.format import Format
from app.tts.output import Output
from app.tts.speech import Quality, SpeechRequest

WAV = Output.of(SpeechRequest("a"))


def taken(chunks: Chunks) -> list[str]:
    return [chunks.take() for _ in range(len(chunks))]


@given(
    st.text(max_size=300), st.integers(10, 1000), st.sampled_from(Quality), st.sampled_from([Format.WAV, Format.MP3])
)
def test_the_pieces_are_the_text_and_within_the_size(text, size, quality, format):
    output = Output.of(SpeechRequest("a", quality=quality, format=format))
    pieces = taken(Chunks(text, size=size, output=output))
    assert "".join(pieces) == text
    assert all(len(piece) <= size for piece in pieces)


@pytest.mark.parametrize(
    ("text", "most"), [("今天真的好棒这个操作太秀了" * 40, 70), ("what a lovely stream it is " * 40, 200)]
)
def test_the_audio_of_a_piece_fits_a_message(text, most):
    assert max(map(len, taken(Chunks(text * 40, size=1000, output=WAV)))) <= most


def test_a_smaller_format_takes_longer_pieces():
    mp3 = Output.of(SpeechRequest("a", format=Format.MP3, quality=Quality.LOW))
    text = "今天真的好棒这个操作太秀了" * 40
    assert len(Chunks(text, size=1000, output=mp3)) < len(Chunks(text, size=1000, output=WAV))


def test_timestamps_take_room():
    ogg = Output.of(SpeechRequest("a", format=Format.OGG))
    text = "今天真的好棒这个操作太秀了" * 80
    assert len(Chunks(text, size=1000, output=ogg, timestamps=True)) > len(Chunks(text, size=1000, output=ogg))


def test_the_first_piece_is_a_first_clause():
    assert Chunks("你好，欢迎来到直播间！大家好。", size=100, output=WAV).take() == "你好，"


def test_a_piece_that_proves_too_long_is_cut_in_two():
    chunks = Chunks("one two three four five six", size=100, output=WAV)
    piece = chunks.take()
    assert chunks.put_back(piece)
    assert len(chunks) == 2
    assert "".join(taken(chunks)) == piece


def test_one_character_cannot_be_cut():
    chunks = Chunks("a", size=100, output=WAV)
    assert not chunks.put_back(chunks.take())
