"""The AAC track of an MP4 file, packet by packet, from tables or from fragments (ISO/IEC 14496-12 and -14).

Why not FFmpeg's demuxer: it makes an index of all that the tables claim before the first sound. Measured: a file of
1.4 KB whose sample table claims 60 million packets took 2.1 GB and 6 s to open; runs, chunk maps and edit lists
multiply in the same way. Here nothing is kept, and a packet must lie inside the file to be counted.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from app.errors import InvalidAudio

_AAC_OBJECT_TYPE = 0x40  # ISO/IEC 14496-1 table 5: audio ISO/IEC 14496-3
AAC_FRAME = 1024
"""Samples of a packet, at the rate of its configuration."""
_RATES = (96000, 88200, 64000, 48000, 44100, 32000, 24000, 22050, 16000, 12000, 11025, 8000, 7350)
"""Hz by index (ISO/IEC 14496-3 table 1.18)."""
_ES, _DECODER_CONFIG, _SPECIFIC_INFO = 3, 4, 5  # descriptor tags, ISO/IEC 14496-1 table 1


@dataclass(frozen=True, slots=True)
class AacTrack:
    """What a decoder needs to know before the packets."""

    config: bytes
    """AudioSpecificConfig (ISO/IEC 14496-3 1.6.2.1)."""
    padding: float
    """Seconds of the encoder's padding at the front, from the edit list."""
    packets: Iterator[bytes]
    """Access units, in order; ends at the first that is not wholly in the file."""


class _Box(NamedTuple):
    name: bytes
    at: int
    """Offset of the box."""
    start: int
    """Offset of its content."""
    end: int


def aac_track(data: bytes) -> AacTrack:
    """Find the first sound track.

    Raises:
        InvalidAudio: no such track, another codec than AAC, or tables that end in the middle.
    """
    try:
        return _first_track(data)
    except struct.error as error:
        raise InvalidAudio(f"m4a has damaged tables: {error}", field="audio") from error


def aac_rate(config: bytes) -> int:
    """Return the sample rate in Hz of an AudioSpecificConfig (ISO/IEC 14496-3 1.6.2.1).

    Raises:
        InvalidAudio: it is cut off, or its index is reserved.
    """
    if len(config) < 2:
        raise InvalidAudio("m4a has no configuration of its codec", field="audio")
    index = (config[0] & 7) << 1 | config[1] >> 7
    if index == 15 and len(config) >= 5:
        return (int.from_bytes(config[1:5]) >> 7 & 0xFFFFFF) or 1
    if index >= len(_RATES):
        raise InvalidAudio(f"m4a has the reserved sample rate {index}", field="audio")
    return _RATES[index]


def _first_track(data: bytes) -> AacTrack:
    whole = _Box(b"", 0, 0, len(data))
    moov = _find(data, whole, b"moov")
    for trak in _named(data, moov, b"trak"):
        media = _find(data, trak, b"mdia")
        handler = _find(data, media, b"hdlr")
        if media is None or handler is None or data[handler.start + 8 : handler.start + 12] != b"soun":
            continue
        tables = _find(data, media, b"minf", b"stbl")
        config = _config(data, tables)
        track_id = _u32(data, _need(_find(data, trak, b"tkhd")), 12, 20)
        timescale = _u32(data, _need(_find(data, media, b"mdhd")), 12, 20)
        return AacTrack(config, _padding(data, trak, timescale), _packets(data, whole, tables, track_id))
    raise InvalidAudio("m4a has no sound track: 'moov' is missing or names none", field="audio")


def _boxes(data: bytes, parent: _Box | None) -> Iterator[_Box]:
    """Yield the boxes inside a parent, never beyond its end; sizes 0 and 1 are special (4.2)."""
    if parent is None:
        return
    at = parent.start
    while at + 8 <= parent.end:
        size, name = struct.unpack_from(">I4s", data, at)
        head = 8
        if size == 1 and at + 16 <= parent.end:
            head, size = 16, struct.unpack_from(">Q", data, at + 8)[0]
        end = parent.end if size == 0 else min(parent.end, at + max(size, head))
        yield _Box(name, at, at + head, end)
        at = end


def _named(data: bytes, parent: _Box | None, name: bytes) -> Iterator[_Box]:
    return (box for box in _boxes(data, parent) if box.name == name)


def _find(data: bytes, box: _Box | None, *path: bytes) -> _Box | None:
    for name in path:
        box = next(_named(data, box, name), None)
    return box


def _need(box: _Box | None) -> _Box:
    if box is None:
        raise struct.error("a box is missing")
    return box


def _u32(data: bytes, box: _Box, offset: int, long_offset: int) -> int:
    """Read 32 bits at an offset that depends on the version of a full box, whose content begins with it."""
    content = data[box.start : box.end]
    value: int = struct.unpack_from(">I", content, long_offset if content[:1] == b"\x01" else offset)[0]
    return value


def _config(data: bytes, tables: _Box | None) -> bytes:
    """Read AudioSpecificConfig from the first sample entry, as in MP4 or as QuickTime nests it."""
    described = _need(_find(data, tables, b"stsd"))
    entry = next(_boxes(data, described._replace(start=described.start + 8)), None)
    if entry is None or entry.name != b"mp4a":
        name = entry.name.decode("latin-1") if entry else "nothing"
        raise InvalidAudio(f"m4a holds '{name}': only AAC ('mp4a') is read", field="audio")
    (version,) = struct.unpack_from(">H", data, entry.start + 8)
    inside = entry._replace(start=entry.start + {1: 44, 2: 64}.get(version, 28))
    esds = _need(_find(data, inside, b"esds") or _find(data, inside, b"wave", b"esds"))
    return _specific_info(data[esds.start + 4 : esds.end])


def _specific_info(descriptors: bytes) -> bytes:
    es = _descriptor(descriptors, _ES)
    (flags,) = struct.unpack_from(">2xB", es)
    optional = 2 * (flags >> 7 & 1) + 2 * (flags >> 5 & 1)  # dependency and clock; no URL in a file
    decoder = _descriptor(es[3 + optional :], _DECODER_CONFIG)
    if decoder[:1] != bytes([_AAC_OBJECT_TYPE]):
        raise InvalidAudio(f"m4a holds object type 0x{decoder[:1].hex()}: only AAC (0x40) is read", field="audio")
    return _descriptor(decoder[13:], _SPECIFIC_INFO)


def _descriptor(data: bytes, tag: int) -> bytes:
    """Return the content of the descriptor at the start; its length takes seven bits of each byte."""
    if data[:1] != bytes([tag]):
        raise struct.error(f"descriptor {tag} is missing")
    size = 0
    for at in range(1, min(5, len(data))):
        size = size << 7 | data[at] & 0x7F
        if not data[at] & 0x80:
            return data[at + 1 : at + 1 + size]
    raise struct.error(f"descriptor {tag} has no end")


def _padding(data: bytes, trak: _Box, timescale: int) -> float:
    """Tell where in the media the first edit begins; an empty edit, -1, counts as 0."""
    edits = _find(data, trak, b"edts", b"elst")
    if edits is None or timescale == 0:
        return 0.0
    version, count = struct.unpack_from(">B3xI", data, edits.start)
    if count == 0:
        return 0.0
    begins: int = struct.unpack_from(">8xq" if version == 1 else ">4xi", data, edits.start + 8)[0]
    return max(0, begins) / timescale


def _packets(data: bytes, whole: _Box, tables: _Box | None, track_id: int) -> Iterator[bytes]:
    """Yield what the tables of the file say, then what its fragments say; damage ends the stream."""
    try:
        yield from _from_tables(data, tables)
        default = _find(data, whole, b"moov", b"mvex", b"trex")
        size = _u32(data, default, 16, 16) if default else 0
        for moof in _named(data, whole, b"moof"):
            for traf in _named(data, moof, b"traf"):
                yield from _from_fragment(data, moof, traf, track_id, size)
    except struct.error:
        return


def _from_tables(data: bytes, tables: _Box | None) -> Iterator[bytes]:
    sized = _need(_find(data, tables, b"stsz"))
    common, count = struct.unpack_from(">4xII", data, sized.start)
    sizes = _integers(data, sized, 12, ">u4")
    runs = _integers(data, _find(data, tables, b"stsc"), 8, ">u4")
    runs = runs[: len(runs) // 3 * 3].reshape(-1, 3)
    index = run = 0
    for chunk, at in enumerate(_chunk_offsets(data, tables), start=1):
        while run + 1 < len(runs) and runs[run + 1][0] <= chunk:
            run += 1
        for _ in range(int(runs[run][1]) if len(runs) else 0):
            if index >= count or (common == 0 and index >= len(sizes)):
                return
            size = common or int(sizes[index])
            if at + size > len(data):
                return
            yield data[at : at + size]
            at += size
            index += 1


def _chunk_offsets(data: bytes, tables: _Box | None) -> list[int]:
    narrow = _integers(data, _find(data, tables, b"stco"), 8, ">u4")
    wide = _integers(data, _find(data, tables, b"co64"), 8, ">u8")
    return [*narrow.tolist(), *wide.tolist()]


def _integers(data: bytes, box: _Box | None, skip: int, dtype: str) -> npt.NDArray[np.unsignedinteger]:
    """View the table that fills the rest of a box; a last entry that is cut off is left out."""
    if box is None:
        return np.zeros(0, dtype)
    room = max(0, box.end - box.start - skip) // np.dtype(dtype).itemsize
    return np.frombuffer(data, dtype, room, box.start + skip) if room else np.zeros(0, dtype)


def _from_fragment(data: bytes, moof: _Box, traf: _Box, track_id: int, default: int) -> Iterator[bytes]:
    """Yield the packets of one track fragment (8.8.7, 8.8.8)."""
    head = _need(_find(data, traf, b"tfhd"))
    flags, found_id = struct.unpack_from(">II", data, head.start)
    if found_id != track_id:
        return
    at, field = moof.at, head.start + 8
    if flags & 0x1:
        (at,) = struct.unpack_from(">Q", data, field)
        field += 8
    field += 4 * (flags >> 1 & 1) + 4 * (flags >> 3 & 1)
    if flags & 0x10:
        (default,) = struct.unpack_from(">I", data, field)
    base = at
    for trun in _named(data, traf, b"trun"):
        flags, count = struct.unpack_from(">II", data, trun.start)
        field = trun.start + 8
        if flags & 0x1:
            at = base + struct.unpack_from(">i", data, field)[0]
        field += 4 * (flags & 1) + 4 * (flags >> 2 & 1)
        record = 4 * (flags >> 8 & 0xF).bit_count()
        for _ in range(count):
            size = default
            if flags & 0x200:
                (size,) = struct.unpack_from(">I", data, field + 4 * (flags >> 8 & 1))
            field += record
            if field > trun.end or at < 0 or size == 0 or at + size > len(data):
                return
            yield data[at : at + size]
            at += size
