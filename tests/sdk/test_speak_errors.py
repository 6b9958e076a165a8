import json

import pytest

from app.sdk.errors import RequestFailed
from app.sdk.speak_errors import Denied, InvalidRequest, NotFound, Overloaded, RateLimited, ServerFailed, http_failure


@pytest.mark.parametrize(
    ("detail", "words"),
    [
        ("No such take.", "No such take."),
        ([{"loc": ["body", "text"], "msg": "Field required"}, {"msg": "and more"}], "text: Field required; and more"),
        ([{"loc": ["body"], "msg": "Not JSON"}], "Not JSON"),
        (["odd", 1], "odd; 1"),
        ({"code": 7}, "Unprocessable"),
        ([], "Unprocessable"),
    ],
)
def test_whatever_form_the_detail_has_it_becomes_words(detail: object, words: str) -> None:
    failure = http_failure(422, "Unprocessable", json.dumps({"detail": detail}).encode(), {})

    assert isinstance(failure, InvalidRequest) and failure.message == words
    assert failure.details["detail"] == detail


@pytest.mark.parametrize(
    "told",
    [
        {"detail": [{"loc": ["body", "data", "text"], "msg": "too long"}]},
        {"detail": "data.text: too long", "field": "data.text"},
    ],
)
def test_the_field_that_is_wrong_is_told(told: object) -> None:
    failure = http_failure(422, "", json.dumps(told).encode(), {})

    assert isinstance(failure, InvalidRequest)
    assert (failure.field, failure.message) == ("data.text", "data.text: too long")


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b"null", b"\xff"])
def test_without_a_detail_the_status_speaks(body: bytes) -> None:
    assert str(http_failure(502, "Bad Gateway", body, {})) == "502: Bad Gateway"


@pytest.mark.parametrize(
    ("status", "kind"),
    [(401, Denied), (404, NotFound), (410, NotFound), (429, RateLimited), (503, Overloaded), (504, ServerFailed)],
)
def test_each_status_has_its_kind(status: int, kind: type[RequestFailed]) -> None:
    assert type(http_failure(status, "", b"", {})) is kind
    assert type(http_failure(418, "", b"", {})) is RequestFailed


@pytest.mark.parametrize(("header", "seconds"), [("7", 7.0), ("Fri, 31 Dec 1999 23:59:59 GMT", None), ("", None)])
def test_the_server_may_name_a_time(header: str, seconds: float | None) -> None:
    failure = http_failure(503, "", b"", {"retry-after": header})

    assert isinstance(failure, Overloaded) and failure.retry_after == seconds
