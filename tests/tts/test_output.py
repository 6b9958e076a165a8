import io
import random
import wave

import pytest

from app.audio.format import Format
from app.errors import InvalidInput
from app.tts.output import Output
from app.tts.speech import Quality, SpeechRequest

SECOND = random.Random(1).randbytes(2 * 22_050)


@pytest.mark.parametrize(("quality", "rate"), [("low", 16_000), ("medium", 22_050), ("high", 48_000)])
def test_the_quality_chooses_the_rate(quality, rate):
    assert Output.of(SpeechRequest("a", quality=Quality(quality))).sample_rate == rate


def test_a_named_rate_wins_over_the_quality():
    assert Output.of(SpeechRequest("a", quality=Quality.LOW, sample_rate=44_100)).sample_rate == 44_100


@pytest.mark.parametrize("rate", [0, -1, 7999, 48_001, 10**12])
def test_a_rate_out_of_range_is_refused(rate):
    with pytest.raises(InvalidInput, match="8000 to 48000"):
        Output.of(SpeechRequest("a", sample_rate=rate))


@pytest.mark.parametrize("rate", [8000, 11_025, 16_000, 22_050, 44_100, 48_000])
def test_a_wav_has_the_rate_that_was_asked_for(rate):
    encoded = Output.of(SpeechRequest("a", sample_rate=rate)).render(SECOND, native_rate=22_050)
    with wave.open(io.BytesIO(encoded.data)) as file:
        assert (file.getframerate(), file.getnframes(), encoded.sample_rate) == (rate, rate, rate)


@pytest.mark.parametrize("format", [Format.MP3, Format.OGG, Format.AAC])
def test_a_better_quality_has_more_bytes(format):
    low, high = (SpeechRequest("a", quality=q, format=format, sample_rate=24_000) for q in (Quality.LOW, Quality.HIGH))
    sizes = [len(Output.of(request).render(SECOND, native_rate=22_050).data) for request in (low, high)]
    assert sizes[0] < sizes[1]


def test_only_wav_at_the_native_rate_needs_no_thread():
    assert Output.of(SpeechRequest("a")).is_immediate(22_050)
    assert not Output.of(SpeechRequest("a")).is_immediate(24_000)
    assert not Output.of(SpeechRequest("a", format=Format.FLAC)).is_immediate(22_050)
