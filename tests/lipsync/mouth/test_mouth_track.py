import numpy as np
import pytest

from app.errors import InvalidAudio
from app.lipsync.mouth.mouth import OPEN
from app.lipsync.mouth.mouth_track import rows, track
from app.lipsync.mouth.phonemes import TimedPhoneme, spoken
from tests.lipsync.mouth.test_mouth_signal import vowel

RATE = 24_000
QUIET = np.zeros(RATE, np.float32)
SOUND = np.concatenate((QUIET, vowel(800, 1200, 1.5)[:RATE], QUIET))
PHONEMES = [TimedPhoneme("ˈa", 1.0, 1.5), TimedPhoneme("m", 1.5, 1.6), TimedPhoneme("i", 1.6, 2.0)]


@pytest.mark.parametrize("phonemes", [None, PHONEMES])
def test_there_are_as_many_frames_as_the_sound_lasts(phonemes):
    assert track(SOUND[: 2 * RATE + 1], sample_rate=RATE, fps=25, phonemes=phonemes).frames.shape == (51, 3)


@pytest.mark.parametrize("phonemes", [None, PHONEMES])
@pytest.mark.parametrize("frames", [0, 1, 40, 200])
def test_or_as_many_as_are_wanted(phonemes, frames):
    made = track(SOUND, sample_rate=RATE, fps=25, frames=frames, phonemes=phonemes)
    assert made.frames.shape == (frames, 3) and made.frames.dtype == np.float32 and made.fps == 25


def test_phonemes_are_preferred_to_the_sound():
    made = track(SOUND, sample_rate=RATE, fps=25, phonemes=PHONEMES).frames
    np.testing.assert_allclose(made, spoken(PHONEMES, fps=25, frames=75), atol=1e-6)


def test_no_phonemes_are_a_closed_mouth():
    assert not track(SOUND, sample_rate=RATE, fps=25, phonemes=[]).frames.any()


def test_without_phonemes_the_sound_is_heard():
    opened = track(SOUND, sample_rate=RATE, fps=25).frames[:, OPEN]
    assert opened[27:48].mean() > 0.2 and opened[:20].max() < 0.02 and opened[60:].max() < 0.02


@pytest.mark.parametrize("phonemes", [None, PHONEMES])
def test_it_comes_while_the_sound_comes(phonemes):
    pieces = np.array_split(SOUND, 12)
    parts = list(rows(iter(pieces), sample_rate=RATE, fps=25, phonemes=phonemes))
    assert len(parts) == 13 and sum(map(len, parts[:8])) >= 2 * 25 - 13
    whole = track(SOUND, sample_rate=RATE, fps=25, phonemes=phonemes).frames
    np.testing.assert_allclose(np.concatenate(parts), whole, atol=1e-4)


def test_no_more_frames_are_made_than_wanted():
    parts = rows(np.array_split(SOUND, 12), sample_rate=RATE, fps=25, frames=10)
    assert sum(map(len, parts)) == 10


def test_a_sound_without_samples_is_refused():
    with pytest.raises(InvalidAudio):
        track(np.empty(0, np.float32), sample_rate=RATE, fps=25)
