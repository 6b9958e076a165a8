import logging
from collections.abc import Mapping

import pytest

from app.runtime.connection_log import PublicLines, logger


def record(*args: object, error: Exception | None = None) -> logging.LogRecord:
    exc_info = (type(error), error, None) if error else None
    line = " ".join("%s" for _ in args)
    return logging.LogRecord("uvicorn", logging.INFO, __file__, 1, line, args, exc_info)


def test_query_is_cut() -> None:
    line = record("127.0.0.1:1234", "/ws/a?token=secret", 403)
    assert PublicLines().filter(line)
    assert line.getMessage() == "127.0.0.1:1234 /ws/a 403"


def test_line_with_named_arguments_is_left() -> None:
    line = record({"code": 1})
    assert isinstance(line.args, Mapping)
    assert PublicLines().filter(line)
    assert line.args == {"code": 1}


@pytest.mark.parametrize(
    ("error", "passes"), [(UnicodeDecodeError("utf-8", b"\xff", 0, 1, "x"), False), (ValueError(), True)]
)
def test_text_of_a_client_that_is_no_text_is_not_logged(error: Exception, passes: bool) -> None:
    assert PublicLines().filter(record(error=error)) is passes


def test_logger_has_the_filter() -> None:
    assert any(isinstance(each, PublicLines) for each in logger.filters)
