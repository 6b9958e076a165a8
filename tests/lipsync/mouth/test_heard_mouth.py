import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.errors import InvalidAudio
from app.lipsync.mel import SAMPLE_RATE
from app.lipsync.mouth.heard_mouth import HeardMouth
from app.lipsync.mouth.mouth import OPEN, UPPER
from tests.lipsync.mouth.test_mouth_signal import vowel

FPS = 25
QUIET = np.zeros(SAMPLE_RATE, np.float32)
SYLLABLES = np.concatenate([QUIET, *[np.concatenate((vowel(800, 1200, 0.2), QUIET[:3200]))] * 5, QUIET])


def heard(samples: np.ndarray, frames: int, **options) -> np.ndarray:
    mouth = HeardMouth(SAMPLE_RATE, FPS, **options)
    return np.concatenate((mouth.push(samples), mouth.finish(frames)))


@settings(max_examples=25, deadline=None)
@given(st.lists(st.integers(0, len(SYLLABLES)), max_size=6), st.sampled_from([25.0, 29.97, 12.5]), st.booleans())
def test_it_is_the_same_however_the_sound_is_cut(cuts, fps, smooth):
    edges = [0, *sorted(cuts), len(SYLLABLES)]
    whole, mouth = HeardMouth(SAMPLE_RATE, fps, smooth=smooth), HeardMouth(SAMPLE_RATE, fps, smooth=smooth)
    expected = np.concatenate((whole.push(SYLLABLES), whole.finish(100)))
    parts = [mouth.push(SYLLABLES[start:end]) for start, end in zip(edges, edges[1:], strict=False)]
    np.testing.assert_allclose(np.concatenate([*parts, mouth.finish(100)]), expected, atol=1e-4)


def test_frames_come_half_a_second_after_their_sound():
    mouth = HeardMouth(SAMPLE_RATE, FPS)
    assert len(mouth.push(SYLLABLES[: 2 * SAMPLE_RATE])) >= 1.5 * FPS


def test_silence_closes_the_mouth():
    rows = heard(SYLLABLES, 100)
    assert rows[:20, OPEN].max() < 0.02 and rows[-15:, OPEN].max() < 0.02
    assert rows[27:70, OPEN].max() > 0.3


def test_digital_silence_is_closed_throughout():
    assert not heard(np.zeros(5 * SAMPLE_RATE, np.float32), 125)[:, [OPEN, UPPER]].any()


def test_the_mouth_opens_when_it_is_heard():
    rows = heard(SYLLABLES, 100, smooth=False)
    opened, times = rows[:, OPEN] > 0.2, (np.arange(100) + 0.5) / FPS
    first = times[opened.argmax()]
    assert 0.9 <= first <= 1.06


def test_unsmoothed_moves_more():
    rough, smooth = heard(SYLLABLES, 90, smooth=False), heard(SYLLABLES, 90)
    assert np.abs(np.diff(rough[:, OPEN])).sum() > np.abs(np.diff(smooth[:, OPEN])).sum()


def test_frames_beyond_the_sound_are_closed():
    rows = heard(SYLLABLES[: SAMPLE_RATE + 3200], 200)
    assert rows.shape == (200, 3) and rows[60:, OPEN].max() == 0


@pytest.mark.parametrize("count", [1, 30, 200, 801])
def test_a_moment_of_sound_is_enough(count):
    assert heard(vowel(800, 1200)[:count], 3).shape == (3, 3)


class Told:
    """In the place of the network: an open mouth whose lips meet in one column."""

    def __init__(self, meets: int, certainty: float) -> None:
        self.column, self.meets, self.certainty = 0, meets, certainty

    def push(self, mel: np.ndarray) -> np.ndarray:
        rows = np.tile(np.float32([1, 0, 0, 0]), (len(mel), 1))
        if self.column <= self.meets < self.column + len(mel):
            rows[self.meets - self.column, 3] = self.certainty
        self.column += len(mel)
        return rows

    def finish(self) -> np.ndarray:
        return np.empty((0, 4), np.float32)


@pytest.mark.parametrize(("certainty", "least", "most"), [(0.97, 10, 16), (0.9, 0, 4), (0.5, 0, 0)])
def test_lips_that_surely_meet_are_held_so_that_a_frame_shows_it(certainty, least, most):
    seen = 0
    for meets in range(60, 76):
        mouth = HeardMouth(SAMPLE_RATE, FPS, smooth=False)
        mouth._net = Told(meets, certainty)
        sound = vowel(800, 1200, 1.5)
        rows = np.concatenate((mouth.push(sound[:13_333]), mouth.push(sound[13_333:]), mouth.finish(37)))
        seen += rows[12:30, OPEN].min() < 0.2
    assert least <= seen <= most


def test_without_samples_there_is_nothing_to_hear():
    with pytest.raises(InvalidAudio, match="no samples"):
        heard(np.empty(0, np.float32), 3)


def test_samples_that_are_no_numbers_are_refused():
    with pytest.raises(InvalidAudio, match="not finite"):
        heard(np.float32([0, np.nan]), 3)
