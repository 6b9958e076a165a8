import json

import pytest

from app.sdk.stream import Match, Matched, Problem, Stats, Status
from app.sdk.stream_events import read_event
from tests.sdk.fake_stream import LOST, MATCH, STATS, dumped, error, match, status


def test_the_match_of_the_document_is_read():
    event = read_event(dumped(match()))

    assert event == Matched((Match(**MATCH),), 1234567890.123, Stats(**STATS))


def test_a_track_may_have_no_title_and_no_addresses():
    event = read_event(dumped(match(MATCH | {"title": None, "url": None, "thumbnail_url": None})))

    assert isinstance(event, Matched) and event.matches[0].title is None


def test_status_and_error_of_the_document_are_read():
    assert read_event(dumped(status())) == Status("Streaming processor initialized")
    assert read_event(dumped(error())) == Problem("Processing error: Invalid audio format")


def test_what_the_extension_adds_is_read():
    stopped = read_event(dumped(LOST))

    assert isinstance(stopped, Status) and stopped.has_stopped and not Status("Connected").has_stopped
    assert read_event(dumped(error(detail="NaN"))) == Problem("Processing error: Invalid audio format", "NaN")


def test_what_is_not_known_is_passed_over():
    assert read_event('{"type": "something new"}') is None


@pytest.mark.parametrize(
    "message", ["no JSON", "[]", "null", "{}", b"\xff", '{"type": "match", "data": {"matches": []}}']
)
def test_what_cannot_be_read_is_passed_over(message, caplog):
    assert read_event(message) is None
    assert "cannot be read" in caplog.text


def test_a_match_that_lacks_a_time_is_no_match(caplog):
    message = match({name: value for name, value in MATCH.items() if name != "start_time"})

    assert read_event(json.dumps(message)) is None
