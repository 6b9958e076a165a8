"""Numbers in English text that espeak-ng and its like say in the wrong order, as symbols, or letter by letter.

Plain numbers, decimals, percent and minus are left as they are: they are read well. Every rule leaves what no rule
takes, so that reading twice changes nothing.
"""

import re
from collections.abc import Callable

_NUMERAL = r"(?:[0-9]{1,3}(?:,[0-9]{3}){1,7}(?![0-9])|[0-9]++)(?:\.[0-9]++)?"
_START = r"(?<![0-9])(?<![0-9][.,])(?<![A-Za-z])"

_CURRENCIES = {"$": "dollar", "€": "euro", "£": "pound", "¥": "yen", "₩": "won", "₽": "ruble", "₹": "rupee"}
_SCALES = {"k": "thousand", "m": "million", "b": "billion", "bn": "billion"}
_UNITS = {
    "km/h": "kilometers per hour",
    "mph": "miles per hour",
    "°c": "degrees Celsius",
    "°f": "degrees Fahrenheit",
    "km": "kilometers",
    "cm": "centimeters",
    "mm": "millimeters",
    "kg": "kilograms",
    "fps": "frames per second",
    "hz": "hertz",
}
_MONTHS = (
    "January", "February", "March", "April", "May", "June",
    "July", "August", "September", "October", "November", "December",
)  # fmt: skip
_FRACTIONS = {"1/2": "one half", "1/3": "one third", "2/3": "two thirds", "1/4": "one quarter", "3/4": "three quarters"}

_MONEY = re.compile(
    rf"(?P<currency>[$€£¥₩₽₹])\s?(?P<numeral>{_NUMERAL})(?:\s?(?P<scale>(?i:bn|[kmb]))(?![A-Za-z0-9]))?"
)
_DATE = re.compile(
    r"(?<![0-9./-])(?:(?P<year>[12][0-9]{3})(?P<mark>[-/])(?P<month>1[0-2]|0?[1-9])(?P=mark)(?P<day>3[01]|[12][0-9]|0?[1-9])"
    r"|(?P<m>1[0-2]|0?[1-9])/(?P<d>3[01]|[12][0-9]|0?[1-9])/(?P<y>[12][0-9]{3}))(?![0-9/-])"
)
_TELEPHONE = re.compile(r"(?<![0-9.,-])\+?[0-9]++(?:-[0-9]++){2,}+")
_RANGE = re.compile(rf"{_START}(?P<low>{_NUMERAL})\s?[-–—~]\s?(?={_NUMERAL})")
_HOUR = re.compile(r"(?<![0-9:.])(1[0-2]|0?[1-9]):00(?![0-9:])(?!\s?[aApP]\.?[mM])")
_SLASHED = re.compile(r"(?<![0-9./])[0-9]++(?:/[0-9]++)++")
_SCALED = re.compile(rf"{_START}(?P<numeral>{_NUMERAL})(?P<scale>k|(?<=[0-9]{{2}})K|(?<=\.[0-9])[KM])(?![A-Za-z0-9])")
_MEASURED = re.compile(rf"{_START}(?P<numeral>{_NUMERAL})\s?(?P<unit>(?i:{'|'.join(_UNITS)}))(?![A-Za-z0-9])")
_YEAR = re.compile(
    r"((?i:\b(?:in|since|year|until|till|by|from|late|early|spring|summer|autumn|fall|winter)) )(1[1-9]|20)([1-9][0-9])"
    r"(?![0-9.,:%])(?! (?:people|viewers|dollars|points|years|of))"
)
_ORDER = re.compile(r"(?<![\w#])#(?=[0-9])")


def read_numbers(text: str) -> str:
    """Return an English text with money, dates, ranges, scales and units as they are said.

    `$20` is "20 dollars", `3-5` "3 to 5", `20k` "20 thousand", `2026-11-20` "November 20, 2026". Linear in the length.
    """
    for marks, pattern, read in _RULES:
        if any(mark in text for mark in marks):
            text = pattern.sub(read, text)
    return text


def _money(match: re.Match[str]) -> str:
    scale = _SCALES[match["scale"].lower()] if match["scale"] else ""
    currency = _CURRENCIES[match["currency"]]
    plural = "" if (match["numeral"] == "1" and not scale) or currency in ("yen", "won") else "s"
    return " ".join(filter(None, (match["numeral"], scale, currency + plural)))


def _date(match: re.Match[str]) -> str:
    year, month, day = (match[long] or match[short] for long, short in (("year", "y"), ("month", "m"), ("day", "d")))
    return f"{_MONTHS[int(month) - 1]} {int(day)}, {year}"


def _telephone(match: re.Match[str]) -> str:
    return ", ".join(" ".join(part) for part in match[0].lstrip("+").split("-"))


def _slashed(match: re.Match[str]) -> str:
    first, _, second = match[0].partition("/")
    if match[0] in _FRACTIONS:
        return _FRACTIONS[match[0]]
    return f"{first} out of {second}" if second in ("10", "100") else match[0].replace("/", " ")


def _scaled(match: re.Match[str]) -> str:
    return f"{match['numeral']} {_SCALES[match['scale'].lower()]}"


def _measured(match: re.Match[str]) -> str:
    return f"{match['numeral']} {_UNITS[match['unit'].lower()]}"


_RULES: tuple[tuple[str, re.Pattern[str], Callable[[re.Match[str]], str]], ...] = (
    ("$€£¥₩₽₹", _MONEY, _money),
    ("-/", _DATE, _date),
    ("-", _TELEPHONE, _telephone),
    ("-–—~", _RANGE, lambda match: match["low"] + " to "),
    (":", _HOUR, lambda match: match[1] + " o'clock"),
    ("/", _MEASURED, _measured),
    ("/", _SLASHED, _slashed),
    ("kKM", _SCALED, _scaled),
    ("mMgGsSzZ°", _MEASURED, _measured),
    (" ", _YEAR, lambda match: f"{match[1]}{match[2]} {match[3]}"),
    ("#", _ORDER, lambda match: "number "),
)
