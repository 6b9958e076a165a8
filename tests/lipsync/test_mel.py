import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.errors import InvalidAudio
from app.lipsync.mel import BANDS, HOP, SAMPLE_RATE, SILENCE, MelStream, mel_spectrum
from tests.lipsync.make_mel_reference import PATH, sounds

SOUNDS = sounds()


@pytest.mark.parametrize("name", SOUNDS)
def test_it_is_what_librosa_computes(name: str) -> None:
    with np.load(PATH) as kept:
        wanted = kept[name]
    mel = mel_spectrum(SOUNDS[name])
    assert mel.shape == wanted.shape
    assert np.abs(mel - wanted).max() < 1e-5


@settings(deadline=None, max_examples=40)
@given(cuts=st.lists(st.integers(0, 6400), max_size=8))
def test_it_is_the_same_however_the_sound_is_cut(cuts: list[int]) -> None:
    sound = SOUNDS["vowel"]
    stream = MelStream()
    pieces = [stream.push(piece) for piece in np.split(sound, sorted(cuts))]
    mel = np.concatenate((*pieces, stream.finish()))
    assert np.abs(mel - mel_spectrum(sound)).max() < 1e-6


@pytest.mark.parametrize("samples", [1, 2, 199, 200, 399, 400, 401, 1000])
def test_short_sounds_have_a_spectrum(samples: int) -> None:
    mel = mel_spectrum(SOUNDS["vowel"][:samples])
    assert mel.shape == (1 + samples // HOP, BANDS)
    assert np.isfinite(mel).all()


def test_silence_is_the_lowest_value() -> None:
    assert (mel_spectrum(np.zeros(5000, np.float32)) == SILENCE).all()


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_numbers_that_are_not_finite_are_refused(bad: float) -> None:
    sound = SOUNDS["vowel"].copy()
    sound[100] = bad
    with pytest.raises(InvalidAudio, match="finite"):
        mel_spectrum(sound)


def test_no_samples_are_refused() -> None:
    with pytest.raises(InvalidAudio, match="no samples"):
        mel_spectrum(np.empty(0, np.float32))


def test_memory_does_not_grow_with_the_sound() -> None:
    stream = MelStream()
    second = np.zeros(SAMPLE_RATE, np.float32)
    stream.push(second)
    tracemalloc.start()
    for _ in range(50):
        stream.push(second)
    held, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert held < 100_000
