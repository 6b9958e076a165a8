import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.audio.pcm import Pcm
from app.audio.splice import FADE_SECONDS, sounding
from app.audio.trim import Trimmer

RATE = 1000
FADE = round(FADE_SECONDS * RATE)


def recording(lead: int, sound: int, tail: int) -> Pcm:
    return np.concatenate([np.zeros(lead), 9000 * np.ones(sound), np.zeros(tail)]).astype(np.int16)


def trim(
    pcm: Pcm, *, chunks: int = 1, lead: float | None = 0.05, tail: tuple[float, float] | None = (0.0, 0.25)
) -> Pcm:
    trimmer = Trimmer(sample_rate=RATE, lead=lead, tail=tail)
    parts = [trimmer.push(chunk) for chunk in np.array_split(pcm, chunks)]
    return np.concatenate([*parts, trimmer.finish()])


def silences(pcm: npt.NDArray[np.int16]) -> tuple[int, int]:
    loud = np.flatnonzero(pcm)
    return int(loud[0]), len(pcm) - 1 - int(loud[-1])


@pytest.mark.parametrize("chunks", [1, 3, 400])
def test_silence_at_the_edges_is_bounded(chunks: int) -> None:
    trimmed = trim(recording(130, 400, 870), chunks=chunks)
    assert len(trimmed) == 50 + 400 + 250
    assert silences(trimmed) == (50, 250)


def test_silence_that_is_short_stays() -> None:
    pcm = recording(20, 400, 100)
    assert np.array_equal(trim(pcm), pcm)


def test_silence_that_is_missing_is_added() -> None:
    assert silences(trim(recording(0, 400, 30), tail=(0.1, 0.4)))[1] == 100


def test_edges_without_silence_are_faded() -> None:
    trimmed = trim(recording(0, 400, 0))
    assert np.array_equal(trimmed[FADE:-FADE], recording(0, 400 - 2 * FADE, 0))
    assert np.all(np.diff(trimmed[: FADE + 1].astype(int)) > 0)
    assert np.all(np.diff(trimmed[-FADE - 1 :].astype(int)) < 0)


def test_silence_between_sounds_stays() -> None:
    pcm = np.concatenate([recording(0, 300, 500), recording(0, 300, 0)])
    for chunks in (1, 7):
        assert np.array_equal(trim(pcm, chunks=chunks)[FADE:-FADE], pcm[FADE:-FADE])


def test_the_beginning_that_was_dropped_is_told() -> None:
    trimmer = Trimmer(sample_rate=RATE, lead=0.05, tail=None)
    assert not len(trimmer.push(recording(100, 0, 0)))
    assert not trimmer.has_begun
    assert len(trimmer.push(recording(30, 10, 0))) == 60
    assert (trimmer.has_begun, trimmer.dropped) == (True, 80)


@given(st.lists(st.integers(0, 60), max_size=8), st.sampled_from([None, 0.0, 0.03]), st.booleans())
def test_law_sound_is_neither_lost_nor_moved(lengths: list[int], lead: float | None, has_tail: bool) -> None:
    pcm = np.concatenate([np.zeros(0, np.int16), *(recording(0, n, 0) * (i % 2) for i, n in enumerate(lengths))])
    trimmer = Trimmer(sample_rate=RATE, lead=lead, tail=(0.0, 0.02) if has_tail else None)
    trimmed = np.concatenate([*(trimmer.push(chunk) for chunk in np.array_split(pcm, 5)), trimmer.finish()])
    begin, end = sounding(pcm)
    if begin == len(pcm):
        assert np.array_equal(trimmed, pcm), "nothing sounds"
    else:
        kept = pcm[trimmer.dropped : trimmer.dropped + len(trimmed)]
        inner = slice(begin - trimmer.dropped + FADE, end - trimmer.dropped - FADE)
        assert np.array_equal(trimmed[inner], kept[inner])
        assert len(trimmed) >= end - trimmer.dropped
