import struct

import pytest

from app.lipsync.boxes import Box, boxes, find, named


def box(name: bytes, content: bytes) -> bytes:
    return struct.pack(">I4s", len(content) + 8, name) + content


def whole(data: bytes) -> Box:
    return Box(b"", 0, 0, len(data))


def test_boxes_lie_side_by_side_and_in_each_other():
    data = box(b"ftyp", b"isom") + box(b"moov", box(b"trak", b"one") + box(b"trak", box(b"mdia", b"two")))
    assert [each.name for each in boxes(data, 0, len(data))] == [b"ftyp", b"moov"]
    moov = find(data, whole(data), b"moov")
    assert [data[each.start : each.end] for each in named(data, moov, b"trak")][0] == b"one"
    assert find(data, moov, b"trak", b"mdia") is None  # the first one decides


def test_what_is_not_there_is_none():
    assert find(b"", whole(b""), b"moov") is None
    assert list(named(b"", None, b"trak")) == []


def test_long_and_endless_sizes_are_known():
    data = struct.pack(">I4sQ", 1, b"mdat", 20) + b"1234" + struct.pack(">I4s", 0, b"free") + b"to the end"
    first, second = boxes(data, 0, len(data))
    assert data[first.start : first.end] == b"1234" and data[second.start : second.end] == b"to the end"


@pytest.mark.parametrize("size", [2, 7, 8, 100, 2**32 - 1])
def test_sizes_that_lie_end_with_what_holds_them(size):
    data = struct.pack(">I4s", size, b"moov") + b"inside"
    found = list(boxes(data, 0, len(data)))
    assert found[0].start <= found[0].end <= len(data)
    assert sum(each.end - each.at for each in found) <= len(data)
