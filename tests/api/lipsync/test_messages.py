import base64
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.api.lipsync import messages
from app.api.lipsync.messages import Cancel, Ping, Process, decode_base64
from app.errors import InvalidInput
from app.lipsync.clip import Portrayal, Progress

GOLDEN = Path(__file__).parents[2] / "golden" / "lipsync"
BOUNDS = {"max_audio_bytes": 1000, "max_image_bytes": 1000}
PORTRAYAL = Portrayal(
    "warp", "nota_wav2lip", "no weights", 2, False, 150, 6.0, 25.0, 512, 512, "avc1.64001e", 45.2, 12.5, b"video", 5
)


def golden(name):
    return json.loads((GOLDEN / f"{name}.json").read_text())


@pytest.mark.parametrize(("name", "kind"), [("process", Process), ("ping", Ping), ("cancel", Cancel)])
def test_the_document_s_requests_are_read(name, kind):
    assert isinstance(messages.decode(json.dumps(golden(name))), kind)


def test_the_document_s_options_reach_the_engine():
    request = golden("process") | {"audio_base64": "QUJD", "image_base64": "REVG"}
    order = messages.decode(json.dumps(request)).order(**BOUNDS)
    assert (order.audio, order.image, order.model) == (b"ABC", b"DEF", "nota_wav2lip")
    assert (order.pads, order.resize_factor, order.smooth) == ((0, 10, 0, 0), 1, True)


@pytest.mark.parametrize("options", [None, {}, dict.fromkeys(messages.Options.__struct_fields__)])
def test_what_is_absent_or_null_is_the_default(options):
    request = {"type": "process", "audio_base64": "QUJD", "image_base64": "REVG", "options": options}
    order = messages.decode(json.dumps(request)).order(**BOUNDS)
    assert (order.model, order.pads, order.smooth, order.fps, order.face) == (
        "nota_wav2lip",
        (0, 10, 0, 0),
        True,
        25,
        None,
    )


@pytest.mark.parametrize(
    ("name", "written"),
    [
        ("connection", messages.encode_connection("id")),
        ("pong", messages.encode_pong(1.5)),
        ("progress", messages.encode_progress(75.5, "so far", timestamp=1.5)),
        ("result", messages.encode_result("abc123", PORTRAYAL, seconds=12.5, timestamp=1.5)),
        ("error", messages.encode_error("json_error", "no", timestamp=1.5)),
        ("cancelled", messages.encode_cancelled()),
        ("info", messages.encode_info(messages.NOTHING_TO_CANCEL)),
    ],
)
def test_replies_have_the_fields_of_the_document(name, written):
    told, wanted = json.loads(written), golden(name)
    assert wanted.keys() <= told.keys()
    for key, value in wanted.items():
        kinds = (int, float) if isinstance(value, int | float) else type(value)
        assert isinstance(told[key], kinds)
    if name in ("connection", "cancelled", "info"):
        assert told["message"] == wanted["message"]


def test_drawing_goes_from_a_quarter_to_near_the_end():
    percents = [
        json.loads(messages.encode_drawing(Progress(frames, 100), timestamp=0))["progress"] for frames in (0, 50, 120)
    ]
    assert percents == [25, 60, 95]


@given(st.binary(max_size=50))
def test_base64_is_what_it_was(data):
    assert decode_base64(base64.b64encode(data).decode()) == data


def test_large_base64_is_decoded_in_slices():
    data = bytes(range(256)) * 12_000
    assert decode_base64(base64.b64encode(data).decode()) == data


@pytest.mark.parametrize("text", ["A", "AB=C", "QUJD\n", "QUJD ", "QUJ-", "ÄÄÄÄ", "A" * (2**20 - 4) + "QQ==" + "QUJD"])
def test_what_is_no_base64_is_refused(text):
    with pytest.raises(InvalidInput, match="Invalid base64"):
        decode_base64(text)


@pytest.mark.parametrize(("size", "fits"), [(1000, True), (1001, False)])
def test_sizes_are_judged_before_decoding(size, fits):
    request = Process(audio_base64=base64.b64encode(bytes(size)).decode(), image_base64="QUJD")
    if fits:
        request.order(**BOUNDS)
        return
    with pytest.raises(InvalidInput, match="Audio file too large"):
        request.order(**BOUNDS)
