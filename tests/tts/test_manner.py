"""What the manners of a request sound like, measured on the embedded voices: composed, spoken, treated."""

from collections.abc import AsyncIterator

import numpy as np
import pytest

from app.audio.melody import follow
from app.audio.pcm import Samples, from_bytes, to_float32
from app.tts.backends.espeak import Espeak
from app.tts.composer import compose
from app.tts.score import perform, play
from app.tts.speech import Manner, Sound, SpeechRequest
from tests.audio.voice import semitones, stretched

pytestmark = pytest.mark.anyio

TEXTS = {
    "en-us": "The quick brown fox jumps over the lazy dog, and then it runs away.",
    "cmn": "你好，欢迎来到我们的直播间！今天天气很好。",
    "fr-fr": "Bonjour tout le monde, je vais vous raconter une histoire.",
}
VOICES = ("en-us+f1", "en-us", "cmn+f1", "fr-fr+f5")


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="module")
async def espeak(anyio_backend: str) -> AsyncIterator[Espeak]:
    backend = Espeak(workers=1)
    async with backend.running():
        yield backend


async def heard(espeak: Espeak, voice: str, manner: Manner = Manner(), text: str = "") -> Samples:  # noqa: B008 immutable
    sound = await spoken(espeak, voice, manner, text)
    return to_float32(from_bytes(sound.pcm))


async def spoken(espeak: Espeak, voice: str, manner: Manner, text: str = "") -> Sound:
    request = SpeechRequest(text or TEXTS[voice.partition("+")[0]], voice=voice, manner=manner, timestamps=True)
    return await perform(espeak, compose(request, espeak.find_voice(voice), espeak))


def melody(samples: Samples) -> np.ndarray:
    """The melody in semitones where there is one."""
    hz = follow(samples, sample_rate=Espeak.sample_rate).hz
    return semitones(hz[hz > 0])


def spread(samples: Samples) -> float:
    """Semitones that the middle 70 % of the melody take."""
    return float(np.subtract(*np.percentile(melody(samples), [85, 15])))


def long_term_decibels(samples: Samples) -> np.ndarray:
    """The spectrum of a whole recording in octaves from 125 to 8,000 Hz."""
    power = np.abs(np.fft.rfft(samples)) ** 2
    hz = np.fft.rfftfreq(len(samples), 1 / Espeak.sample_rate)
    edges = 125 * 2.0 ** np.arange(7)
    return np.array([10 * np.log10(power[(hz >= low) & (hz < 2 * low)].sum()) for low in edges[:-1]])


@pytest.mark.parametrize(
    ("voice", "pitch"),
    # a man an octave lower is below what is found of melodies
    [(voice, pitch) for voice in VOICES for pitch in (-12, -6, -2, 3, 6, 12) if (voice, pitch) != ("en-us", -12)],
)
async def test_the_melody_moves_by_the_semitones_that_are_asked_for(espeak, voice, pitch):
    plain, moved = await heard(espeak, voice), await heard(espeak, voice, Manner(pitch=pitch))
    assert np.median(melody(moved)) - np.median(melody(plain)) == pytest.approx(pitch, abs=0.5)
    assert len(moved) == pytest.approx(len(plain), rel=0.03)


@pytest.mark.parametrize("voice", VOICES)
@pytest.mark.parametrize("pitch_range", [0.0, 0.5, 1.5, 2.0])
async def test_the_intonation_goes_as_far_as_is_asked_for(espeak, voice, pitch_range):
    plain, moved = await heard(espeak, voice), await heard(espeak, voice, Manner(pitch_range=pitch_range))
    assert spread(moved) / spread(plain) == pytest.approx(pitch_range, abs=0.3)
    assert np.median(melody(moved)) == pytest.approx(np.median(melody(plain)), abs=0.5)


@pytest.mark.parametrize("voice", ["en-us", "fr-fr"])  # whose harmonics hide no formant
@pytest.mark.parametrize("timbre", [-6, -3, 3, 6])
async def test_the_formants_move_and_melody_and_length_stay(espeak, voice, timbre):
    plain, moved = await heard(espeak, voice), await heard(espeak, voice, Manner(timbre=timbre))
    assert stretched(plain, moved, rate=Espeak.sample_rate) == pytest.approx(timbre, abs=0.75)
    assert len(moved) == pytest.approx(len(plain), rel=0.03)  # espeak-ng itself varies by 1 %
    assert np.median(melody(moved)) == pytest.approx(np.median(melody(plain)), abs=0.3)
    assert spread(moved) == pytest.approx(spread(plain), rel=0.15)


@pytest.mark.parametrize("voice", VOICES)
@pytest.mark.parametrize("tilt", [-6, -2, 3, 6])
async def test_every_octave_is_louder_by_the_tilt(espeak, voice, tilt):
    plain, tilted = await heard(espeak, voice), await heard(espeak, voice, Manner(tilt=tilt))
    change = long_term_decibels(tilted) - long_term_decibels(plain)
    # the middle of an octave's energy moves within it
    assert np.polyfit(np.arange(len(change)), change, 1)[0] == pytest.approx(tilt, abs=1.0)
    assert len(tilted) == pytest.approx(len(plain), rel=0.03)


@pytest.mark.parametrize("manner", [Manner(pitch_range=0.5), Manner(timbre=3, tilt=2), Manner(pitch=12)])
async def test_words_stay_where_they_are(espeak, manner):
    plain, changed = await spoken(espeak, "en-us+f1", Manner()), await spoken(espeak, "en-us+f1", manner)
    assert [mark.text for mark in changed.marks] == [mark.text for mark in plain.marks]
    assert [mark.start for mark in changed.marks] == pytest.approx([mark.start for mark in plain.marks], abs=0.03)


@pytest.mark.parametrize("manner", [Manner(pitch_range=0.5, timbre=2), Manner(tilt=4), Manner(pitch=3)])
async def test_a_stream_sounds_like_the_whole(espeak, manner):
    request = SpeechRequest("Hello there my friend", voice="en-us+f1", manner=manner)
    [phrase] = compose(request, espeak.find_voice("en-us+f1"), espeak).phrases
    streamed = to_float32(from_bytes(b"".join([sound.pcm async for sound in play(espeak, phrase)])))
    whole = await heard(espeak, "en-us+f1", manner, "Hello there my friend")
    assert len(streamed) == pytest.approx(len(whole), rel=0.03)
    assert np.median(melody(streamed)) == pytest.approx(np.median(melody(whole)), abs=0.3)


async def test_all_at_once(espeak):
    manner = Manner(pitch=-4, pitch_range=1.6, timbre=-2, tilt=-2)
    plain, changed = await heard(espeak, "en-us+f1"), await heard(espeak, "en-us+f1", manner)
    assert len(changed) == pytest.approx(len(plain), rel=0.03)
    assert np.median(melody(changed)) - np.median(melody(plain)) == pytest.approx(-4, abs=0.5)
    assert np.max(np.abs(changed)) <= 1
