import io
import struct

import av
import numpy as np
import pytest

from app.lipsync.faststart import moov_first


def box(name: bytes, content: bytes, *, is_long: bool = False) -> bytes:
    if is_long:
        return struct.pack(">I4sQ", 1, name, len(content) + 16) + content
    return struct.pack(">I4s", len(content) + 8, name) + content


def table(name: bytes, offsets: list[int], code: str) -> bytes:
    return box(name, struct.pack(f">II{len(offsets)}{code}", 0, len(offsets), *offsets))


def moov(offsets: list[int], name: bytes = b"stco", code: str = "I") -> bytes:
    tables = box(b"stsd", b"12345678") + table(name, offsets, code)
    return box(b"moov", box(b"mvhd", bytes(12)) + box(b"trak", box(b"mdia", box(b"minf", box(b"stbl", tables)))))


@pytest.mark.parametrize("is_long", [False, True])
@pytest.mark.parametrize(("name", "code"), [(b"stco", "I"), (b"co64", "Q")])
def test_places_move_with_the_samples(*, name: bytes, code: str, is_long: bool) -> None:
    front = box(b"ftyp", b"isom") + box(b"free", b"")
    media = box(b"mdat", b"first-second", is_long=is_long)
    start = len(front) + len(media) - len(b"first-second")
    index = moov([start, start + 6], name, code)
    moved = moov_first(front + media + index)
    assert moved[12:].startswith(index[:8]) and len(moved) == len(front + media + index)
    at = moved.index(name) + 12
    first, second = struct.unpack_from(f">2{code}", moved, at)
    assert moved[first : first + 5] == b"first" and moved[second : second + 6] == b"second"


def test_a_real_file_plays_as_before() -> None:
    file = io.BytesIO()
    with av.open(file, "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=25)
        stream.width = stream.height = 64
        for number in range(30):
            picture = np.full((64, 64, 3), 8 * number, np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="bgr24")))
        container.mux(stream.encode(None))
    data = file.getvalue()
    moved = moov_first(data)
    assert data.index(b"moov") > data.index(b"mdat") and moved.index(b"moov") < moved.index(b"mdat")
    before, after = ([f.to_ndarray() for f in av.open(io.BytesIO(d)).decode(video=0)] for d in (data, moved))
    assert len(after) == 30 and all(np.array_equal(*pair) for pair in zip(before, after, strict=True))


def test_places_beyond_four_gigabytes_are_refused() -> None:
    with pytest.raises(ValueError, match="4 GB"):
        moov_first(box(b"ftyp", b"isom") + moov([2**32 - 10]))


@pytest.mark.parametrize("data", [b"", b"nothing at all", box(b"ftyp", b"isom"), box(b"moov", b"")])
def test_other_files_are_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match="no whole MP4"):
        moov_first(data)
