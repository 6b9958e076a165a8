"""What SSML's `say-as` makes of a text before it is cleaned: characters one by one, numbers, dates and times.

W3C note "SSML 1.0 say-as attribute values" (2005) and what the big services have beside it. A text that is not what the
markup says it is, is left as it stands: a wrong guess would be worse. The cleaning behind this (`app.tts.text`) reads
Chinese, Japanese and English numbers in words, so that little is left to do here.
"""

import re
from collections.abc import Callable, Mapping
from datetime import date

from app.tts.language import primary

_SEPARATOR = {"zh": "，", "ja": "、"}
_MONTHS = (
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
)

_INTEGER = re.compile(r"\s*([+-]?)(0|[1-9][0-9]{0,2}(?:[, ']?[0-9]{3})*|[0-9]+)\s*", re.ASCII)
_DIGIT_GROUPS = re.compile(r"[0-9]+|\+", re.ASCII)
_DATE_NUMBERS = re.compile(r"\s*([0-9]{1,4})(?:[-/. ]+([0-9]{1,4}))?(?:[-/. ]+([0-9]{1,4}))?\s*", re.ASCII)
_TIME = re.compile(r"\s*([0-9]{1,2})[:.]([0-9]{2})(?:[:.]([0-9]{2}))?\s*([ap]\.?m\.?)?\s*", re.ASCII | re.IGNORECASE)


def read(text: str, *, interpret_as: str, format: str, language: str) -> str:
    """Return the text that is to be spoken in a language (BCP 47); an unknown `interpret_as` changes nothing."""
    reader = _READERS.get(interpret_as.strip().lower())
    return text if reader is None else reader(text, format.strip().lower(), primary(language))


def _cardinal(text: str, format: str, tongue: str) -> str:
    match = _INTEGER.fullmatch(text)
    return match[1] + re.sub("[, ']", "", match[2]) if match else text


def _ordinal(text: str, format: str, tongue: str) -> str:
    match = _INTEGER.fullmatch(text)
    if match is None or match[1]:
        return text
    number = re.sub("[, ']", "", match[2])
    match tongue:
        case "zh":
            return f"第{number}"
        case "ja":
            return f"{number}番目"
        case "en":
            return number + _english_suffix(int(number))
        case "fr" | "de" | "es" | "it" | "pt":
            return f"{number}{'.' if tongue == 'de' else 'e' if tongue == 'fr' else 'º'}"
    return number


def _english_suffix(number: int) -> str:
    if number % 100 in (11, 12, 13):
        return "th"
    return {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")


def _characters(text: str, format: str, tongue: str) -> str:
    return " ".join("".join(text.split()))


def _digits(text: str, format: str, tongue: str) -> str:
    """Separate digits, and groups of them by a short pause: 010-1234 is 0 1 0, 1 2 3 4."""
    groups = _DIGIT_GROUPS.findall(text)
    if not groups:
        return text
    return f"{_SEPARATOR.get(tongue, ',')} ".join(" ".join(group) for group in groups)


def _date(text: str, format: str, tongue: str) -> str:
    match = _DATE_NUMBERS.fullmatch(text)
    if match is None:
        return text
    numbers = [number for number in match.groups() if number is not None]
    order = format if set(format) <= set("ymd") and len(format) == len(numbers) else _order(numbers)
    named = dict(zip(order, (int(number) for number in numbers), strict=False))
    year, month, day = named.get("y"), named.get("m"), named.get("d")
    if len(named) != len(numbers) or not _exists(year, month, day):
        return text
    return _say_date(year, month, day, tongue)


def _order(numbers: list[str]) -> str:
    if len(numbers[0]) == 4:
        return "ymd"[: len(numbers)]
    return "mdy" if len(numbers) == 3 else "md"


def _exists(year: int | None, month: int | None, day: int | None) -> bool:
    try:
        date(year or 2000, month or 1, day or 1)  # 2000 has a 29 February
    except ValueError:
        return False
    return True


def _say_date(year: int | None, month: int | None, day: int | None, tongue: str) -> str:
    if tongue in ("zh", "ja"):
        parts = ((year, "年"), (month, "月"), (day, "日"))
        return "".join(f"{number}{unit}" for number, unit in parts if number is not None)
    if tongue != "en":
        return ".".join(str(number) for number in (day, month, year) if number is not None)
    words = [_MONTHS[month - 1]] if month else []
    if day:
        words.append(f"{day}{_english_suffix(day)}")
    return " ".join(words) + (f"{', ' if words else ''}{year}" if year else "")


def _time(text: str, format: str, tongue: str) -> str:
    match = _TIME.fullmatch(text)
    if match is None or int(match[1]) > 24 or int(match[2]) > 59 or int(match[3] or 0) > 59:
        return text
    hour, minute, second = int(match[1]), int(match[2]), int(match[3] or 0)
    if match[4] and match[4][0].lower() == "p" and hour < 12:
        hour += 12
    if tongue in ("zh", "ja"):
        oclock = "点" if tongue == "zh" else "時"
        return f"{hour}{oclock}" + (f"{minute}分" if minute or second else "") + (f"{second}秒" if second else "")
    return f"{match[1]}:{match[2]}" + (f":{match[3]}" if match[3] else "") + (f" {match[4]}" if match[4] else "")


_READERS: Mapping[str, Callable[[str, str, str], str]] = {
    "cardinal": _cardinal,
    "number": _cardinal,
    "ordinal": _ordinal,
    "characters": _characters,
    "spell-out": _characters,
    "verbatim": _characters,
    "digits": _digits,
    "telephone": _digits,
    "date": _date,
    "time": _time,
}
