import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.calls.callback_line import MAX_CHARACTERS, line
from tests.calls.stores import report


def test_json_is_told_in_one_line():
    assert line(report(b'{\n "foo": "bar",\n "number": 42\n}')) == {
        "method": "POST", "kind": "json", "bytes": 32, "body": '{"foo":"bar","number":42}', "signed": False,
    }  # fmt: skip


def test_a_query_and_a_form_are_told_as_pairs():
    told = line(report(b"status=answered&to=%2B44", query=b"call=7&x=%0A", form=True))

    assert told["query"] == "call=7&x=\n" and told["body"] == "status=answered&to=+44"


@pytest.mark.parametrize(
    "name",
    ["token", "access_token", "secret", "client-secret", "password", "passwd", "Authorization", "api_key", "apiKey",
     "signature", "sig", "key", "jwt", "Set-Cookie", "credentials"],
)  # fmt: skip
def test_values_of_secret_names_are_hidden(name):
    nested = json.dumps({name: "hunter2", "list": [{name: {"deep": "hunter2"}}], "keyboard": "seen"}).encode()

    assert "hunter2" not in str(line(report(nested))) and "seen" in str(line(report(nested)))
    assert "hunter2" not in str(line(report(f"{name}=hunter2".encode(), form=True, query=f"{name}=hunter2".encode())))


def test_tokens_are_hidden_wherever_they_stand():
    jwt = "eyJhbGciOiJIUzI1NiJ9.eyJpc3MiOiJWb25hZ2UifQ.c2lnbmF0dXJl"

    told = str(line(report(json.dumps({"text": f"see {jwt}", "note": "sk_0123456789abcdef"}).encode())))

    assert "eyJ" not in told and "0123456789" not in told and "see ***" in told


@pytest.mark.parametrize("body", [b"password hunter2", b"\0\x1b[31m", b"{", b"[" * 900 + b"]" * 900])
def test_of_what_cannot_be_read_only_the_size_is_told(body):
    assert line(report(body)).keys() == {"method", "kind", "bytes", "signed"}
    assert line(report(body))["bytes"] == len(body)


def test_a_line_is_bounded():
    long = json.dumps({"text": "x" * 5000}).encode()

    assert len(str(line(report(long))["body"])) == MAX_CHARACTERS + 1
    assert "body" not in line(report(json.dumps({"text": "x" * 50_000}).encode()))


@given(st.binary(), st.binary())
def test_every_report_has_a_line(query, body):
    assert len(str(line(report(body, query=query, form=True)))) < 5 * MAX_CHARACTERS
