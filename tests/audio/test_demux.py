import io

import av
import numpy as np
import pytest

from app.audio import demux
from app.audio.demux import MAX_BARREN, ContainerSource, FrameSource, block_of
from app.audio.encode import Encoder, encode
from app.audio.format import Format
from app.errors import InvalidAudio
from tests.audio.signals import chirp_pcm


def frame(array, *, format, layout):
    made = av.AudioFrame.from_ndarray(array, format=format, layout=layout)
    made.sample_rate = 8000
    return made


def stream_of(format):
    encoder = Encoder(sample_rate=24_000, format=format)
    return encoder.write(chirp_pcm()) + encoder.finish()


def count(source, *pieces):
    blocks = [block for piece in pieces for block in source.feed(piece)]
    return sum(len(block.samples) for block in [*blocks, *source.finish()])


@pytest.mark.parametrize(
    ("format", "values", "expected"),
    [
        ("u8p", np.array([[0], [128]], np.uint8), -0.5),
        ("s16p", np.array([[-32768], [16384]], np.int16), -0.25),
        ("s32", np.array([[-(2**31), 2**30]], np.int32), -0.25),
        ("fltp", np.array([[-1], [0.5]], np.float32), -0.25),
        ("dbl", np.array([[-1, 0.5]], np.float64), -0.25),
    ],
)
def test_two_channels_of_any_kind_become_their_mean(format, values, expected):
    block = block_of(frame(values, format=format, layout="stereo"))

    assert block.samples.dtype == np.float32
    assert block.samples.tolist() == [expected]
    assert block.sample_rate == 8000


def test_one_channel_is_itself():
    assert block_of(frame(np.array([[0.5, np.nan]], np.float32), format="flt", layout="mono")).samples.tolist() == [
        0.5,
        0,
    ]


def test_more_channels_than_pyav_can_touch_are_refused():
    with pytest.raises(InvalidAudio, match="8 channels: at most 7"):
        block_of(av.AudioFrame(format="fltp", layout="7.1", samples=16))


@pytest.mark.parametrize("format", [Format.MP3, Format.AAC])
@pytest.mark.parametrize("size", [1, 9, 100, 720, 50_000])
def test_frames_come_out_however_they_were_cut(format, size):
    data = stream_of(format)

    whole = count(FrameSource(format), data)
    cut = count(FrameSource(format), *(data[start : start + size] for start in range(0, len(data), size)))

    assert cut == whole >= 24_000


def test_the_first_sound_of_an_mp3_comes_with_its_first_frames():
    assert sum(len(block.samples) for block in FrameSource(Format.MP3).feed(stream_of(Format.MP3)[:720])) >= 576


@pytest.mark.parametrize("size", [3, 4000])
def test_a_tag_in_front_of_frames_is_skipped_with_its_picture(size):
    picture = b"\xff\xfb\x90\x64" * 500
    tag = b"ID3\x04\x00\x00\x00\x00\x0f\x50" + picture
    data = tag + stream_of(Format.MP3)

    pieces = [data[start : start + size] for start in range(0, len(data), size)]

    assert count(FrameSource(Format.MP3), *pieces) == count(FrameSource(Format.MP3), stream_of(Format.MP3))


def test_frames_that_are_damaged_are_skipped():
    data = stream_of(Format.MP3)
    source = FrameSource(Format.MP3)

    heard = count(source, data[:2000], b"\xff\xf3\x44\xc4" + bytes(40), b"\xaa" * 300, data[2000:])

    assert heard > 20_000


def test_what_is_no_frame_leaves_its_damage():
    source = FrameSource(Format.AAC)

    assert count(source, b"\xff\xf1\x50\x80\x02\x1f\xfc" * 200) == 0
    assert source.damage == "Invalid data found when processing input"


def test_less_than_a_tag_is_no_sound():
    assert count(FrameSource(Format.MP3), b"ID3") == 0


@pytest.mark.parametrize("format", [Format.OGG, Format.FLAC, Format.M4A, Format.WEBM])
def test_a_container_is_read_when_it_is_complete(format):
    data = encode(chirp_pcm(), sample_rate=24_000, format=format).data
    source = ContainerSource(format)

    early = [*source.feed(data[:1000]), *source.feed(data[1000:])]

    assert early == []
    assert sum(len(block.samples) for block in source.finish()) >= 24_000


@pytest.mark.parametrize("format", [Format.MP3, Format.OGG, Format.FLAC, Format.AAC, Format.M4A, Format.WEBM])
def test_half_a_file_gives_half_the_sound(format):
    data = stream_of(format)

    heard = count(ContainerSource(format), data[: len(data) // 2])

    assert 0.1 < heard / count(ContainerSource(format), data) < 0.8


@pytest.mark.parametrize("format", [Format.MP3, Format.OGG, Format.AAC, Format.WEBM])
def test_what_cannot_be_opened_leaves_its_damage(format):
    source = ContainerSource(format)

    assert count(source, b"\x00" * 5000) == 0
    assert source.damage


def matroska_with(codec, *, rate=8000):
    file = io.BytesIO()
    with av.open(file, "w", format="matroska") as container:
        stream = container.add_stream(codec, rate=rate, layout="mono")
        silence = frame(np.zeros((1, 4096), np.int16), format="s16", layout="mono")
        container.mux([*stream.encode(silence), *stream.encode(None)])
    return file.getvalue()


def test_a_codec_that_is_not_read_is_not_opened():
    source = ContainerSource(Format.WEBM)

    assert count(source, matroska_with("ac3", rate=32_000)) == 0
    assert source.damage == "no audio of a codec that is read here"


def test_samples_in_matroska_are_read():
    assert count(ContainerSource(Format.WEBM), matroska_with("pcm_s16le")) == 4096


def test_packets_that_give_nothing_do_not_go_on_for_ever(monkeypatch):
    taken = []

    class Track:
        config = b"\x13\x08"
        padding = 0.0
        packets = (taken.append(1) or b"\x00" for _ in range(10**6))

    monkeypatch.setattr(demux, "aac_track", lambda data: Track)

    assert count(ContainerSource(Format.M4A), b"") == 0
    assert len(taken) == MAX_BARREN + 1


def test_a_codec_that_cannot_be_opened_leaves_its_damage(monkeypatch):
    class Track:
        config = b"\xff" * 40
        padding = 0.0
        packets = iter([b"\x00"])

    monkeypatch.setattr(demux, "aac_track", lambda data: Track)
    source = ContainerSource(Format.M4A)

    assert count(source, b"") == 0
    assert source.damage


def test_a_tag_that_is_not_utf8_does_not_matter():
    tag = b"ID3\x03\x00\x00\x00\x00\x00\x0f" + b"TIT2\x00\x00\x00\x05\x00\x00\x03\xe9\xff\xfe\xe9"

    assert count(ContainerSource(Format.MP3), tag + stream_of(Format.MP3)) >= 24_000


def test_a_file_cannot_name_another_file(tmp_path):
    secret = tmp_path / "secret.mp3"
    secret.write_bytes(stream_of(Format.MP3))
    playlist = f"#EXTM3U\n#EXTINF:1,\nfile://{secret}\n#EXT-X-ENDLIST\n".encode()

    assert [count(ContainerSource(format), playlist) for format in (Format.MP3, Format.OGG, Format.WEBM)] == [0, 0, 0]
