import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.calls.callback import MAX_FIELDS, Kind, key_of
from tests.calls.stores import report

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)


def test_an_event_of_a_platform():
    arrival = report(b'{"status":"answered","uuid":"63f6","price":0.0100,"duration":"2","first":true,"network":null}')

    assert arrival.kind is Kind.JSON
    assert dict(arrival.fields) == {
        "status": "answered", "uuid": "63f6", "price": "0.0100", "duration": "2", "first": "true", "network": "null",
    }  # fmt: skip


@pytest.mark.parametrize("body", [b"[1,2]", b"42", b'"text"', b"null", b" true ", b'[{"status":"answered"}]'])
def test_json_that_is_no_object_has_no_fields(body):
    assert report(body).kind is Kind.JSON and report(body).fields == ()


@pytest.mark.parametrize(
    "body",
    [b"{", b"hello", b"{'a':1}", b'{"a":NaN}', b'"\xff"', b'{"a":"\\ud800"}', b"[" * 50_000, b"\0", b"\xef\xbb\xbf{}"],
)
def test_what_cannot_be_read_is_text(body):
    assert report(body).kind is Kind.TEXT and report(body).fields == ()


def test_a_form_is_one_only_if_its_sender_says_so():
    body = b"status=answered&to=%2B4477&empty="

    assert report(body).kind is Kind.TEXT
    assert report(body, form=True).kind is Kind.FORM
    assert report(body, form=True).fields == (("status", "answered"), ("to", "+4477"), ("empty", ""))


def test_json_that_is_called_a_form_is_json():
    """As curl sends it, of which nobody asked otherwise."""
    assert report(b'{"foo": "bar"}', form=True).fields == (("foo", "bar"),)


def test_the_fields_of_the_query_count_too():
    assert report(query=b"status=ringing&status=answered&x=%20").fields == (
        ("status", "ringing"), ("status", "answered"), ("x", " "),
    )  # fmt: skip
    assert report(b'{"a":1}', query=b"call=7").fields == (("call", "7"), ("a", "1"))


def test_there_are_only_so_many_fields():
    body = json.dumps({f"field{n}": n for n in range(1000)}).encode()

    assert report(body).fields == tuple((f"field{n}", str(n)) for n in range(MAX_FIELDS))


@given(st.dictionaries(st.text(), JSON, max_size=8))
def test_every_scalar_of_an_object_is_a_field(content):
    body = json.dumps(content).encode()
    told = {
        name: value if isinstance(value, str) else json.dumps(value)
        for name, value in content.items()
        if not isinstance(value, list | dict)
    }

    assert dict(report(body).fields) == told


@given(st.binary())
def test_nothing_is_too_strange(body):
    arrival = report(body, query=body, form=True)

    assert arrival.body == body
    assert all(isinstance(text, str) and text.encode() is not None for pair in arrival.fields for text in pair)


@given(st.text(), st.text(), st.text(), st.text())
def test_other_fields_have_other_keys(a, b, c, d):
    assert (key_of(a, b) == key_of(c, d)) == ((a, b) == (c, d))
    assert -(2**63) <= key_of(a, b) < 2**63
