import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.audio import wav
from app.audio.source import STEP_FRAMES, WavSource, pcm_source
from app.errors import InvalidAudio
from tests.audio.signals import noise


def sound_of(source, data, cuts=()):
    blocks = []
    for cut in cuts:
        blocks += source.feed(data[:cut])
        data = data[cut:]
    blocks += [*source.feed(data), *source.finish()]
    return np.concatenate([np.zeros(0, np.float32), *(block.samples for block in blocks)])


CUTS = st.lists(st.integers(0, 60), max_size=10)


@given(st.integers(0, 200), CUTS)
def test_raw_pcm_comes_out_however_it_was_cut(n, cuts):
    assert np.array_equal(sound_of(pcm_source(8000), noise(n).tobytes(), cuts) * 32768, noise(n))


@given(st.integers(0, 200), CUTS)
def test_wav_comes_out_however_it_was_cut(n, cuts):
    data = wav.encode(noise(n).tobytes(), sample_rate=8000)

    assert np.array_equal(sound_of(WavSource(), data, cuts) * 32768, noise(n))


def test_what_follows_the_samples_of_a_wav_is_no_sound():
    data = wav.encode(noise(5).tobytes(), sample_rate=8000) + b"LIST\x04\0\0\0text"

    assert len(sound_of(WavSource(), data)) == len(sound_of(WavSource(), data, cuts=[45, 3])) == 5


def test_a_cut_frame_at_the_end_is_dropped():
    assert len(sound_of(pcm_source(8000), b"\x01\x00\x02")) == 1


def test_a_large_piece_becomes_several_blocks():
    blocks = list(pcm_source(8000).feed(bytes(2 * STEP_FRAMES + 2)))

    assert [len(block.samples) for block in blocks] == [STEP_FRAMES, 1]


def test_a_wav_that_ends_in_its_header_says_so():
    source = WavSource()

    assert len(sound_of(source, wav.header(sample_rate=8000, data_bytes=2)[:30])) == 0
    assert source.damage == "it ends before its samples"


def test_what_is_no_wav_is_refused_at_its_first_bytes():
    with pytest.raises(InvalidAudio, match="not RIFF WAVE"):
        list(WavSource().feed(b"ID3"))
