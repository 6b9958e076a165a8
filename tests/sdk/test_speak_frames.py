import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.sdk.errors import BrokenReply
from app.sdk.speak_frames import Frame, unpack
from tests.sdk.fake_speak import frame

ids = st.integers(0, 2**53) | st.text(max_size=20)


@given(id=ids, part=st.integers(0, 10_000), chunk=st.none() | st.integers(0, 10_000), audio=st.binary(max_size=100))
def test_what_was_packed_is_unpacked(id: int | str, part: int, chunk: int | None, audio: bytes) -> None:
    assert unpack(frame(id, part, chunk, audio, take_id="tä")) == Frame(str(id), "tä", part, chunk, audio)


@given(st.binary(max_size=64))
def test_anything_else_is_a_broken_reply(message: bytes) -> None:
    with pytest.raises(BrokenReply):
        unpack(message)


@given(st.binary(max_size=64))
def test_metadata_that_are_none_are_a_broken_reply(metadata: bytes) -> None:
    with pytest.raises(BrokenReply):
        unpack(b"JSON" + len(metadata).to_bytes(4, "little") + metadata)


@pytest.mark.parametrize("length", range(len(frame(1, 0, None, b""))))
def test_a_message_that_is_cut_off_is_a_broken_reply(length: int) -> None:
    with pytest.raises(BrokenReply):
        unpack(frame(1, 0, None, b"")[:length])
