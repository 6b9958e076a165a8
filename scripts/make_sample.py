"""Makes audio_files/welcome.wav: the embedded voice says who is there, in English and Chinese, at 16 kHz.

.venv/bin/python scripts/make_sample.py
"""

import asyncio
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from app.audio import wav  # noqa: E402
from app.audio.pcm import from_bytes, to_bytes  # noqa: E402
from app.audio.resample import resample  # noqa: E402
from app.tts.backends.espeak import Espeak  # noqa: E402
from app.tts.speech import Utterance  # noqa: E402

SAMPLE_RATE = 16_000
WORDS_PER_MINUTE = 200
LINES = (("en-us+f2", "Hello, and welcome to Chorus."), ("cmn+f2", "你好，欢迎来到直播间！"))


async def speak() -> bytes:
    """Return int16 PCM of all lines at the voice's own rate."""
    backend = Espeak(workers=1, words_per_minute=WORDS_PER_MINUTE)
    pcm = b""
    async with backend.running():
        for voice, text in LINES:
            utterance = Utterance(text, backend.find_voice(voice))
            pcm += b"".join([sound.pcm async for sound in backend.synthesize(utterance, whole=True)])
    return pcm


def main() -> None:
    samples = from_bytes(asyncio.run(speak()))
    resampled = resample(samples, from_rate=Espeak.sample_rate, to_rate=SAMPLE_RATE)
    path = ROOT / "audio_files" / "welcome.wav"
    path.write_bytes(wav.encode(to_bytes(resampled), sample_rate=SAMPLE_RATE))
    print(f"{path.relative_to(ROOT)}: {len(resampled) / SAMPLE_RATE:.2f} s at {SAMPLE_RATE} Hz")


if __name__ == "__main__":
    main()
