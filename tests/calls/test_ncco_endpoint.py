from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.calls.call import RATES
from app.calls.ncco_endpoint import endpoint, phone_digits
from app.errors import InvalidEndpoint, InvalidInput
from tests.calls.vonage import vonage_writes


def connected(address: str, **options: object) -> object:
    action = {"action": "connect", "endpoint": [endpoint(address, **options)], "randomFromNumber": True}  # type: ignore[arg-type]
    assert vonage_writes(action) == action
    return action["endpoint"][0]  # type: ignore[index]


def test_a_websocket_gets_audio_of_its_rate():
    uri = "wss://example.org/ws/echo"

    assert connected(uri) == {"type": "websocket", "uri": uri, "content-type": "audio/l16;rate=16000"}
    for rate in RATES:
        assert connected(uri, rate=rate)["content-type"] == f"audio/l16;rate={rate}"


@pytest.mark.parametrize(
    "query, rate", [("rate=8000", 8000), ("format=l16&rate=24000", 24000), ("rate=44100", 16000), ("rate=", 16000)]
)
def test_the_rate_that_an_address_names_is_the_one(query, rate):
    assert connected(f"wss://example.org/ws/play/a.wav?{query}")["content-type"] == f"audio/l16;rate={rate}"


def test_a_rate_that_is_asked_for_counts_more():
    assert connected("ws://h/ws/echo?rate=8000", rate=24000)["content-type"] == "audio/l16;rate=24000"


def test_headers_go_to_websockets_and_sip():
    headers = {"caller": "ann", "x": "a:b"}

    assert connected("ws://h:8000/a", headers=headers)["headers"] == headers
    assert connected("sip:ann@example.org", headers=headers)["headers"] == headers
    with pytest.raises(InvalidInput) as caught:
        endpoint("447700900000", headers=headers)
    assert caught.value.field == "headers"


@pytest.mark.parametrize(
    "address, uri",
    [
        ("sip:rebekka@sip.example.com", "sip:rebekka@sip.example.com"),
        ("SIP:rebekka@sip.example.com", "sip:rebekka@sip.example.com"),
        ("sips:a@example.com;transport=tls", "sips:a@example.com;transport=tls"),
        ("sip:+447700900000@example.com", "sip:+447700900000@example.com"),
        ("sip: 447700900000@example.com", "sip:+447700900000@example.com"),
    ],
)
def test_a_sip_address(address, uri):
    assert connected(address) == {"type": "sip", "uri": uri}


@pytest.mark.parametrize("address", ["447700900000", "+447700900000", " 447700900000"])
def test_a_phone_number_has_no_plus(address):
    assert connected(address) == {"type": "phone", "number": "447700900000"}


@pytest.mark.parametrize(
    "address",
    [
        "", " ", "+", "0447700900000", "00447700900000", "123456", "1234567890123456", "+44 7700 900000",
        "44-7700900000", "٤٤٧٧٠٠٩٠٠٠٠٠", "447700900000\n", "http://example.org", "wss://", "wss:///path", "ws://:8000/",
        "ws://h:port/", "ws://h:0/", "ws://[::1/", "wss:example.org", "ws://h/\n", "sip:", "sip:+", "sip: <a@b>",
        "sip:a\0@b", "tel:+447700900000", "javascript:1",
    ],
)  # fmt: skip
def test_what_is_no_endpoint_is_refused_in_the_words_of_the_document(address):
    with pytest.raises(InvalidEndpoint, match=r"^Unsupported or invalid endpoint\. Use ws\(s\)://, sip:, or phone"):
        endpoint(address)


@given(st.text() | st.from_regex(r"\A(wss?://|sips?:|\+)[!-~]{0,30}\Z"))
def test_whatever_is_taken_the_platform_takes_too(address):
    with suppress(InvalidEndpoint):
        connected(address)


@given(st.from_regex(r"\A[1-9][0-9]{6,14}\Z"))
def test_digits_stay_what_they_are(number):
    assert phone_digits(number) == phone_digits(f"+{number}") == number
