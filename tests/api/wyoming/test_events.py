import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from wyoming.event import Event as TheirEvent

from app.api.wyoming.events import (
    MAX_DATA_BYTES,
    MAX_LINE_BYTES,
    MAX_PAYLOAD_BYTES,
    Decoder,
    Event,
    encode,
)
from app.errors import InvalidInput

EVENTS = st.lists(
    st.tuples(
        st.sampled_from(["describe", "synthesize", "x"]),
        st.dictionaries(st.text(max_size=5), st.text(max_size=5) | st.integers(-9, 9) | st.none(), max_size=3),
        st.binary(max_size=20),
    ),
    max_size=4,
)


def decoded(*portions: bytes) -> list[Event]:
    decoder = Decoder()
    return [event for portion in portions for event in decoder.receive(portion)]


@given(EVENTS, st.integers(1, 50))
def test_what_is_written_is_read_however_it_is_cut(events, size):
    written = b"".join(encode(type, data, payload) for type, data, payload in events)
    portions = [written[start : start + size] for start in range(0, len(written), size)]
    assert decoded(*portions) == [Event(type, data) for type, data, _ in events]


def test_fields_of_the_line_and_behind_it_are_one():
    line = {"type": "a", "data": {"x": 1, "y": 1}, "data_length": 7, "version": "1.10.2", "payload_length": None}
    assert decoded(json.dumps(line).encode() + b'\n{"y":2}') == [Event("a", {"x": 1, "y": 2})]


def test_a_line_that_their_package_reads():
    written = encode("audio-start", {"rate": 22050})
    line, _, data = written.partition(b"\n")
    header = json.loads(line)
    assert TheirEvent.from_dict(header).type == "audio-start"
    assert (header["data_length"], json.loads(data)) == (len(data), {"rate": 22050})


@pytest.mark.parametrize(
    "raw",
    [
        b"\n",
        b"[]\n",
        b'{"type":1}\n',
        b'{"type":"a","data":[]}\n',
        b'{"type":"a","data_length":"1"}\n',
        b'{"type":"a","data_length":2}\n[]',
        b'{"type":"a","data_length":1}\n{',
        b'{"type":"a","payload_length":-5}\n',
        b'{"type":"\xff"}\n',
        b"[" * 60_000 + b"\n",
        b'{"type":"a","data_length":%d}\n' % (MAX_DATA_BYTES + 1),
        b'{"type":"a","payload_length":%d}\n' % (MAX_PAYLOAD_BYTES + 1),
        b"x" * (MAX_LINE_BYTES + 1),
        b"x" * (MAX_LINE_BYTES + 1) + b"\n",
    ],
)
def test_what_is_no_event_or_too_large_is_refused(raw):
    with pytest.raises(InvalidInput):
        decoded(raw)


@given(st.binary(max_size=200), st.integers(1, 20))
def test_random_bytes_are_refused_or_ignored(raw, size):
    try:
        decoded(*[raw[start : start + size] for start in range(0, len(raw), size)])
    except InvalidInput:
        return


def test_a_payload_is_dropped_as_it_comes():
    decoder = Decoder()
    assert decoder.receive(b'{"type":"a","payload_length":1000000}\n') == [Event("a")]
    for _ in range(99):
        assert decoder.receive(bytes(10_000)) == []
    assert decoder.receive(bytes(10_000) + b'{"type":"b"}\n') == [Event("b")]
    assert not decoder._buffer
