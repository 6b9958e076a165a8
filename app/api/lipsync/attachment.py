"""A file within a request: in base64 within a message, or as it is in a form."""

import binascii
import io
import threading
import time
from dataclasses import dataclass
from typing import Protocol

from pybase64 import b64decode

from app.api.lipsync.outline import Span
from app.errors import InvalidInput
from app.lipsync.handover import check

_SLICE_CHARACTERS = 2**19
"""Of base64 that are decoded at once: nothing else runs meanwhile, for a millisecond. Divisible by 4."""
_BREATH_SECONDS = 0.0002
"""Between them: who waits for the interpreter needs time to wake up, and would else wait 5 ms, or many times that."""


class Attachment(Protocol):
    """A file that may be read."""

    @property
    def size(self) -> int:
        """Bytes of the file, as far as can be told before it is read."""
        ...

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to be read."""
        ...

    def read(self, stop: threading.Event) -> bytes:
        """Return the file. Takes half a second for the largest: call it in a thread.

        Raises:
            InvalidInput: it is no base64.
            Stopped: the event was set.
        """
        ...


@dataclass(frozen=True, slots=True)
class Enclosed:
    """A file as it is."""

    data: bytes

    @property
    def size(self) -> int:
        """Bytes."""
        return len(self.data)

    @property
    def is_empty(self) -> bool:
        """Whether it has none."""
        return not self.data

    def read(self, stop: threading.Event) -> bytes:
        """Return it."""
        return self.data


@dataclass(frozen=True, slots=True)
class Encoded:
    """A file in strict base64 (RFC 4648, 4)."""

    span: Span[str] | Span[bytes]

    @classmethod
    def of(cls, text: str) -> "Encoded":
        """Take base64 that is a text by itself."""
        return cls(Span(text, 0, len(text)))

    @property
    def size(self) -> int:
        """Bytes: what so much base64 makes, if it is some."""
        end = self.span.cut(max(len(self.span) - 2, 0), len(self.span))
        padding = end.count("=") if isinstance(end, str) else end.count(b"=")
        return len(self.span) // 4 * 3 - padding

    @property
    def is_empty(self) -> bool:
        """Whether there is no base64 at all."""
        return not len(self.span)

    def read(self, stop: threading.Event) -> bytes:
        """Decode it in slices, so that other threads run in between; see `Attachment`."""
        decoded, left = io.BytesIO(), b""
        try:
            for start in range(0, len(self.span), _SLICE_CHARACTERS):
                check(stop)
                is_last = start + _SLICE_CHARACTERS >= len(self.span)
                text, left = _cut(left + _ascii(self.span.cut(start, start + _SLICE_CHARACTERS)), is_last)
                decoded.write(b64decode(text, validate=True))
                if not is_last:
                    time.sleep(_BREATH_SECONDS)
        except ValueError as error:
            raise InvalidInput(f"Invalid base64 encoding: {error}") from error
        return decoded.getvalue()  # the buffer itself: copying 50 MB would stop everybody for 30 ms


def _cut(text: bytes, is_last: bool) -> tuple[bytes, bytes]:
    """Return what can be decoded by itself, without the backslashes that JSON may have before `/`, and the rest."""
    held = b"" if is_last or not text.endswith(b"\\") else b"\\"
    text = text.removesuffix(held).replace(b"\\/", b"/")
    whole = len(text) if is_last else len(text) // 4 * 4
    if not is_last and b"=" in text[:whole]:
        raise binascii.Error("padding before the end")
    return text[:whole], text[whole:] + held


def _ascii(text: str | bytes) -> bytes:
    return text if isinstance(text, bytes) else text.encode("ascii")
