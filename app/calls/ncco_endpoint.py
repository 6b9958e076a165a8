"""Where a call is connected to, as an NCCO has it: a WebSocket, a SIP address, a phone number.

Source: developer.vonage.com, "NCCO reference", connect; and the models of the package `vonage-voice`, which the tests
hold these to.
"""

import re
from collections.abc import Mapping
from typing import Final
from urllib.parse import parse_qs, urlsplit

from app.calls.call import RATES
from app.errors import InvalidEndpoint, InvalidInput

Endpoint = dict[str, object]

DEFAULT_RATE: Final = 16_000
"""Hz."""

_PHONE: Final = re.compile(r"\+?([1-9][0-9]{6,14})")
"""E.164; an NCCO has it without the plus."""
_SIP: Final = re.compile(r"(sips?):(\+?[\w:.\-@;,=%&][^\s<>\"]*)", re.ASCII | re.IGNORECASE)


def endpoint(address: str, *, rate: int | None = None, headers: Mapping[str, str] | None = None) -> Endpoint:
    """Return the endpoint of an address.

    Args:
        address: of `ws:`, `wss:`, `sip:` or `sips:`, or a phone number with or without its plus. No address has a
            space, so one is a plus that a query was written with and has decoded.
        rate: Hz, one of `call.RATES`, for a WebSocket; without it the `rate` that the address itself names.
        headers: what a WebSocket or a SIP address is told.

    Raises:
        InvalidEndpoint: it is none of them.
        InvalidInput: headers for a phone.
    """
    address = address.replace(" ", "+")
    if not address.isprintable():
        raise InvalidEndpoint
    if address.lower().startswith(("ws://", "wss://")):
        return websocket(address, rate=rate, headers=headers)
    if found := _SIP.fullmatch(address):
        return sip(f"{found[1].lower()}:{found[2]}", headers=headers)
    if headers:
        raise InvalidInput("headers are for WebSockets and SIP addresses", field="headers")
    return phone(address)


def websocket(uri: str, *, rate: int | None = None, headers: Mapping[str, str] | None = None) -> Endpoint:
    """Return a WebSocket that gets the call's audio; see `endpoint`."""
    if not _names_a_host(uri):
        raise InvalidEndpoint
    content_type = f"audio/l16;rate={rate or _rate_of(uri) or DEFAULT_RATE}"
    return {"type": "websocket", "uri": uri, "content-type": content_type} | _headers(headers)


def sip(uri: str, *, headers: Mapping[str, str] | None = None) -> Endpoint:
    """Return a SIP address; the platform puts `X-` before the names of its headers."""
    return {"type": "sip", "uri": uri} | _headers(headers)


def phone(number: str) -> Endpoint:
    """Return a phone number.

    Raises:
        InvalidEndpoint: it is none.
    """
    digits = phone_digits(number)
    if digits is None:
        raise InvalidEndpoint
    return {"type": "phone", "number": digits}


def phone_digits(number: str) -> str | None:
    """Return a phone number as the platform wants it, 7 to 15 digits; None if it is none."""
    found = _PHONE.fullmatch(number.replace(" ", "+"))
    return found[1] if found else None


def _names_a_host(uri: str) -> bool:
    try:
        parts = urlsplit(uri)
        return bool(parts.hostname) and parts.port != 0
    except ValueError:  # a port that is no number, or half an IPv6 address
        return False


def _rate_of(uri: str) -> int | None:
    named = parse_qs(urlsplit(uri).query).get("rate", [""])[-1]
    return next((rate for rate in RATES if str(rate) == named), None)


def _headers(headers: Mapping[str, str] | None) -> Endpoint:
    return {"headers": dict(headers)} if headers else {}
