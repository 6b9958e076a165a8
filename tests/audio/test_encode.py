import io
import wave

import av
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.audio.decode import decode
from app.audio.encode import Encoder, FileEncoder, encode
from app.audio.format import Format
from app.audio.pcm import to_bytes, to_int16
from app.audio.resample import resample
from app.errors import InvalidAudio, InvalidInput
from tests.audio.signals import chirp, chirp_pcm, delay, likeness

LOSSY = [Format.MP3, Format.OGG, Format.AAC, Format.M4A, Format.WEBM]
CODED = [*LOSSY, Format.FLAC]
EXACT = [Format.WAV, Format.PCM, Format.FLAC]
GAPLESS = [Format.MP3, Format.OGG, Format.FLAC, Format.WEBM]


def heard(data, format, *, sample_rate):
    pcm_rate = sample_rate if format is Format.PCM else None
    clip = decode(data, sample_rate=sample_rate, max_samples=10**6, max_bytes=10**6, pcm_rate=pcm_rate)
    return clip.samples


def streamed(pcm, *, chunk_bytes, **options):
    encoder = Encoder(**options)
    chunks = [pcm[start : start + chunk_bytes] for start in range(0, len(pcm), chunk_bytes)]
    return [*(encoder.write(chunk) for chunk in chunks), encoder.finish()]


@pytest.mark.parametrize("sample_rate", [8_000, 22_050, 24_000, 48_000])
@pytest.mark.parametrize("format", Format)
def test_a_whole_file_sounds_as_what_went_in(format, sample_rate):
    encoded = encode(chirp_pcm(1, sample_rate), sample_rate=sample_rate, format=format)

    sound = heard(encoded.data, format, sample_rate=sample_rate)

    late = max(0, delay(chirp(1, sample_rate), sound))
    assert late == (1024 if format is Format.AAC else 0)
    assert likeness(chirp(1, sample_rate), sound[late:]) > 0.98


@pytest.mark.parametrize("format", GAPLESS)
def test_a_gapless_file_has_the_length_of_what_went_in(format):
    encoded = encode(chirp_pcm(), sample_rate=24_000, format=format)

    assert len(heard(encoded.data, format, sample_rate=24_000)) == 24_000


@pytest.mark.parametrize("format", EXACT)
def test_lossless_formats_lose_nothing(format):
    pcm = chirp_pcm(0.2, 11_025)

    encoded = encode(pcm, sample_rate=11_025, format=format)

    assert to_bytes(to_int16(heard(encoded.data, format, sample_rate=11_025))) == pcm


@given(st.integers(8_000, 48_000), st.sampled_from(CODED))
def test_the_rate_that_is_reported_is_the_rate_of_the_file(sample_rate, format):
    encoded = encode(chirp_pcm(0.05, sample_rate), sample_rate=sample_rate, format=format)

    clip = decode(encoded.data, sample_rate=None, max_samples=10**6, max_bytes=10**6)

    assert encoded.sample_rate >= sample_rate
    assert clip.sample_rate == (48_000 if format in (Format.OGG, Format.WEBM) else encoded.sample_rate)


def test_the_header_of_opus_keeps_the_rate_that_went_in():
    encoded = encode(chirp_pcm(0.1, 22_050), sample_rate=22_050, format=Format.OGG)

    head = encoded.data.index(b"OpusHead")
    assert encoded.sample_rate == 24_000
    assert int.from_bytes(encoded.data[head + 12 : head + 16], "little") == 24_000


@pytest.mark.parametrize("format", LOSSY)
@pytest.mark.parametrize("bitrate", [6_000, 320_000])
def test_any_bitrate_within_the_bounds_is_taken(format, bitrate):
    encoded = encode(chirp_pcm(), sample_rate=24_000, format=format, bitrate=bitrate)

    assert len(heard(encoded.data, format, sample_rate=24_000)) >= 24_000


@pytest.mark.parametrize("format", LOSSY)
def test_more_bits_make_a_larger_file(format):
    small, large = (
        len(encode(chirp_pcm(), sample_rate=24_000, format=format, bitrate=bitrate).data)
        for bitrate in (16_000, 64_000)
    )

    assert small < large


@pytest.mark.parametrize("format", Format)
def test_streamed_bytes_together_are_one_playable_file(format):
    parts = streamed(chirp_pcm(1, 22_050), chunk_bytes=2646, sample_rate=22_050, format=format)

    sound = heard(b"".join(parts), format, sample_rate=22_050)

    late = max(0, delay(chirp(1, 22_050), sound))
    assert late <= 1105  # mp3 and aac cannot tell their padding
    assert likeness(chirp(1, 22_050), sound[late:]) > 0.98


@pytest.mark.parametrize("format", Format)
def test_a_stream_gives_bytes_long_before_its_end(format):
    parts = streamed(chirp_pcm(2), chunk_bytes=2880, sample_rate=24_000, format=format)

    early = next(index for index in range(len(parts)) if len(b"".join(parts[: index + 1])) >= 200)
    assert (early + 1) * 0.06 <= 0.36  # seconds of sound that went in


def test_a_streamed_wav_is_the_unknown_header_and_the_samples():
    parts = streamed(chirp_pcm(), chunk_bytes=1000, sample_rate=24_000, format=Format.WAV)

    data = b"".join(parts)
    assert data[4:8] == data[40:44] == b"\xff\xff\xff\xff"
    assert data[44:] == chirp_pcm()


def test_a_streamed_clip_is_resampled_without_seams():
    parts = streamed(chirp_pcm(1, 22_050), chunk_bytes=1000, sample_rate=22_050, format=Format.WEBM)

    whole = resample(chirp(1, 22_050), from_rate=22_050, to_rate=48_000)

    assert Encoder(sample_rate=22_050, format=Format.WEBM).sample_rate == 24_000
    assert likeness(whole, heard(b"".join(parts), Format.WEBM, sample_rate=48_000)) > 0.98


def test_an_empty_clip_is_an_empty_wav():
    with wave.open(io.BytesIO(encode(b"", sample_rate=8000, format=Format.WAV).data)) as reader:
        assert reader.getnframes() == 0
    assert encode(b"", sample_rate=8000, format=Format.PCM).data == b""


@pytest.mark.parametrize("format", CODED)
def test_an_empty_clip_of_a_codec_is_refused(format):
    with pytest.raises(InvalidAudio, match=f"{format} needs at least one"):
        encode(b"", sample_rate=8000, format=format)


@pytest.mark.parametrize("format", Format)
def test_an_encoder_that_got_nothing_can_be_finished(format):
    encoder = Encoder(sample_rate=22_050, format=format)

    assert len(encoder.write(b"") + encoder.finish()) == 44 or format is not Format.WAV


@pytest.mark.parametrize("format", Format)
def test_an_encoder_that_is_not_finished_may_be_dropped(format):
    encoder = Encoder(sample_rate=22_050, format=format)
    encoder.write(chirp_pcm(0.1, 22_050))
    del encoder


@pytest.mark.parametrize("format", [Format.WAV, Format.MP3])
def test_a_finished_encoder_takes_no_more(format):
    encoder = Encoder(sample_rate=24_000, format=format)
    encoder.finish()

    with pytest.raises(ValueError, match="finished"):
        encoder.write(chirp_pcm())
    with pytest.raises(ValueError, match="finished"):
        encoder.finish()


@pytest.mark.parametrize("format", Format)
def test_half_a_sample_is_refused(format):
    with pytest.raises(InvalidAudio, match="3 bytes"):
        encode(b"abc", sample_rate=8000, format=format)
    with pytest.raises(InvalidAudio, match="3 bytes"):
        Encoder(sample_rate=8000, format=format).write(b"abc")


@pytest.mark.parametrize(
    ("sample_rate", "bitrate", "field"),
    [(7_999, None, "sample_rate"), (48_001, None, "sample_rate"), (8000, 5_999, "bitrate"), (8000, 320_001, "bitrate")],
)
def test_what_is_outside_the_bounds_is_refused_by_name(sample_rate, bitrate, field):
    with pytest.raises(InvalidInput, match=field) as refusal:
        encode(b"", sample_rate=sample_rate, format=Format.MP3, bitrate=bitrate)
    assert refusal.value.field == field


def filed(pcm, *, chunk_bytes, **options):
    file = io.BytesIO()
    file.close = lambda: None  # FFmpeg closes what can be closed
    encoder = FileEncoder(file, **options)
    for start in range(0, len(pcm), chunk_bytes):
        encoder.write(pcm[start : start + chunk_bytes])
    encoder.finish()
    return file.getvalue(), encoder.sample_rate


@given(chunk=st.integers(200, 20_000), format=st.sampled_from(CODED))
def test_a_file_encoded_in_pieces_is_the_whole_file(chunk, format):
    pcm = chirp_pcm(0.3, 22_050)
    encoded = encode(pcm, sample_rate=22_050, format=format)

    data, sample_rate = filed(pcm, chunk_bytes=2 * chunk, sample_rate=22_050, format=format)

    assert sample_rate == encoded.sample_rate
    assert len(data) == len(encoded.data)
    sounds = [heard(each, format, sample_rate=22_050) for each in (data, encoded.data)]
    assert np.array_equal(*sounds)


@pytest.mark.parametrize("format", [Format.MP3, Format.FLAC, Format.M4A, Format.WEBM])
def test_a_file_encoded_in_pieces_says_how_long_it_is(format):
    data, _ = filed(chirp_pcm(2, 24_000), chunk_bytes=5_000, sample_rate=24_000, format=format)

    with av.open(io.BytesIO(data)) as container:
        assert container.duration / 1e6 == pytest.approx(2, abs=0.06)
