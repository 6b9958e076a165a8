"""Whether mouths agree with speech: the embedded voice says what it speaks, and a portrait is heard and drawn."""

import io
import math

import av
import numpy as np
import pytest

from app.audio.pcm import from_bytes, to_float32
from app.lipsync.encode import VideoForm, WholeVideo
from app.lipsync.mouth.mouth import OPEN, WIDE
from app.lipsync.mouth.mouth_track import track
from app.lipsync.mouth.phonemes import TimedPhoneme
from app.lipsync.picture import Picture
from app.lipsync.warp.warp import WarpPortrait
from app.tts.backends.espeak import Espeak
from app.tts.speech import MarkKind, Utterance
from tests.lipsync.portraits import astronaut, astronaut_face

pytestmark = pytest.mark.anyio
FPS = 25
TEXT = "Maybe my mother would bake five apple pies. Bob was humming by the open window, oh, what a happy moment!"


@pytest.fixture(scope="module")
def anyio_backend():
    return "asyncio"


@pytest.fixture(scope="module")
async def spoken(anyio_backend):
    backend = Espeak(workers=1)
    async with backend.running():
        utterance = Utterance(TEXT, backend.find_voice("en-gb+f5"), speed=0.75, marks=True)
        sounds = [sound async for sound in backend.synthesize(utterance, whole=True)]
    samples = to_float32(from_bytes(b"".join(sound.pcm for sound in sounds)))
    marks = [mark for sound in sounds for mark in sound.marks if mark.kind is MarkKind.PHONEME]
    return samples, [TimedPhoneme(mark.text, mark.start, mark.end) for mark in marks]


def correlation(one: np.ndarray, other: np.ndarray) -> float:
    return float(np.corrcoef(one, other)[0, 1])


async def test_a_mouth_that_is_heard_agrees_with_the_phonemes(spoken):
    samples, phonemes = spoken
    read = track(samples, sample_rate=Espeak.sample_rate, fps=FPS, phonemes=phonemes).frames
    heard = track(samples, sample_rate=Espeak.sample_rate, fps=FPS).frames
    assert correlation(heard[:, OPEN], read[:, OPEN]) > 0.8
    assert correlation(heard[:, WIDE], read[:, WIDE]) > 0.6
    by_shift = {shift: correlation(np.roll(heard[:, OPEN], -shift), read[:, OPEN]) for shift in range(-5, 6)}
    assert abs(max(by_shift, key=by_shift.__getitem__)) <= 1


async def test_it_is_heard_at_any_level_and_rate(spoken):
    samples, phonemes = spoken
    read = track(samples, sample_rate=Espeak.sample_rate, fps=FPS, phonemes=phonemes).frames
    for gain in (0.05, 1.0, 2.0):
        heard = track(np.clip(gain * samples, -1, 1), sample_rate=Espeak.sample_rate, fps=FPS).frames
        assert correlation(heard[:, OPEN], read[:, OPEN]) > 0.75


async def test_it_is_heard_through_noise(spoken):
    samples, phonemes = spoken
    loud = np.sqrt(np.mean(samples**2))
    noise = np.random.default_rng(0).normal(0, loud * 10 ** (-20 / 20), len(samples)).astype(np.float32)
    read = track(samples, sample_rate=Espeak.sample_rate, fps=FPS, phonemes=phonemes).frames
    heard = track(samples + noise, sample_rate=Espeak.sample_rate, fps=FPS).frames
    assert correlation(heard[:, OPEN], read[:, OPEN]) > 0.7


async def test_lips_of_the_video_agree_with_the_phonemes(spoken):
    samples, phonemes = spoken
    mouth = track(samples, sample_rate=Espeak.sample_rate, fps=FPS, phonemes=phonemes).frames
    portrait = WarpPortrait(Picture(astronaut(), ""), astronaut_face(), is_lively=False)
    video = WholeVideo(VideoForm(512, 512, FPS, Espeak.sample_rate))
    for row in mouth:
        video.writer.write_picture(portrait.draw(row, 0.0))
    video.writer.write_sound(samples)
    with av.open(io.BytesIO(video.finish())) as file:
        pictures = [frame.to_ndarray(format="gray") for frame in file.decode(video=0)]
    assert len(pictures) == math.ceil(len(samples) / Espeak.sample_rate * FPS)
    x, y = np.round(astronaut_face().landmarks[14]).astype(int)
    dark = np.array([-float(picture[y : y + 7, x - 8 : x + 9].mean()) for picture in pictures])
    assert correlation(dark, mouth[:, OPEN]) > 0.7
