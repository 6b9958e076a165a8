import pytest

from app.audio.format import Format
from app.audio.muxer import RECIPES


@pytest.mark.parametrize(
    ("format", "asked", "real"),
    [
        (Format.OGG, 8_000, 8_000),
        (Format.OGG, 22_050, 24_000),
        (Format.WEBM, 44_100, 48_000),
        (Format.MP3, 22_050, 22_050),
        (Format.MP3, 22_051, 24_000),
        (Format.AAC, 9_000, 11_025),
        (Format.M4A, 96_000, 48_000),
        (Format.FLAC, 22_051, 22_051),
    ],
)
def test_a_codec_gets_the_nearest_rate_above_that_it_takes(format, asked, real):
    assert RECIPES[format].rate_for(asked) == real


def test_raw_samples_and_wav_need_no_recipe():
    assert set(Format) - set(RECIPES) == {Format.WAV, Format.PCM}
