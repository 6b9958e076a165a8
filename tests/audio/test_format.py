import pytest

from app.audio.encode import encode
from app.audio.format import Format, id3_bytes, sniff
from app.errors import InvalidAudio
from tests.audio.signals import chirp_pcm

NAMED = [format for format in Format if format is not Format.PCM]


@pytest.mark.parametrize("format", NAMED)
def test_what_we_write_is_told_by_its_first_bytes(format):
    assert sniff(encode(chirp_pcm(), sample_rate=24_000, format=format).data) is format


@pytest.mark.parametrize("format", Format)
def test_every_format_has_a_media_type(format):
    assert format.content_type.startswith("audio/")


def test_the_frame_after_an_id3_tag_decides():
    tag = b"ID3\x04\x00\x00\x00\x00\x01\x02" + bytes(130)

    assert sniff(tag + b"\xff\xf1rest") is Format.AAC
    assert sniff(tag + b"\xff\xfbrest") is Format.MP3


@pytest.mark.parametrize(
    ("head", "size"),
    [
        (b"", 0),
        (b"ID3\x04", 0),
        (b"RIFF" + bytes(6), 0),
        (b"ID3\x04\0\0\0\0\x02\x01", 267),
        (b"ID3\x04\0\x10\0\0\0\x05", 25),
    ],
)
def test_the_length_of_an_id3_tag(head, size):
    assert id3_bytes(head) == size


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xff",
        b"\x00\x01\x02\x03",
        b"\xff\xe1\x00\x00",  # the reserved layer of MPEG 2.5, and no ADTS
        b"#EXTM3U\nfile:///etc/passwd\n",
        b"ffconcat version 1.0\nfile /etc/passwd\n",
        b"\x89PNG\r\n\x1a\n",
        b"RIFF\0\0\0\0AVI ",
    ],
)
def test_what_has_no_signature_is_refused(data):
    with pytest.raises(InvalidAudio, match="wav, mp3, ogg, flac, aac, m4a, webm"):
        sniff(data)
