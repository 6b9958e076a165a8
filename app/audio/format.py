"""The audio formats that are read and written, what they are called, and how their bytes begin."""

from enum import StrEnum

from app.errors import InvalidAudio


class Format(StrEnum):
    """A container with the one codec that is written into it; the value is its name and file suffix."""

    WAV = "wav"
    """int16 in RIFF."""
    MP3 = "mp3"
    OGG = "ogg"
    """Opus in Ogg."""
    FLAC = "flac"
    AAC = "aac"
    """AAC in ADTS frames."""
    M4A = "m4a"
    """AAC in MP4."""
    WEBM = "webm"
    """Opus in WebM."""
    PCM = "pcm"
    """int16 little-endian mono and nothing else: whoever reads it must be told the rate."""

    @property
    def content_type(self) -> str:
        """The media type for HTTP and Blob."""
        return _CONTENT_TYPES[self]


_CONTENT_TYPES = {
    Format.WAV: "audio/wav",
    Format.MP3: "audio/mpeg",
    Format.OGG: "audio/ogg",
    Format.FLAC: "audio/flac",
    Format.AAC: "audio/aac",
    Format.M4A: "audio/mp4",
    Format.WEBM: "audio/webm",
    Format.PCM: "audio/pcm",
}

ID3_HEADER_BYTES = 10


def sniff(data: bytes) -> Format:
    """Tell the format by its first bytes; raw pcm has no signature and is never the answer.

    The answer also chooses the demuxer, so that no file can have itself read as a playlist that names others.

    Raises:
        InvalidAudio: no known signature.
    """
    if data[:4] == b"RIFF" and data[8:12] == b"WAVE":
        return Format.WAV
    if data[:4] == b"OggS":
        return Format.OGG
    if data[:4] == b"fLaC":
        return Format.FLAC
    if data[:4] == b"\x1a\x45\xdf\xa3":  # EBML, RFC 8794
        return Format.WEBM
    if data[4:8] == b"ftyp":
        return Format.M4A
    start = id3_bytes(data)
    if (found := _sync(data[start : start + 2])) is not None:
        return found
    raise InvalidAudio(
        f"audio begins with {data[:8].hex(' ') or 'nothing'}: that is none of "
        + ", ".join(known for known in Format if known is not Format.PCM),
        field="audio",
    )


def id3_bytes(data: bytes) -> int:
    """Length in bytes of the ID3v2 tag at the start of `data`, 0 without one; needs the first 10 bytes.

    ID3v2.4 section 3.1: the size is 28 bits in four bytes of seven and counts neither header nor footer.
    """
    if len(data) < ID3_HEADER_BYTES or data[:3] != b"ID3":
        return 0
    size = 0
    for byte in data[6:10]:
        size = size << 7 | byte & 0x7F
    footer = ID3_HEADER_BYTES if data[5] & 0x10 else 0
    return ID3_HEADER_BYTES + size + footer


def _sync(head: bytes) -> Format | None:
    """MPEG audio and ADTS share eleven set bits; the two layer bits are 00 in ADTS alone."""
    if len(head) < 2 or head[0] != 0xFF or head[1] & 0xE0 != 0xE0:
        return None
    if head[1] & 0x06:
        return Format.MP3
    return Format.AAC if head[1] & 0xF0 == 0xF0 else None
