"""The voice of portraits, by the embedded backend and by one that knows no phonemes."""

import numpy as np
import pytest

from app.assembly.speaker import SynthesizedSpeaker
from app.assembly.speech import build_synthesizer
from app.assembly.speech_figures import SpeechFigures
from app.audio.decode import decode
from app.errors import BackendUnavailable, NothingToSpeak, VoiceNotFound
from app.lipsync.mouth.mouth import OPEN
from app.lipsync.mouth.mouth_track import track
from app.lipsync.script import Script
from app.runtime.metrics import Metrics
from app.runtime.workers import CODEC_POOL, FILES_POOL, Workers
from app.settings import Settings

pytestmark = pytest.mark.anyio

TEXT = "Maybe my mother would bake five apple pies. Bob was humming by the open window."


@pytest.fixture(scope="module")
def anyio_backend():
    return "asyncio"


@pytest.fixture(scope="module")
async def speaker(anyio_backend, tmp_path_factory):
    settings = Settings(_env_file=None, data_dir=tmp_path_factory.mktemp("data"), tts_backends=("espeak", "tone"))
    workers = Workers({CODEC_POOL: 2, FILES_POOL: 1})
    figures = SpeechFigures(Metrics(), settings.tts_backends)
    async with build_synthesizer(settings, workers, figures) as synthesizer:
        yield SynthesizedSpeaker(synthesizer)


def sound(spoken):
    return decode(spoken.audio, sample_rate=None, max_samples=10**7, max_bytes=10**7)


@pytest.mark.parametrize("speed", [1.0, 0.5])
async def test_phonemes_are_where_they_are_heard(speaker, speed):
    spoken = await speaker.speak(Script(TEXT, voice="en-gb+f5", speed=speed), client="a")
    clip = sound(spoken)

    assert (spoken.voice, spoken.backend) == ("en-gb+f5", "espeak")
    starts = [phoneme.start for phoneme in spoken.phonemes]
    assert starts == sorted(starts) and spoken.phonemes[-1].end <= clip.duration + 0.1
    read = track(clip.samples, sample_rate=clip.sample_rate, fps=25, phonemes=spoken.phonemes).frames[:, OPEN]
    heard = track(clip.samples, sample_rate=clip.sample_rate, fps=25).frames[:, OPEN]
    by_shift = {shift: np.corrcoef(np.roll(heard, -shift), read)[0, 1] for shift in range(-5, 6)}
    assert by_shift[0] > 0.7 and abs(max(by_shift, key=by_shift.__getitem__)) <= 1


async def test_a_voice_without_phonemes_is_heard(speaker):
    spoken = await speaker.speak(Script("Hello", backend="tone"), client="a")
    assert spoken.phonemes is None and spoken.backend == "tone"
    assert sound(spoken).duration > 0.1


async def test_speed_language_and_markup_reach_the_voice(speaker):
    plain, slow = [
        sound(await speaker.speak(Script("Hello there", voice="en-gb", speed=speed), client="a")).duration
        for speed in (1.0, 0.5)
    ]
    assert slow > 1.3 * plain
    german = await speaker.speak(Script("Guten Tag", language="de-DE"), client="a")
    assert german.voice.startswith("de")
    marked = await speaker.speak(Script('<speak>Hello<break time="2s"/></speak>', ssml=True), client="a")
    assert sound(marked).duration > 2


@pytest.mark.parametrize(
    ("script", "error"),
    [
        (Script("🙂"), NothingToSpeak),
        (Script("Hello", voice="nobody"), VoiceNotFound),
        (Script("Hello", backend="nobody"), BackendUnavailable),
    ],
)
async def test_what_cannot_be_spoken_is_told(speaker, script, error):
    with pytest.raises(error):
        await speaker.speak(script, client="a")
