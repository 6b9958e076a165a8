"""Numbers as they are said in Mandarin, written in simplified characters.

- Groups of four digits with 万 (10⁴) and 亿 (10⁸); beyond that 亿 repeats: 10¹² is 一万亿 and 10¹⁶ 一亿亿.
  兆 is avoided: it is 10⁶ to some and 10¹² to others.
- A gap of zeros is one 零 (一百零一, 一万零一十), zeros at the end are silent.
- 十 without 一 only at the very beginning (十五, 十万, but 一百一十五).
- 2 is 两 at the beginning before 千, 万 and 亿 (两千, 两万零二百) and 二 elsewhere (二十, 二百, 三万二千);
  alone it is 二, and 两 when it counts something (`read_count`). Speakers differ on 二百 and 两百; both are right.
- Digit by digit (`read_digits`) for years and codes; on the telephone 1 is 幺, so that it is not taken for 7.
"""

from decimal import Decimal

_DIGITS = "零一二三四五六七八九"
_TO_DIGITS = str.maketrans("0123456789", _DIGITS)
_TO_TELEPHONE = str.maketrans("0123456789", "零幺二三四五六七八九")
_PLACES = ("", "十", "百", "千")

LARGEST = 10**24 - 1
"""The largest integer with a reading; 亿亿亿 says nothing to anyone, so larger ones are read digit by digit."""


def read_integer(value: int) -> str:
    """Read an integer: 10010 is 一万零一十, -2000 负两千; digit by digit beyond `LARGEST`."""
    if value < 0:
        return "负" + read_integer(-value)
    if value > LARGEST:
        return read_digits(str(value))
    words = _read_positive(value) if value else "零"
    if words.startswith("一十"):
        return words[1:]
    if words.startswith("二") and words[1:2] in ("千", "万", "亿"):
        return "两" + words[1:]
    return words


def read_count(value: int) -> str:
    """Read an integer that counts something, in front of its measure word: 2 is 两."""
    return "两" if value == 2 else read_integer(value)


def read_decimal(numeral: str) -> str:
    """Read a numeral of ASCII digits with an optional sign, thousands commas and fraction.

    `1,000.50` is 一千点五零, `-.5` 负零点五, `007` 零零七.
    """
    sign = "负" if numeral[:1] in ("-", "−") else ""
    whole, point, fraction = numeral.lstrip("+-−").replace(",", "").partition(".")
    if len(whole) > 1 and whole.startswith("0"):
        words = read_digits(whole)
    else:
        words = read_integer(_to_int(whole)) if len(whole) <= len(str(LARGEST)) else read_digits(whole)
    return sign + words + ("点" + read_digits(fraction) if point and fraction else "")


def read_digits(digits: str) -> str:
    """Read digit by digit: `2026` is 二零二六."""
    return digits.translate(_TO_DIGITS)


def read_telephone(digits: str) -> str:
    """Read digit by digit with 幺 for 1: `110` is 幺幺零."""
    return digits.translate(_TO_TELEPHONE)


def read_year(year: str) -> str:
    """Read a year or its short form digit by digit, but one digit as a number: `2026` is 二零二六, `98` 九八."""
    return read_integer(int(year)) if len(year) == 1 else read_digits(year)


def read_fraction(numerator: str, denominator: str) -> str:
    """Read a fraction, denominator first: 1/2 is 二分之一."""
    return f"{read_decimal(denominator)}分之{read_decimal(numerator)}"


def read_percent(numeral: str, *, of: str = "百") -> str:
    """Read a percentage: `100` is 百分之百, `-5` 负百分之五; `of` is 千 for per mille."""
    sign = "负" if numeral[:1] in ("-", "−") else ""
    numeral = numeral.lstrip("+-−")
    if of == "百" and numeral == "100":
        return sign + "百分之百"
    return f"{sign}{of}分之{read_decimal(numeral)}"


def read_scaled(numeral: str, scale: int) -> str:
    """Read a numeral times 1000 or so where the result is whole (`1.5`, 1000: 一千五百), else as it comes out."""
    value = Decimal(numeral.replace(",", "")) * scale
    return read_decimal(f"{value.normalize():f}")


def _to_int(digits: str) -> int:
    return int(digits) if digits else 0


def _read_positive(value: int) -> str:
    for unit, word in ((10**8, "亿"), (10**4, "万")):
        if value >= unit:
            high, low = divmod(value, unit)
            return _read_positive(high) + word + _read_rest(low, unit)
    return _read_group(value)


def _read_rest(value: int, unit: int) -> str:
    """Read what follows 万 or 亿: with 零 if its first place is empty."""
    if value == 0:
        return ""
    return ("零" if value < unit // 10 else "") + _read_positive(value)


def _read_group(value: int) -> str:
    """Read 1…9999 with 一十 for 10."""
    words = ""
    for place in range(len(str(value)) - 1, -1, -1):
        digit = value // 10**place % 10
        if digit:
            words += _DIGITS[digit] + _PLACES[place]
        elif words and not words.endswith("零"):
            words += "零"
    return words.rstrip("零")
