"""What a call platform reports: one request, of whatever form, and the fields by which it is found again."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from itertools import islice
from typing import Final
from urllib.parse import parse_qsl

import msgspec

MAX_KEPT_BYTES: Final = 16 * 1024
"""Of a body; what is longer is kept up to here. The events of a platform have less than one KB."""
MAX_FIELDS: Final = 64
"""By which one report is found, the first ones."""

Pairs = tuple[tuple[str, str], ...]


class Kind(StrEnum):
    """What a body is."""

    JSON = "json"
    """An object, or any other value."""
    FORM = "form"
    TEXT = "text"
    """None of these: damaged JSON, whatever was meant."""
    EMPTY = "empty"


@dataclass(frozen=True, slots=True)
class Arrival:
    """A report as it came."""

    received_ms: int
    """Since the epoch."""
    method: str
    query: bytes
    """As it stands in the URL."""
    body: bytes
    kind: Kind
    signed: bool
    """Whether it was verified who sent it."""
    fields: Pairs
    """Of the query, and of the top level of an object or a form. A value that is no text is what JSON writes for it;
    lists and objects are none."""


@dataclass(frozen=True, slots=True)
class Callback:
    """A report as it is kept."""

    id: int
    """Higher than that of those before it."""
    received_ms: int
    method: str
    query: bytes
    body: bytes
    """At most `MAX_KEPT_BYTES`, the first ones."""
    size: int
    """Bytes of the whole body."""
    kind: Kind
    signed: bool

    @property
    def truncated(self) -> bool:
        """Whether there was more."""
        return self.size > len(self.body)


def read(
    *, received_ms: int, method: str, query: bytes, body: bytes, form: bool = False, signed: bool = False
) -> Arrival:
    """Read a request. JSON is JSON under any name; `form` says that its sender calls it a form."""
    kind, fields = _fields_of(body, form=form)
    pairs = tuple(islice(dict.fromkeys([*pairs_of(query), *fields]), MAX_FIELDS))
    return Arrival(received_ms, method, query, body, kind, signed, pairs)


def pairs_of(form: bytes) -> Pairs:
    """Return what a query or a form says, as far as it can be read."""
    return tuple(parse_qsl(form.decode("latin-1"), keep_blank_values=True, separator="&"))


def object_of(pairs: Pairs) -> dict[str, str | list[str]]:
    """Return pairs as an object, in their order; a name that comes more than once has a list."""
    values: dict[str, list[str]] = {}
    for name, value in pairs:
        values.setdefault(name, []).append(value)
    return {name: given if len(given) > 1 else given[0] for name, given in values.items()}


def key_of(name: str, value: str) -> int:
    """Return the number of 64 bits, signed, under which a field and its value are looked up.

    So a value of any length fits into an index. Two that are taken for one are found once in 2^64.
    """
    digest = hashlib.sha256(f"{len(name)}:{name}{value}".encode()).digest()
    return int.from_bytes(digest[:8], "big", signed=True)


def _fields_of(body: bytes, *, form: bool) -> tuple[Kind, Iterable[tuple[str, str]]]:
    if not body:
        return Kind.EMPTY, ()
    try:
        body.decode()  # which Raw does not look at
        value = bytes(msgspec.json.decode(body, type=msgspec.Raw))
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return (Kind.FORM, pairs_of(body)) if form else (Kind.TEXT, ())
    return Kind.JSON, _scalars(value) if value.startswith(b"{") else ()


def _scalars(value: bytes) -> Iterable[tuple[str, str]]:
    for name, part in msgspec.json.decode(value, type=dict[str, msgspec.Raw]).items():
        text = bytes(part)
        if text.startswith(b'"'):
            yield name, msgspec.json.decode(text, type=str)
        elif not text.startswith((b"[", b"{")):
            yield name, text.decode()
