from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from app.lipsync.mel import SAMPLE_RATE, mel_spectrum
from app.lipsync.windows import COLUMNS, Windows, WindowStream, frame_count
from tests.lipsync.make_mel_reference import sounds

SOUND = np.tile(sounds()["vowel"], 4)


def windows(sound: NDArray[np.float32], **options: float) -> Windows:
    stream = WindowStream(**options)
    frames = frame_count(len(sound), SAMPLE_RATE, options.get("fps", 25))
    return np.concatenate((stream.push(sound), stream.finish(frames)))


@pytest.mark.parametrize(
    ("samples", "sample_rate", "fps", "frames"),
    [
        (16_000, 16_000, 25, 25),
        (16_001, 16_000, 25, 26),
        (1, 48_000, 25, 1),
        (29_696, 16_000, 25, 47),
        (3 * 44_100, 44_100, 30, 90),
        (44_100, 44_100, 29.97, 30),
    ],
)
def test_a_video_is_as_long_as_its_sound(samples: int, sample_rate: int, fps: float, frames: int) -> None:
    assert frame_count(samples, sample_rate, fps) == frames


def test_windows_are_those_of_upstream_as_far_as_it_goes() -> None:
    mel = mel_spectrum(SOUND).T
    wanted, frame = [], 0
    while (start := int(frame * (80.0 / 25))) + COLUMNS <= mel.shape[1]:
        wanted.append(mel[:, start : start + COLUMNS])
        frame += 1
    made = windows(SOUND)
    assert len(made) == 40 and len(wanted) == 36
    assert np.array_equal(made[: len(wanted)], wanted)


def test_the_last_column_goes_on() -> None:
    mel = mel_spectrum(SOUND)
    last = windows(SOUND)[-1]
    start = 39 * 80 // 25
    assert np.array_equal(last[:, : len(mel) - start].T, mel[start:])
    assert np.array_equal(last[:, len(mel) - start :].T, np.tile(mel[-1], (start + COLUMNS - len(mel), 1)))


@pytest.mark.parametrize("offset", [-1, 2, 0.5])
def test_an_offset_moves_the_windows(offset: float) -> None:
    mel = mel_spectrum(SOUND)
    made = windows(SOUND, offset=offset)
    assert len(made) == 40
    for frame in (0, 1, 20):
        start = int(np.floor((frame + Fraction(offset)) * Fraction(80, 25)))
        columns = np.clip(np.arange(start, start + COLUMNS), 0, len(mel) - 1)
        assert np.array_equal(made[frame].T, mel[columns])


@pytest.mark.parametrize("samples", [1, 100, 640, 3000])
@pytest.mark.parametrize("fps", [12, 25, 60])
def test_short_sounds_have_all_their_frames(samples: int, fps: int) -> None:
    made = windows(SOUND[:samples], fps=fps)
    assert made.shape == (-(-samples * fps // SAMPLE_RATE), 80, COLUMNS)


@settings(deadline=None, max_examples=40)
@given(
    cuts=st.lists(st.integers(0, len(SOUND)), max_size=8),
    fps=st.sampled_from([1, 5, 24, 25, 29.97, 60, 100]),
    offset=st.integers(-50, 50),
)
def test_they_are_the_same_however_the_sound_is_cut(cuts: list[int], fps: float, offset: int) -> None:
    stream = WindowStream(fps=fps, offset=offset)
    pieces = [stream.push(piece) for piece in np.split(SOUND, sorted(cuts))]
    frames = frame_count(len(SOUND), SAMPLE_RATE, fps)
    made = np.concatenate((*pieces, stream.finish(frames)))
    assert len(made) == frames
    assert np.allclose(made, windows(SOUND, fps=fps, offset=offset), atol=1e-6)


def test_windows_come_while_the_sound_arrives() -> None:
    stream = WindowStream()
    assert len(stream.push(SOUND[:8000])) == 8  # half a second less the window and half a transform
    assert len(stream.push(SOUND[8000:16000])) == 12
