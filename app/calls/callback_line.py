"""What a log line tells of a report: no more than a line, and no secret.

Values whose names say that they are secret are hidden, and tokens wherever they stand. Of text that cannot be read
nothing is told but its size, since nobody knows what is in it.
"""

import re
from typing import Any, Final

import msgspec

from app.calls.callback import MAX_KEPT_BYTES, Arrival, Kind, Pairs, pairs_of

MAX_CHARACTERS: Final = 1000
"""Of a query and of a body."""
HIDDEN: Final = "***"

_SECRET: Final = re.compile(
    r"token|secret|passw|authoriz|api.?key|credential|signature|cookie|jwt|\bsig\b|\bkey\b", re.IGNORECASE
)
_TOKEN: Final = re.compile(r"\beyJ[\w-]{8,}\.[\w-]+\.[\w-]*|\b(?:sk|whsec)_[\w+/=-]{8,}")
"""JWTs, and keys that say what they are."""


def line(arrival: Arrival) -> dict[str, object]:
    """Return the fields of the line."""
    told: dict[str, object] = {"method": arrival.method, "kind": arrival.kind.value, "bytes": len(arrival.body)}
    if arrival.query:
        told["query"] = _short(_told_pairs(pairs_of(arrival.query)))
    if body := _told_body(arrival):
        told["body"] = _short(body)
    return told | {"signed": arrival.signed}


def _told_body(arrival: Arrival) -> str:
    if len(arrival.body) > MAX_KEPT_BYTES:
        return ""
    match arrival.kind:
        case Kind.FORM:
            return _told_pairs(pairs_of(arrival.body))
        case Kind.JSON:
            return _told_json(arrival.body)
        case _:
            return ""


def _told_pairs(pairs: Pairs) -> str:
    return "&".join(f"{name}={HIDDEN if _SECRET.search(name) else value}" for name, value in pairs)


def _told_json(body: bytes) -> str:
    try:
        return msgspec.json.encode(_hide(msgspec.json.decode(body))).decode()
    except (msgspec.MsgspecError, ValueError, RecursionError):  # numbers beyond all bounds, lists in lists in lists
        return ""


def _hide(value: Any) -> Any:
    match value:
        case dict():
            return {name: HIDDEN if _SECRET.search(name) else _hide(inner) for name, inner in value.items()}
        case list():
            return [_hide(inner) for inner in value]
        case _:
            return value


def _short(text: str) -> str:
    text = _TOKEN.sub(HIDDEN, text)
    return text if len(text) <= MAX_CHARACTERS else text[:MAX_CHARACTERS] + "…"
