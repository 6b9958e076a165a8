"""In what form speech goes out: format, rate and bitrate, chosen by what the client asked for.

| quality | sample rate | mp3 | ogg, webm (opus) | aac, m4a | resampler |
|---|--:|--:|--:|--:|---|
| low | 16,000 | 32 | 16 | 48 | quick |
| medium | 22,050 | 64 | 32 | 64 | high |
| high | 48,000 | 128 | 64 | 128 | very high |

Bitrates are in kbit/s. A sample rate that the client names wins over the quality's.
"""

from dataclasses import dataclass

from app.audio import wav
from app.audio.encode import Encoded, encode
from app.audio.format import Format
from app.audio.pcm import from_bytes, to_bytes
from app.audio.resample import ResampleQuality, resample
from app.errors import InvalidInput
from app.tts.speech import MAX_SAMPLE_RATE, MIN_SAMPLE_RATE, Quality, SpeechRequest

SAMPLE_RATES = {Quality.LOW: 16_000, Quality.MEDIUM: 22_050, Quality.HIGH: 48_000}

_KBIT = {
    Format.MP3: {Quality.LOW: 32, Quality.MEDIUM: 64, Quality.HIGH: 128},
    Format.OGG: {Quality.LOW: 16, Quality.MEDIUM: 32, Quality.HIGH: 64},
    Format.WEBM: {Quality.LOW: 16, Quality.MEDIUM: 32, Quality.HIGH: 64},
    Format.AAC: {Quality.LOW: 48, Quality.MEDIUM: 64, Quality.HIGH: 128},
    Format.M4A: {Quality.LOW: 48, Quality.MEDIUM: 64, Quality.HIGH: 128},
}

_RESAMPLERS = {
    Quality.LOW: ResampleQuality.QUICK,
    Quality.MEDIUM: ResampleQuality.HIGH,
    Quality.HIGH: ResampleQuality.VERY_HIGH,
}


@dataclass(frozen=True, slots=True)
class Output:
    """The form of one piece of finished speech."""

    format: Format
    sample_rate: int
    """Hz."""
    bitrate: int | None
    """bit/s; None where the format has none."""
    resampler: ResampleQuality

    @classmethod
    def of(cls, request: SpeechRequest) -> "Output":
        """Return the form that a request asks for.

        Raises:
            InvalidInput: the sample rate is out of range.
        """
        rate = request.sample_rate
        if rate is not None and not MIN_SAMPLE_RATE <= rate <= MAX_SAMPLE_RATE:
            raise InvalidInput(
                f"sample_rate {rate} must be {MIN_SAMPLE_RATE} to {MAX_SAMPLE_RATE} Hz", field="sample_rate"
            )
        kbit = _KBIT.get(request.format, {}).get(request.quality)
        return cls(
            format=request.format,
            sample_rate=rate or SAMPLE_RATES[request.quality],
            bitrate=None if kbit is None else kbit * 1000,
            resampler=_RESAMPLERS[request.quality],
        )

    def is_immediate(self, native_rate: int) -> bool:
        """Tell whether `render` costs no more than a copy, so that no thread is needed."""
        return self.format is Format.WAV and self.sample_rate == native_rate

    def render(self, pcm: bytes, *, native_rate: int) -> Encoded:
        """Return a complete file made of int16 little-endian mono PCM at `native_rate` Hz. Blocks while encoding."""
        if self.is_immediate(native_rate):
            return Encoded(wav.encode(pcm, sample_rate=native_rate), native_rate)
        samples = from_bytes(pcm)
        resampled = resample(samples, from_rate=native_rate, to_rate=self.sample_rate, quality=self.resampler)
        return encode(to_bytes(resampled), sample_rate=self.sample_rate, format=self.format, bitrate=self.bitrate)
