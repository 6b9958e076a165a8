import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.api.speak.framing import CHUNK_BYTES, Frame, Mode, end, frames, pack, unpack
from app.audio import wav
from app.errors import InvalidAudio, InvalidInput
from app.takes.part import Part

IDS = st.one_of(st.integers(-(2**53), 2**53), st.text(max_size=40))
COUNTS = st.integers(0, 2**31)
FRAMES = st.builds(
    Frame,
    request_id=IDS,
    take_id=st.none() | st.text(max_size=40),
    part_id=COUNTS,
    chunk_id=st.none() | COUNTS,
    audio=st.binary(max_size=200),
)
SAMPLES = st.integers(0, 3 * CHUNK_BYTES)


def part(samples: int, *, index: int = 0) -> Part:
    return Part(index, struct.pack(f"<{samples}h", *(n % 30_000 for n in range(samples))), 22_050, "hello")


def sent(spoken: Part, mode: Mode) -> list[Frame]:
    return [unpack(data) for data in frames(spoken, mode=mode, request_id=7, take_id="t1")]


@given(FRAMES)
def test_what_is_packed_is_unpacked(frame):
    assert unpack(pack(frame)) == frame


def test_a_message_is_laid_out_as_the_protocol_says():
    data = pack(Frame(0, "t01", 2, 3, b"\x01\x02"))
    told = b'{"take_id":"t01","part_id":2,"chunk_id":3,"request_id":0}'
    assert data == b"JSON" + len(told).to_bytes(4, "little") + told + b"\x01\x02"


def test_without_chunks_nothing_is_said_of_chunks():
    assert b"chunk_id" not in pack(Frame("a", "t01", 0, None, b""))


@pytest.mark.parametrize("request_id", [0, 1, "0", "1", ""])
def test_an_id_keeps_its_kind(request_id):
    found = unpack(pack(Frame(request_id, None, 0, None, b""))).request_id
    assert (found, type(found)) == (request_id, type(request_id))


@given(st.binary(max_size=60))
def test_anything_else_is_refused(data):
    with pytest.raises(InvalidInput):
        unpack(data)


@pytest.mark.parametrize("told", [b"", b"{", b"[]", b"{}", b'{"part_id":0}', b'{"part_id":"0","request_id":0}'])
def test_json_that_does_not_say_what_it_is_of_is_refused(told):
    with pytest.raises(InvalidInput):
        unpack(b"JSON" + len(told).to_bytes(4, "little") + told)


def test_a_length_beyond_the_message_is_refused():
    with pytest.raises(InvalidInput):
        unpack(b"JSON" + (1000).to_bytes(4, "little") + b"{}")


@given(SAMPLES)
def test_a_part_is_one_complete_wav(samples):
    spoken = part(samples, index=3)
    (frame,) = sent(spoken, Mode.PARTS)
    assert frame == Frame(7, "t1", 3, None, wav.encode(spoken.pcm, sample_rate=22_050))


@given(SAMPLES)
def test_chunks_joined_are_the_part(samples):
    spoken = part(samples)
    found = sent(spoken, Mode.CHUNKS)
    assert b"".join(frame.audio for frame in found) == wav.encode(spoken.pcm, sample_rate=22_050)


@given(SAMPLES)
def test_chunks_are_numbered_and_end_without_audio(samples):
    found = sent(part(samples), Mode.CHUNKS)
    assert [frame.chunk_id for frame in found] == list(range(len(found)))
    assert [bool(frame.audio) for frame in found] == [True] * (len(found) - 1) + [False]


@given(SAMPLES)
def test_chunks_have_4096_bytes_of_sound_and_the_last_one_less(samples):
    first, *rest, _ = [frame.audio for frame in sent(part(samples), Mode.CHUNKS)]
    sizes = [len(first) - wav.HEADER_BYTES, *map(len, rest)]
    assert all(size == 4096 for size in sizes[:-1])
    assert sizes[-1] <= 4096


@given(SAMPLES)
def test_the_header_of_a_chunked_part_tells_the_length_of_the_part(samples):
    first, *_ = sent(part(samples), Mode.CHUNKS)
    assert wav.parse_header(first.audio).data_bytes == 2 * samples
    assert wav.parse_header(first.audio).data_start == 44


def test_the_end_of_a_take_is_an_empty_part():
    data = end(mode=Mode.PARTS, request_id=0, take_id="t1", parts=2)
    assert unpack(data) == Frame(0, "t1", 2, None, b"")


def test_the_end_of_a_take_in_chunks_is_an_empty_chunk_of_an_empty_part():
    data = end(mode=Mode.CHUNKS, request_id=0, take_id="t1", parts=2)
    assert unpack(data) == Frame(0, "t1", 2, 0, b"")


@pytest.mark.parametrize("mode", Mode)
def test_half_a_sample_is_refused(mode):
    with pytest.raises(InvalidAudio):
        list(frames(Part(0, b"\x00", 22_050, "x"), mode=mode, request_id=0, take_id="t1"))
