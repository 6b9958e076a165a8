import base64
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.api.lipsync.attachment import Enclosed, Encoded
from app.api.lipsync.outline import Span
from app.errors import InvalidInput
from app.lipsync.handover import Stopped

GO_ON, STOP = threading.Event(), threading.Event()
STOP.set()
LARGE = bytes(range(256)) * 12_000


def encoded(data: bytes) -> Encoded:
    return Encoded.of(base64.b64encode(data).decode())


@given(st.binary(max_size=50))
def test_base64_is_what_it_was(data):
    assert encoded(data).read(GO_ON) == data
    assert encoded(data).size == len(data)
    assert encoded(data).is_empty == Enclosed(data).is_empty == (not data)


@pytest.mark.parametrize("kind", [str, str.encode], ids=["text", "bytes"])
@pytest.mark.parametrize("ahead", range(5))
def test_large_base64_is_decoded_in_slices_whatever_escapes_are_at_their_ends(kind, ahead):
    data = b"?" * ahead + LARGE + b"?" * 3_000_000  # which is mostly `Pz8/`
    message = kind('"' + base64.b64encode(data).decode().replace("/", "\\/") + '"')
    assert Encoded(Span(message, 1, len(message) - 1)).read(GO_ON) == data


@pytest.mark.parametrize(
    "text",
    [
        "A",
        "AB=C",
        "QUJD\n",
        "QUJD ",
        "QUJ-",
        "ÄÄÄÄ",
        "QUJ\\",
        "QU\\n0",
        "A" * (2**20 - 4) + "QQ==" + "QUJD",
        "QQ=",
        "=",
    ],
)
def test_what_is_no_base64_is_refused(text):
    with pytest.raises(InvalidInput, match="Invalid base64"):
        Encoded.of(text).read(GO_ON)


def test_nobody_waits_for_what_is_not_wanted_any_more():
    with pytest.raises(Stopped):
        encoded(LARGE).read(STOP)


def test_a_file_is_what_it_is():
    assert (Enclosed(LARGE).size, Enclosed(LARGE).read(GO_ON)) == (len(LARGE), LARGE)
