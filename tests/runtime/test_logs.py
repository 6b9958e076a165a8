import io
import json
import logging
import math
import sys
from collections.abc import Iterator

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from app.runtime.logs import (
    MAX_LINE_LENGTH,
    JsonFormatter,
    LineFormatter,
    TextFormatter,
    belonging_to,
    configure,
    escape,
)

NAMES = ("", "uvicorn", "uvicorn.error", "uvicorn.access", "uvicorn.asgi", "websockets", "httpx", "httpcore")


@pytest.fixture(autouse=True)
def untouched_logging() -> Iterator[None]:
    loggers = [logging.getLogger(name) for name in NAMES]
    before = [(list(log.handlers), list(log.filters), log.level, log.propagate) for log in loggers]
    yield
    for log, (handlers, filters, level, propagate) in zip(loggers, before, strict=True):
        log.handlers[:], log.filters[:], log.propagate = handlers, filters, propagate
        log.setLevel(level)


def record(message: str, **extra: object) -> logging.LogRecord:
    made = logging.LogRecord("app.room", logging.INFO, "", 0, message, None, None)
    made.created = 1_800_000_000.25
    vars(made).update(extra)
    return made


def failure(text: str) -> logging.LogRecord:
    try:
        raise KeyError(text)
    except KeyError:
        return record("failed", exc_info=sys.exc_info())


def test_json_line_has_the_record_and_its_fields() -> None:
    line = JsonFormatter().format(record("spoke", fields={"voice": "zh", "samples": 3, "cached": False}))
    assert json.loads(line) == {
        "time": "2027-01-15T08:00:00.250Z",
        "level": "INFO",
        "logger": "app.room",
        "message": "spoke",
        "voice": "zh",
        "samples": 3,
        "cached": False,
    }


def test_text_line_reads_from_left_to_right() -> None:
    line = TextFormatter().format(record("spoke", fields={"voice": "a b", "samples": 3, "who": None, "to": ""}))
    assert line == '2027-01-15T08:00:00.250Z INFO app.room spoke voice="a b" samples=3 who=null to=""'


def test_lines_tell_the_request_and_connection_they_belong_to() -> None:
    with belonging_to(connection_id="c1"), belonging_to(request_id="r1"):
        line = json.loads(JsonFormatter().format(record("inside")))
    assert (line["request_id"], line["connection_id"]) == ("r1", "c1")
    assert "request_id" not in json.loads(JsonFormatter().format(record("outside")))


def test_inner_id_gives_way_to_the_outer_one_again() -> None:
    with belonging_to(request_id="outer"):
        with belonging_to(request_id="inner"):
            pass
        assert "request_id=outer" in TextFormatter().format(record("after"))


def test_fields_cannot_displace_the_record() -> None:
    line = json.loads(JsonFormatter().format(record("true", fields={"message": "false", "level": "DEBUG"})))
    assert (line["message"], line["level"]) == ("true", "INFO")


def test_numbers_that_json_lacks_are_words() -> None:
    line = json.loads(JsonFormatter().format(record("odd", fields={"a": math.nan, "b": 2**64, "c": 0.5})))
    assert (line["a"], line["b"], line["c"]) == ("nan", str(2**64), 0.5)


def test_traceback_is_told_whole() -> None:
    line = json.loads(JsonFormatter().format(failure("why")))
    assert line["traceback"].startswith("Traceback")
    assert line["traceback"].endswith("KeyError: 'why'")


def test_stack_is_told_below_the_message() -> None:
    line = TextFormatter().format(record("where", stack_info="Stack:\n  here"))
    assert line.splitlines()[1:] == ["    | Stack:", "    |   here"]


def test_long_message_keeps_its_beginning_and_traceback_its_end() -> None:
    line = json.loads(JsonFormatter().format(record("begin" + "x" * 100_000)))
    assert line["message"].startswith("begin")
    assert len(line["message"]) > MAX_LINE_LENGTH / 4
    cut = json.loads(JsonFormatter().format(failure("x" * 100_000 + "end")))
    assert cut["traceback"].endswith("end'")


injected = st.text(alphabet=st.sampled_from('ab \n\r\t\x1b\x00\u2028\u202e\ud800"\\=中'))


@given(message=injected, name=injected, value=injected)
def test_law_text_lines_are_one_printable_line(message: str, name: str, value: str) -> None:
    line = TextFormatter().format(record(message, fields={name: value}))
    assert line.isprintable()


@given(injected)
def test_law_every_line_below_the_first_is_barred(text: str) -> None:
    _, *below = TextFormatter().format(record("failed", stack_info=text)).split("\n")
    assert all(line.startswith("    | ") and line.isprintable() for line in below)


values = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), injected, st.just("\x00" * 100_000))


@pytest.mark.parametrize("formatter", [JsonFormatter(), TextFormatter()])
@given(message=injected, fields=st.dictionaries(st.text(), values, max_size=50), trace=injected)
@example(message="m", fields={str(n): 10**4000 + n for n in range(100)}, trace="t" * 100_000)
@example(message="\x00" * 100_000, fields={"x" * 100_000: "\n" * 100_000}, trace="\n" * 100_000)
def test_law_lines_are_bounded(formatter: LineFormatter, message: str, fields: dict[str, object], trace: str) -> None:
    assert len(formatter.format(record(message, fields=fields, stack_info=trace))) <= MAX_LINE_LENGTH


@given(message=injected, fields=st.dictionaries(injected, values, max_size=5))
def test_law_json_lines_are_json_in_one_ascii_line(message: str, fields: dict[str, object]) -> None:
    line = JsonFormatter().format(record(message, fields=fields))
    assert line.isprintable()
    assert line.isascii()
    assert json.loads(line, parse_constant=pytest.fail)["message"] == message


@pytest.mark.parametrize(("text", "escaped"), [("a中", "a中"), ("a\nb", "a\\nb"), ("\x1b[0m", "\\x1b[0m")])
def test_escape(text: str, escaped: str) -> None:
    assert escape(text) == escaped


def test_configured_lines_go_to_the_stream() -> None:
    stream = io.StringIO()
    configure("INFO", json=True, stream=stream)
    logging.getLogger("app.room").info("told %s", "once")
    logging.getLogger("app.room").debug("not told")
    assert [json.loads(line)["message"] for line in stream.getvalue().splitlines()] == ["told once"]


def test_configuring_again_replaces_the_first_configuration_alone() -> None:
    first, second, foreign = io.StringIO(), io.StringIO(), logging.StreamHandler(io.StringIO())
    logging.getLogger().addHandler(foreign)
    configure(logging.INFO, json=True, stream=first)
    configure(logging.INFO, json=False, stream=second)
    logging.getLogger("app.room").info("told")
    assert first.getvalue() == ""
    assert second.getvalue().endswith("INFO app.room told\n")
    assert foreign in logging.getLogger().handlers


@pytest.mark.parametrize("name", ["uvicorn.error", "websockets.client", "httpx", "httpcore.http11"])
def test_libraries_do_not_tell_what_they_would_at_debug(name: str) -> None:
    stream = io.StringIO()
    configure("DEBUG", json=False, stream=stream)
    logging.getLogger(name).debug("authorization: Bearer secret")
    logging.getLogger(name).warning("worth telling")
    assert stream.getvalue().count("\n") == 1


def test_uvicorn_tells_no_access_and_no_handshake() -> None:
    stream = io.StringIO()
    configure("INFO", json=False, stream=stream)
    logging.getLogger("uvicorn.access").info("GET /?token=secret")
    logging.getLogger("uvicorn.error").info('%s - "WebSocket %s" [accepted]', "::1", "/?token=secret")
    logging.getLogger("uvicorn.error").info("Uvicorn running")
    assert "secret" not in stream.getvalue()
    assert "Uvicorn running" in stream.getvalue()


def test_a_formatter_must_say_what_its_line_looks_like() -> None:
    with pytest.raises(NotImplementedError):
        LineFormatter().format(record("m"))
