import io
import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.audio import wav
from app.audio.decode import Decoder, announced_seconds, decode, decode_pieces
from app.audio.encode import Encoder, encode
from app.audio.format import Format
from app.audio.muxer import RECIPES, Muxer
from app.audio.pcm import to_float32
from app.audio.resample import resample
from app.errors import InvalidAudio
from tests.audio.signals import chirp, chirp_pcm, likeness, noise

BOUNDS = {"max_samples": 1_000_000, "max_bytes": 1_000_000}
NAMED = [format for format in Format if format is not Format.PCM]
LIVE = [Format.WAV, Format.MP3, Format.AAC]


def file_of(format, *, seconds=1.0, sample_rate=24_000):
    return encode(chirp_pcm(seconds, sample_rate), sample_rate=sample_rate, format=format).data


def fed(decoder, data, size):
    pieces = [decoder.feed(data[start : start + size]) for start in range(0, len(data), size)]
    return np.concatenate([*pieces, decoder.finish()])


def silent_flac(seconds):
    file = io.BytesIO()
    muxer = Muxer(file, RECIPES[Format.FLAC], sample_rate=48_000, bitrate=None, streamed=False)
    for _ in range(seconds // 10):
        muxer.write(np.zeros(480_000, np.int16))
    muxer.close()
    return file.getvalue()


@pytest.mark.parametrize("sample_rate", [12_000, 16_000, 48_000, None])
@pytest.mark.parametrize("format", NAMED)
def test_a_file_is_decoded_to_the_rate_that_is_asked_for(format, sample_rate):
    clip = decode(file_of(format), sample_rate=sample_rate, **BOUNDS)

    expected = sample_rate or (48_000 if format in (Format.OGG, Format.WEBM) else 24_000)
    padding = 1024 / 24_000 if format is Format.AAC else 0
    sound = clip.samples[round(padding * expected) :]
    assert clip.sample_rate == expected
    assert 1 <= clip.duration < 1.1
    assert likeness(resample(chirp(), from_rate=24_000, to_rate=expected), sound) > 0.98


def test_raw_pcm_is_decoded_when_its_rate_is_told():
    clip = decode(chirp_pcm(), sample_rate=None, pcm_rate=24_000, **BOUNDS)

    assert clip.sample_rate == 24_000
    assert likeness(chirp(), clip.samples) > 0.999


@given(st.integers(1, 300), st.sampled_from([8000, 16_000, 44_100]), st.sampled_from([8000, 11_025, 48_000]))
def test_a_wav_decodes_to_its_resampled_samples(n, rate, asked):
    data = wav.encode(noise(8 * n).tobytes(), sample_rate=rate)

    clip = decode(data, sample_rate=asked, **BOUNDS)

    expected = resample(to_float32(noise(8 * n)), from_rate=rate, to_rate=asked)
    assert np.array_equal(clip.samples, expected.clip(-1, 1))


@pytest.mark.parametrize("format", NAMED)
@pytest.mark.parametrize("size", [97, 5000])
def test_pieces_together_are_the_file_however_it_was_cut(format, size):
    data = file_of(format)
    live, whole = (Decoder(format, sample_rate=16_000, **BOUNDS) for _ in range(2))

    assert np.array_equal(fed(live, data, size), fed(whole, data, len(data)))
    assert live.sample_rate == 16_000


@pytest.mark.parametrize("format", LIVE)
def test_a_live_format_comes_out_as_it_goes_in(format):
    decoder = Decoder(format, sample_rate=None, **BOUNDS)
    data = file_of(format)

    assert decoder.sample_rate is None
    assert len(decoder.feed(data[: len(data) // 2])) > 8_000
    assert decoder.sample_rate == 24_000


def test_live_pcm_needs_its_rate():
    assert len(fed(Decoder(Format.PCM, sample_rate=None, pcm_rate=8000, **BOUNDS), chirp_pcm(), 333)) == 24_000
    with pytest.raises(InvalidAudio, match="pcm_rate"):
        Decoder(Format.PCM, sample_rate=8000, **BOUNDS)


def test_frames_that_change_their_rate_become_one_rate():
    parts = [file_of(Format.AAC, sample_rate=rate) for rate in (24_000, 16_000)]

    sound = fed(Decoder(Format.AAC, sample_rate=None, **BOUNDS), b"".join(parts), 1000)

    assert 2 * 24_000 <= len(sound) < 2.3 * 24_000


def test_samples_beyond_full_scale_are_clipped():
    square = np.where(np.arange(2400) // 20 % 2, 32767, -32768).astype(np.int16)

    clip = decode(wav.encode(square.tobytes(), sample_rate=22_050), sample_rate=48_000, **BOUNDS)

    assert np.abs(clip.samples).max() == 1


@pytest.mark.parametrize("format", NAMED)
def test_the_bound_of_samples_is_exact_at_the_rate_of_the_result(format):
    data = file_of(format)
    n = len(decode(data, sample_rate=16_000, **BOUNDS).samples)

    assert len(decode(data, sample_rate=16_000, max_samples=n, max_bytes=10**6).samples) == n
    with pytest.raises(InvalidAudio, match=f"longer than {n - 1} samples at 16000 Hz"):
        decode(data, sample_rate=16_000, max_samples=n - 1, max_bytes=10**6)


@pytest.mark.parametrize("format", NAMED)
def test_the_bound_of_bytes_holds_for_files_and_for_streams(format):
    data = file_of(format)
    decoder = Decoder(format, sample_rate=None, max_samples=10**6, max_bytes=len(data) - 1)
    decoder.feed(data[:-1])

    with pytest.raises(InvalidAudio, match=f"{len(data)} bytes: at most {len(data) - 1}"):
        decoder.feed(data[-1:])
    with pytest.raises(InvalidAudio, match=f"{len(data)} bytes"):
        decode(data, sample_rate=None, max_samples=10**6, max_bytes=len(data) - 1)


def peak_bytes(data):
    tracemalloc.start()
    try:
        with pytest.raises(InvalidAudio, match="longer than 48000 samples"):
            decode(data, sample_rate=None, max_samples=48_000, max_bytes=10**6)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_an_hour_of_silence_stops_at_the_bound():
    bomb = silent_flac(600)

    assert len(bomb) < 120_000  # 58 MB of samples
    assert peak_bytes(bomb) < 3_000_000


def test_a_header_that_claims_two_to_the_36_samples_allocates_nothing():
    bomb = bytearray(silent_flac(10))
    bomb[21] |= 0x0F
    bomb[22:26] = b"\xff\xff\xff\xff"

    assert peak_bytes(bytes(bomb)) < 3_000_000


def test_a_little_sound_of_a_tiny_rate_is_not_blown_up():
    data = wav.encode(bytes(2000), sample_rate=999)

    with pytest.raises(InvalidAudio, match="sample rate 999: 1000 to 768000 Hz"):
        decode(data, sample_rate=48_000, **BOUNDS)


@pytest.mark.parametrize("format", NAMED)
def test_a_truncated_file_gives_what_is_there(format):
    encoder = Encoder(sample_rate=24_000, format=format)
    data = encoder.write(chirp_pcm()) + encoder.finish()

    clip = decode(data[: len(data) // 2], sample_rate=24_000, **BOUNDS)

    assert 1_000 < len(clip.samples) < 20_000


@pytest.mark.parametrize("format", NAMED)
def test_a_file_cut_in_its_header_is_refused(format):
    with pytest.raises(InvalidAudio, match=f"^{format} ") as refusal:
        decode(file_of(format)[:40], sample_rate=24_000, **BOUNDS)
    assert refusal.value.field == "audio"


@pytest.mark.parametrize("format", NAMED)
def test_a_stream_without_sound_is_refused_at_its_end(format):
    decoder = Decoder(format, sample_rate=24_000, **BOUNDS)

    with pytest.raises(InvalidAudio, match=f"^{format} "):
        decoder.finish()


def test_an_empty_wav_holds_no_sound():
    with pytest.raises(InvalidAudio, match="wav holds no sound that can be decoded$"):
        decode(wav.encode(b"", sample_rate=8000), sample_rate=None, **BOUNDS)


def test_what_is_no_audio_is_refused():
    with pytest.raises(InvalidAudio, match="audio begins with 25 50 44 46"):
        decode(b"%PDF-1.7", sample_rate=None, **BOUNDS)


@given(st.sampled_from(NAMED), st.data())
def test_damage_gives_sound_or_a_refusal_and_nothing_else(format, data):
    damaged = bytearray(file_of(format, seconds=0.3))
    for _ in range(data.draw(st.integers(1, 8))):
        damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))

    try:
        clip = decode(bytes(damaged), sample_rate=16_000, **BOUNDS)
    except InvalidAudio:
        return
    assert np.isfinite(clip.samples).all() and np.abs(clip.samples).max() <= 1


@pytest.mark.parametrize("sample_rate", [16_000, None])
@pytest.mark.parametrize("format", NAMED)
def test_the_pieces_of_a_file_are_its_sound(format, sample_rate):
    data = file_of(format, seconds=2.0)

    clips = list(decode_pieces(data, sample_rate=sample_rate, **BOUNDS))

    whole = decode(data, sample_rate=sample_rate, **BOUNDS)
    assert {clip.sample_rate for clip in clips} == {whole.sample_rate}
    assert all(len(clip.samples) for clip in clips)
    assert np.array_equal(np.concatenate([clip.samples for clip in clips]), whole.samples)


def test_pieces_of_half_an_hour_take_the_memory_of_a_piece():
    data = silent_flac(1800)
    tracemalloc.start()
    seconds = sum(clip.duration for clip in decode_pieces(data, sample_rate=None, max_samples=10**9, max_bytes=10**8))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert seconds == pytest.approx(1800)
    assert peak < 4_000_000


@pytest.mark.parametrize("data", [b"", b"RIFF\0\0\0\0WAVE", b"no sound"])
def test_what_is_no_sound_has_no_pieces(data):
    with pytest.raises(InvalidAudio):
        list(decode_pieces(data, sample_rate=None, **BOUNDS))


@pytest.mark.parametrize("format", NAMED)
def test_a_file_tells_how_long_it_sounds(format):
    data = file_of(format, seconds=3.0)

    assert announced_seconds(data) == pytest.approx(3.0, abs=0.15)


def test_raw_pcm_is_as_long_as_its_bytes():
    assert announced_seconds(chirp_pcm(), pcm_rate=24_000) == 1.0


def test_a_header_without_an_end_tells_no_length():
    assert announced_seconds(b"RIFF\0\0\0\0WAVE") is None


def test_a_damaged_file_tells_no_length():
    assert announced_seconds(b"fLaC" + bytes(100)) is None
