"""The files are read back by parsers that know only the formats."""

import html
import re
from dataclasses import dataclass
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from app.tts.caption_files import srt, vtt
from app.tts.captions import Cue, Word, captions
from tests.tts.test_captions import BETWEEN, WORDS, even, lines, timed

TEXT = "Hello, <world> & all. This is the second sentence, which is long enough for two lines of text."


@dataclass
class Read:
    start: float
    end: float
    lines: list[str]


def seconds(stamp: str) -> float:
    match = re.fullmatch(r"(\d\d):([0-5]\d):([0-5]\d)[.,](\d{3})", stamp)
    assert match
    hours, minutes, rest, milliseconds = map(int, match.groups())
    return 3600 * hours + 60 * minutes + rest + milliseconds / 1000


def read_block(block: str) -> Read:
    times, *text = block.split("\n")
    start, end = times.split(" --> ")
    return Read(seconds(start), seconds(end), text)


def read_srt(file: str) -> list[Read]:
    blocks = [block.split("\n", 1) for block in file.rstrip("\n").split("\n\n")]
    assert [number for number, _ in blocks] == [str(number) for number in range(1, len(blocks) + 1)]
    return [read_block(block) for _, block in blocks]


def read_vtt(file: str) -> list[Read]:
    head, *blocks = file.rstrip("\n").split("\n\n")
    assert head == "WEBVTT"
    return [read_block(block) for block in blocks]


def cues_of(text: str) -> list[Cue]:
    marks = even(re.sub("[<>&]", " ", text))
    return captions(text, marks, duration=marks[-1].end)


def test_subrip_is_read_back() -> None:
    cues = cues_of(TEXT)
    read = read_srt(srt(cues))
    assert [cue.lines for cue in read] == [lines(cue) for cue in cues]
    assert "," in srt(cues).splitlines()[1]


def test_webvtt_is_read_back_and_holds_no_markup_of_the_text() -> None:
    read = read_vtt(vtt(cues_of(TEXT)))
    assert [[html.unescape(line) for line in cue.lines] for cue in read] == [lines(cue) for cue in cues_of(TEXT)]
    assert not any("<" in line or "-->" in line for cue in read for line in cue.lines)


def test_words_have_their_times_within_their_cue() -> None:
    file = vtt(cues_of("one two. three"), word_times=True)
    assert file == "WEBVTT\n\n00:00:00.000 --> 00:00:00.833\none <00:00:00.250>two. <00:00:00.500>three\n".replace(
        "00.833", "00.750"
    )


def test_time_beyond_an_hour_is_written_out() -> None:
    assert "01:01:01,500 --> 01:01:02,000" in srt([Cue(3661.5, 3662.0, ((Word("late", 3661.5, 3662.0),),))])


def test_nothing_is_an_empty_file() -> None:
    assert (srt([]), vtt([])) == ("", "WEBVTT\n")


@given(st.lists(st.tuples(WORDS, BETWEEN, st.floats(0, 1), st.floats(0.02, 2)), min_size=1, max_size=40))
def test_files_are_in_order_and_within_the_speech(spoken: list[tuple[str, str, float, float]]) -> None:
    text = "".join(word + between for word, between, _, _ in spoken)
    marks = timed(*((word, silence, length) for word, _, silence, length in spoken))
    cues = captions(text, marks, duration=marks[-1].end)
    for read in (read_srt(srt(cues)), read_vtt(vtt(cues, word_times=True))):
        assert all(cue.start < cue.end for cue in read)
        assert all(cue.end <= following.start for cue, following in pairwise(read))
        assert read[-1].end <= marks[-1].end + 1e-6
        whole = "".join(re.sub(r"<[\d:.]+>", "", line) for cue in read for line in cue.lines)
        assert "".join(whole.split()) in ("".join(text.split()), html.escape("".join(text.split()), quote=False))


@given(st.lists(st.tuples(WORDS, BETWEEN, st.floats(0, 1), st.floats(0.02, 2)), min_size=1, max_size=40))
def test_times_of_words_rise_strictly_within_a_cue(spoken: list[tuple[str, str, float, float]]) -> None:
    text = "".join(word + between for word, between, _, _ in spoken)
    marks = timed(*((word, silence, length) for word, _, silence, length in spoken))
    for cue in read_vtt(vtt(captions(text, marks, duration=marks[-1].end), word_times=True)):
        stamps = [seconds(stamp) for line in cue.lines for stamp in re.findall(r"<([\d:.]+)>", line)]
        assert all(earlier < later for earlier, later in pairwise([cue.start, *stamps, cue.end]))
