"""Where in an MP4 or MOV file each picture of its film is, and when it is shown (ISO/IEC 14496-12).

Why not FFmpeg's demuxer: it makes an index of whatever the tables claim, gigabytes of a file of a kilobyte (measured in
`audio/mp4.py`). Here a table must be in the file to be read, and claims of more than `MOST_SAMPLES` are refused.
"""

import struct
from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from app.errors import InvalidVideo
from app.lipsync.boxes import Box, boxes, find, named
from app.lipsync.film.fragments import fragments

MOST_SAMPLES: Final = 36_000
"""Ten minutes at 60 frames a second."""
CODECS: Final = {
    b"avc1": ("h264", b"avcC"), b"avc3": ("h264", b"avcC"), b"hvc1": ("hevc", b"hvcC"), b"hev1": ("hevc", b"hvcC"),
    b"av01": ("libdav1d", b"av1C"), b"vp09": ("vp9", b""), b"mp4v": ("mpeg4", b"esds"), b"jpeg": ("mjpeg", b""),
}  # fmt: skip
"""FFmpeg's decoder for each kind of pictures, and the box that holds what it must know before them."""
_ENTRY_BYTES = 78
"""Of a VisualSampleEntry before the boxes in it (12.1.3)."""
_SPECIFIC_INFO = 5  # descriptor tag, ISO/IEC 14496-1 table 1

Integers = NDArray[np.int64]


class Turn(NamedTuple):
    """How pictures are turned to be shown: x' = a x + c y, y' = b x + d y; each -1, 0 or 1."""

    a: int = 1
    b: int = 0
    c: int = 0
    d: int = 1


@dataclass(frozen=True, slots=True, eq=False)
class FilmFile:
    """The first film of a file; arrays have one place for each picture, in the order in which they are decoded."""

    codec: str
    config: bytes
    width: int
    """Pixels, not turned."""
    height: int
    turn: Turn
    stretch: float
    """Width of a pixel in its heights."""
    starts: Integers
    """Bytes from the beginning of the file."""
    sizes: Integers
    times: NDArray[np.float64]
    """Seconds at which they are shown, from anywhere."""
    is_key: NDArray[np.bool_]
    """Whether it can be decoded without those before it."""
    shown: tuple[float, float]
    """The part of these times that is shown."""


def read_film_file(data: bytes) -> FilmFile:
    """Read the tables of a file.

    Raises:
        InvalidVideo: no MP4 or MOV file, no film in it, one of a codec that is not read, or tables that are damaged.
    """
    try:
        return _first_film(data)
    except (struct.error, IndexError, ValueError, OverflowError) as error:
        raise InvalidVideo(f"the video has damaged tables ({error})", field="video") from error


def _first_film(data: bytes) -> FilmFile:
    whole = Box(b"", 0, 0, len(data))
    moov = find(data, whole, b"moov")
    if moov is None:
        raise InvalidVideo("the video is no MP4 or MOV file: it has no 'moov'", field="video")
    for trak in named(data, moov, b"trak"):
        media = find(data, trak, b"mdia")
        handler = find(data, media, b"hdlr")
        if handler is not None and data[handler.start + 8 : handler.start + 12] == b"vide":
            return _film(data, whole, moov, trak, _need(media))
    raise InvalidVideo("the file has sound and no pictures", field="video")


def _film(data: bytes, whole: Box, moov: Box, trak: Box, media: Box) -> FilmFile:
    tables = _need(find(data, media, b"minf", b"stbl"))
    entry = _entry(data, tables)
    codec, config = _codec(data, entry)
    width, height = struct.unpack_from(">HH", data, entry.start + 24)
    timescale = _number(data, find(data, media, b"mdhd"), 12, 20)
    head = _need(find(data, trak, b"tkhd"))
    samples = np.concatenate(
        (_from_tables(data, tables), *fragments(data, whole, moov, _number(data, head, 12, 20), MOST_SAMPLES))
    )
    starts, sizes, times, keys = samples.T
    there = (starts >= 0) & (sizes > 0) & (starts + sizes <= len(data))
    if not there.any():
        raise InvalidVideo("the video has no pictures", field="video")
    if there.sum() > MOST_SAMPLES:
        raise InvalidVideo(f"the video has more than {MOST_SAMPLES} pictures", field="video")
    return FilmFile(
        codec,
        config,
        width,
        height,
        _turn(data, head),
        _stretch(data, entry),
        starts[there],
        sizes[there],
        times[there] / max(timescale, 1),
        keys[there] > 0,
        _shown(data, trak, max(timescale, 1), _number(data, find(data, moov, b"mvhd"), 12, 20)),
    )


def _need(box: Box | None) -> Box:
    if box is None:
        raise ValueError("a box is missing")
    return box


def _number(data: bytes, box: Box | None, offset: int, long_offset: int) -> int:
    """Read 32 bits at an offset that depends on the version of a full box."""
    content = data[_need(box).start : _need(box).end]
    value: int = struct.unpack_from(">I", content, long_offset if content[:1] == b"\x01" else offset)[0]
    return value


def _entry(data: bytes, tables: Box) -> Box:
    described = _need(find(data, tables, b"stsd"))
    return _need(next(boxes(data, described.start + 8, described.end), None))


def _inside(data: bytes, entry: Box, name: bytes) -> Box | None:
    return next((box for box in boxes(data, entry.start + _ENTRY_BYTES, entry.end) if box.name == name), None)


def _codec(data: bytes, entry: Box) -> tuple[str, bytes]:
    if entry.name not in CODECS:
        known = ", ".join(sorted(name.decode() for name in CODECS))
        raise InvalidVideo(f"the video is '{entry.name.decode('latin-1')}': {known} are read", field="video")
    codec, name = CODECS[entry.name]
    config = _inside(data, entry, name) if name else None
    if config is None:
        return codec, b""
    content = data[config.start : config.end]
    return codec, _specific_info(content[4:]) if name == b"esds" else content


def _specific_info(descriptors: bytes) -> bytes:
    """Return DecoderSpecificInfo out of ES and DecoderConfig descriptors (ISO/IEC 14496-1, 7.2.6)."""
    at, skipped = 0, {3: 3, 4: 13}
    while at + 2 <= len(descriptors):
        tag, size, at = descriptors[at], 0, at + 1
        while at < len(descriptors):
            size = size << 7 | descriptors[at] & 0x7F
            at += 1
            if not descriptors[at - 1] & 0x80:
                break
        if tag == _SPECIFIC_INFO:
            return descriptors[at : at + size]
        at += skipped.get(tag, size)
    return b""


def _turn(data: bytes, head: Box) -> Turn:
    """Read the matrix of a track's header (8.3.2), of which only quarter turns and mirrors are known here."""
    at = head.start + (52 if data[head.start] == 1 else 40)
    a, b, _, c, d = (round(value / 65536) for value in struct.unpack_from(">5i", data, at))
    is_known = abs(a * d) + abs(b * c) == 1 and max(map(abs, (a, b, c, d))) == 1
    return Turn(a, b, c, d) if is_known else Turn()


def _stretch(data: bytes, entry: Box) -> float:
    box = _inside(data, entry, b"pasp")
    across, down = struct.unpack_from(">II", data, box.start) if box else (1, 1)
    return across / down if 0.25 < across / max(down, 1) < 4 else 1.0


def _shown(data: bytes, trak: Box, timescale: int, movie_timescale: int) -> tuple[float, float]:
    """Read the edit list (8.6.6) where there is one edit; films of several are shown as they were taken."""
    box = find(data, trak, b"edts", b"elst")
    if box is None:
        return -np.inf, np.inf
    version, count = struct.unpack_from(">B3xI", data, box.start)
    layout = struct.Struct(">QqI" if version == 1 else ">IiI")
    table = data[box.start + 8 : min(box.end, box.start + 8 + 8 * layout.size)]
    edits = [
        (length, begin) for length, begin, _ in layout.iter_unpack(table[: len(table) // layout.size * layout.size])
    ]
    edits = [(length, begin) for length, begin in edits[:count] if begin >= 0]
    if len(edits) != 1:
        return -np.inf, np.inf
    length, begin = edits[0][0] / max(movie_timescale, 1), edits[0][1] / timescale
    return begin, begin + length if length else np.inf


def _from_tables(data: bytes, tables: Box) -> Integers:
    """Return start, size, time, and whether it is a key, of each sample; shape (n, 4)."""
    sized = _need(find(data, tables, b"stsz"))
    common, count = struct.unpack_from(">4xII", data, sized.start)
    if count > MOST_SAMPLES:
        raise InvalidVideo(f"the video says that it has {count} pictures: at most {MOST_SAMPLES}", field="video")
    sizes = np.full(count, common) if common else _column(data, sized, 1, skip=12)[:count, 0]
    chunks = next(
        (_column(data, box, 1, dtype=kind)[:, 0] for name, kind in ((b"stco", ">u4"), (b"co64", ">i8"))
         if (box := find(data, tables, name))), np.empty(0, np.int64),
    )  # fmt: skip
    runs = _column(data, find(data, tables, b"stsc"), 3)
    count = len(sizes)
    if not (count and len(chunks) and len(runs)):
        return np.empty((0, 4), np.int64)
    run = np.searchsorted(runs[:, 0], np.arange(1, len(chunks) + 1), side="right") - 1
    chunk = _repeated(np.arange(len(chunks)), runs[np.maximum(run, 0), 1], count)
    sizes = sizes[: len(chunk)]
    count = len(sizes)
    before = np.cumsum(sizes) - sizes
    is_first = np.diff(chunk, prepend=-1) > 0
    starts = chunks[chunk] + before - np.maximum.accumulate(np.where(is_first, before, 0))
    deltas = _column(data, find(data, tables, b"stts"), 2)
    steps = _padded(_repeated(deltas[:, 1], deltas[:, 0], count), count)
    offsets = _column(data, find(data, tables, b"ctts"), 2, dtype=">i4")
    times = np.cumsum(steps) - steps + _padded(_repeated(offsets[:, 1], offsets[:, 0], count), count)
    keyed = find(data, tables, b"stss")
    keys = np.full(count, keyed is None, np.int64)
    if keyed is not None:
        places = _column(data, keyed, 1)[:, 0] - 1
        keys[places[(places >= 0) & (places < count)]] = 1
    return np.column_stack((starts, sizes, times, keys))


def _column(data: bytes, box: Box | None, width: int, *, skip: int = 8, dtype: str = ">u4") -> Integers:
    """Return the rows of a table that are in the file; its last four bytes before them say how many it has."""
    if box is None:
        return np.empty((0, width), np.int64)
    (count,) = struct.unpack_from(">I", data, box.start + skip - 4)
    step = width * np.dtype(dtype).itemsize
    rows = min(count, (box.end - box.start - skip) // step, 2 * MOST_SAMPLES)
    return np.frombuffer(data, dtype, max(rows, 0) * width, box.start + skip).reshape(-1, width).astype(np.int64)


def _repeated(values: Integers, times: Integers, most: int) -> Integers:
    """Return each value so many times, and no more than `most` in all."""
    times = np.clip(times, 0, most)
    enough = int(np.searchsorted(np.cumsum(times), most)) + 1
    return np.repeat(values[:enough], times[:enough])[:most]


def _padded(values: Integers, count: int) -> Integers:
    return np.pad(values, (0, count - len(values)), mode="edge" if len(values) else "constant")
