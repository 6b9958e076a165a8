"""Log lines: one format for machines, one for people.

Everything uses the standard `logging`; a record may carry `extra={"fields": {...}}`, and each line tells the
request and the connection it belongs to. Three rules hold. A line never tells a body, a query or a credential.
A line is at most `MAX_LINE_LENGTH` characters. And what a stranger sent cannot look like a line of its own:
control and format characters are escaped.
"""

import json
import logging
import math
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Any, Final, TextIO

MAX_LINE_LENGTH: Final = 8192
"""Characters, the line's end and the lines of a traceback included."""

_MAX_FIELDS: Final = 32
_PLAIN_VALUE: Final = re.compile(r"[^\s\"'=]+")

_request_id: ContextVar[str | None] = ContextVar("request_id", default=None)
_connection_id: ContextVar[str | None] = ContextVar("connection_id", default=None)


@contextmanager
def belonging_to(*, request_id: str | None = None, connection_id: str | None = None) -> Iterator[None]:
    """Mark the lines logged inside, in this task and in what it starts, with these ids; None keeps the outer one."""
    tokens = [
        (variable, variable.set(value))
        for variable, value in ((_request_id, request_id), (_connection_id, connection_id))
        if value is not None
    ]
    try:
        yield
    finally:
        for variable, token in tokens:
            variable.reset(token)


class LineFormatter(logging.Formatter):
    """Bounds the length of a line; a subclass says what it looks like.

    Where a record is too long, its longest texts are cut: a message keeps its beginning and a traceback its end.
    """

    def format(self, record: logging.LogRecord) -> str:
        """Return the record as a line."""
        message, trace = record.getMessage(), self._trace(record)
        limit = MAX_LINE_LENGTH
        while True:
            line = self.line(_Parts(record, message, trace, limit))
            if len(line) <= MAX_LINE_LENGTH:
                return line
            limit //= 2

    def line(self, parts: "_Parts") -> str:
        """Return the line that these parts make."""
        raise NotImplementedError

    def _trace(self, record: logging.LogRecord) -> str:
        trace = self.formatException(record.exc_info) if record.exc_info else ""
        return "\n".join(text for text in (trace, record.stack_info) if text)


class _Parts:
    """What a line is made of, each text cut to `limit` characters."""

    def __init__(self, record: logging.LogRecord, message: str, trace: str, limit: int) -> None:
        moment = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        self.time = moment.replace("+00:00", "Z")
        self.level = record.levelname
        self.logger = _cut(record.name, limit)
        self.message = _cut(message, limit)
        self.trace = trace if len(trace) <= limit else "…" + trace[-limit:]
        self.fields: dict[str, Any] = {
            _cut(str(name), limit): value if _is_short(value) else _cut(str(value), limit)
            for name, value in list(getattr(record, "fields", {}).items())[:_MAX_FIELDS]
        }
        for name, variable in (("request_id", _request_id), ("connection_id", _connection_id)):
            value = variable.get()
            if value is not None:
                self.fields[name] = _cut(value, limit)


class JsonFormatter(LineFormatter):
    """One JSON object a line, in ASCII, so that no character of a stranger reaches a terminal as it is."""

    def line(self, parts: _Parts) -> str:
        """Return the line that these parts make."""
        content = {
            **parts.fields,
            "time": parts.time,
            "level": parts.level,
            "logger": parts.logger,
            "message": parts.message,
        }
        if parts.trace:
            content["traceback"] = parts.trace
        return json.dumps(content)


class TextFormatter(LineFormatter):
    """`2026-11-20T10:00:00.000Z INFO app.access request method=GET path=/health`; tracebacks stand below, barred."""

    def line(self, parts: _Parts) -> str:
        """Return the line that these parts make."""
        head = f"{parts.time} {parts.level} {escape(parts.logger)} {escape(parts.message)}"
        words = [head, *(f"{escape(name)}={_quote(value)}" for name, value in parts.fields.items())]
        trace = "".join(f"\n    | {escape(line)}" for line in parts.trace.split("\n")) if parts.trace else ""
        return " ".join(words) + trace


def escape(text: str) -> str:
    """Return `text` with everything that is not printable as an escape: line ends, ESC, bidirectional marks."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def _is_short(value: object) -> bool:
    """Tell what JSON can show as it is: null, true, false and numbers of 64 bits, without NaN and infinity."""
    match value:
        case None:
            return True
        case int():
            return abs(value) < 2**63
        case float():
            return math.isfinite(value)
        case _:
            return False


def _quote(value: object) -> str:
    text = value if isinstance(value, str) else json.dumps(value)
    if _PLAIN_VALUE.fullmatch(text) and text.isprintable():
        return text
    return escape(json.dumps(text, ensure_ascii=False))


def _cut(text: str, limit: int) -> str:
    return text if len(text) <= limit else text[:limit] + "…"


def configure(level: int | str, *, json: bool, stream: TextIO = sys.stderr) -> None:
    """Send every log line of this process to `stream`, in one of the two formats. It may be called again.

    Libraries that would tell too much are tamed: uvicorn's access lines and handshake lines give way to
    `AccessMiddleware`, and below INFO it would print the head of every handshake, credentials included; so would
    httpx and httpcore with the URLs and headers of outgoing calls.
    """
    handler = _Handler(stream)
    handler.setFormatter(JsonFormatter() if json else TextFormatter())
    root = logging.getLogger()
    root.handlers = [other for other in root.handlers if not isinstance(other, _Handler)]
    root.addHandler(handler)
    root.setLevel(level)
    for name in ("uvicorn", "uvicorn.error", "uvicorn.access", "uvicorn.asgi"):
        logger = logging.getLogger(name)
        logger.handlers.clear()
        logger.propagate = name != "uvicorn.access"
    _quieten("uvicorn.error", logging.INFO)
    _quieten("websockets", logging.INFO)
    _quieten("httpx", logging.WARNING)
    _quieten("httpcore", logging.WARNING)
    server = logging.getLogger("uvicorn.error")
    if _tells_no_handshake not in server.filters:
        server.addFilter(_tells_no_handshake)


class _Handler(logging.StreamHandler[TextIO]):
    """The handler that `configure` replaces; those of others stay."""


def _quieten(name: str, least: int) -> None:
    logging.getLogger(name).setLevel(max(least, logging.getLogger().level))


def _tells_no_handshake(record: logging.LogRecord) -> bool:
    """Refuse what uvicorn says of a handshake: these lines have the path with its query."""
    return record.levelno >= logging.INFO and not str(record.msg).startswith('%s - "WebSocket %s"')
