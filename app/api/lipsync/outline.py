"""The outline of a large JSON message: everything but its long strings, of which it tells where they are.

A parser holds the interpreter for as long as it parses, which is a tenth of a second for 80 MB, and copies all of it.
Here the quotes are looked for window by window, so that other threads run in between; what is between them is left
where it is, and the parser has no more than some kilobytes to read.
"""

import secrets
import threading
from dataclasses import dataclass
from typing import Any, AnyStr, Final, Generic

from app.api.lipsync.messages import JSON, Undecodable
from app.errors import InvalidInput
from app.lipsync.handover import check

LONG_CHARACTERS: Final = 4096
"""Of a string, from which on it is left out."""
OUTLINE_CHARACTERS: Final = 64 * 1024
"""Of all the rest together, at most."""
MOST_QUOTES: Final = 10_000
_WINDOW = 2**20
"""Characters that are searched at once."""
_RUN_WINDOW = 1024


@dataclass(frozen=True, slots=True)
class Span(Generic[AnyStr]):
    """What is between the quotes of a string in a message, escapes and all."""

    message: AnyStr
    start: int
    end: int

    def __len__(self) -> int:
        return self.end - self.start

    def cut(self, start: int, end: int) -> AnyStr:
        """Return a part of it, counted from its own beginning."""
        return self.message[self.start + start : min(self.start + end, self.end)]


@dataclass(frozen=True, slots=True)
class Outline(Generic[AnyStr]):
    """A message without its long strings."""

    text: AnyStr
    """JSON, if the message is; in the place of each long string is its name."""
    spans: dict[str, Span[AnyStr]]
    """The long strings by their names, which nobody can guess."""


def outline(message: AnyStr, stop: threading.Event) -> Outline[AnyStr]:
    """Leave the long strings out of a message. What is no JSON has an outline that is none either, if it has one.

    Raises:
        Undecodable: a string does not end.
        InvalidInput: too much is left, or there are too many strings.
        Stopped: the event was set.
    """
    quote, name = _like(message, '"'), secrets.token_hex(8)
    rest, spans = _Rest(message), dict[str, Span[AnyStr]]()
    at = 0
    for _ in range(MOST_QUOTES):
        begin = _find(message, quote, at, stop)
        if begin < 0:
            rest.keep(len(message))
            return Outline(rest.text, spans)
        end = _closing(message, quote, begin + 1, stop)
        if end - begin > LONG_CHARACTERS:
            span_name = f"{name}-{len(spans)}"
            spans[span_name] = Span(message, begin + 1, end)
            rest.keep(begin + 1)
            rest.skip(end, span_name)
        at = end + 1
    raise InvalidInput(f"the message has more than {MOST_QUOTES} strings")


class _Rest(Generic[AnyStr]):
    """What is kept of a message."""

    def __init__(self, message: AnyStr) -> None:
        self._message: AnyStr = message
        self._parts: list[AnyStr] = []
        self._at = self._size = 0

    @property
    def text(self) -> AnyStr:
        text: AnyStr = _like(self._message, "").join(self._parts)
        return text

    def keep(self, end: int) -> None:
        """Keep all up to here."""
        self._size += end - self._at
        if self._size > OUTLINE_CHARACTERS:
            raise InvalidInput(f"the message has more than {OUTLINE_CHARACTERS} characters beside its files and text")
        self._parts.append(self._message[self._at : end])
        self._at = end

    def skip(self, end: int, name: str) -> None:
        """Leave out all up to here, and write a name in its place."""
        self._parts.append(_like(self._message, name))
        self._at = end


def _closing(message: AnyStr, quote: AnyStr, start: int, stop: threading.Event) -> int:
    """Return where the quote is that ends a string."""
    at = start
    for _ in range(MOST_QUOTES):
        end = _find(message, quote, at, stop)
        if end < 0:
            raise Undecodable("Invalid JSON format: a string does not end", error_type=JSON)
        if _backslashes(message, start, end) % 2 == 0:
            return end
        at = end + 1
    raise InvalidInput(f"a string of the message has more than {MOST_QUOTES} quotes in it")


def _find(message: AnyStr, wanted: AnyStr, at: int, stop: threading.Event) -> int:
    while at < len(message):
        check(stop)
        found = message.find(wanted, at, at + _WINDOW)
        if found >= 0:
            return found
        at += _WINDOW
    return -1


def _backslashes(message: AnyStr, start: int, end: int) -> int:
    """Count those that stand immediately before `end`, down to `start`."""
    backslash, count = _like(message, "\\"), 0
    while end > start:
        window = message[max(start, end - _RUN_WINDOW) : end]
        run = len(window) - len(window.rstrip(backslash))
        count += run
        if run < len(window):
            break
        end -= run
    return count


def _like(message: str | bytes, text: str) -> Any:
    """Return text in the kind of a message."""
    return text if isinstance(message, str) else text.encode()
