"""Numbers in Japanese text, as kana: espeak-ng says 十 as "zu" and cannot read kanji at all."""

import re

_DIGITS = ("ゼロ", "いち", "に", "さん", "よん", "ご", "ろく", "なな", "はち", "きゅう")
_PLACES = ("", "じゅう", "ひゃく", "せん")
_CHANGED = {
    "いちじゅう": "じゅう",
    "いちひゃく": "ひゃく",
    "いちせん": "せん",
    "さんひゃく": "さんびゃく",
    "ろくひゃく": "ろっぴゃく",
    "はちひゃく": "はっぴゃく",
    "さんせん": "さんぜん",
    "はちせん": "はっせん",
}
"""Digit and place together, where their sounds change each other."""
_MYRIADS = ("", "まん", "おく", "ちょう")
_LARGEST = 10**16 - 1

_NUMERAL = r"(?:[0-9]{1,3}(?:,[0-9]{3}){1,7}(?![0-9])|[0-9]++)(?:\.[0-9]++)?"
_NUMBER = re.compile(
    rf"(?P<sign>(?<![A-Za-z0-9.)])[-−])?(?P<before>[¥$€])?(?P<numeral>{_NUMERAL})(?P<after>%|°C|円|年|月|日|時|分|秒|人|回|個|[-~](?=[0-9]))?"
)
_TIME = re.compile(r"(?<![0-9:])([01]?[0-9]|2[0-4]):([0-5][0-9])(?![0-9:])")
_LAUGH = re.compile(r"(?<![A-Za-z])[wW]++(?![A-Za-z])")

_BEFORE = {"¥": "えん", "$": "ドル", "€": "ユーロ"}
_AFTER = {
    "%": "パーセント",
    "°C": "ど",
    "円": "えん",
    "年": "ねん",
    "月": "がつ",
    "日": "にち",
    "時": "じ",
    "分": "ふん",
    "秒": "びょう",
    "人": "にん",
    "回": "かい",
    "個": "こ",
    "-": "から",
    "~": "から",
}
_DOUBLED = (
    ("いち", "いっ"),
    ("ろく", "ろっ"),
    ("はち", "はっ"),
    ("じゅう", "じゅっ"),
    ("ひゃく", "ひゃっ"),
    ("びゃく", "びゃっ"),
)
_COUNTED = {
    "1人": "ひとり",
    "2人": "ふたり",
    "4人": "よにん",
    "4年": "よねん",
    "4月": "しがつ",
    "7月": "しちがつ",
    "9月": "くがつ",
    "4時": "よじ",
    "7時": "しちじ",
    "9時": "くじ",
    "4円": "よえん",
    "1日": "ついたち",
    "2日": "ふつか",
    "3日": "みっか",
    "4日": "よっか",
    "5日": "いつか",
    "6日": "むいか",
    "7日": "なのか",
    "8日": "ようか",
    "9日": "ここのか",
    "10日": "とおか",
    "20日": "はつか",
}
"""Numbers with a counter that are said in a way of their own."""


def read_numbers(text: str) -> str:
    """Return a Japanese text with its ASCII digits, and common counters behind them, as kana; no digit is left.

    `2026年` is にせんにじゅうろくねん, `1:30` いちじさんじゅっぷん, `50%` ごじゅうパーセント. Linear in the length.
    """
    return _NUMBER.sub(_number, _TIME.sub(_time, text))


def read_laughs(text: str) -> str:
    """Return a Japanese text with w and www, which stand for laughter, as わら."""
    return _LAUGH.sub("わら", text)


def read_integer(value: int) -> str:
    """Read an integer in kana: 10300 is いちまんさんびゃく; digit by digit from 10¹⁶ on."""
    if value > _LARGEST:
        return _spell(str(value))
    words = ""
    for myriad in _MYRIADS:
        value, group = divmod(value, 10000)
        if group:
            spoken = _read_group(group)
            # せん alone is a thousand, but ten million is いっせんまん.
            words = ("いっせん" if myriad and group == 1000 else spoken) + myriad + words
    return words or _DIGITS[0]


def _read_group(value: int) -> str:
    words = ""
    for place in (3, 2, 1, 0):
        digit = value // 10**place % 10
        if digit:
            word = _DIGITS[digit] + _PLACES[place]
            words += _CHANGED.get(word, word)
    return words


def _spell(digits: str) -> str:
    return "".join(_DIGITS[int(digit)] for digit in digits)


def _number(match: re.Match[str]) -> str:
    sign = "マイナス" if match["sign"] else ""
    whole, point, fraction = match["numeral"].replace(",", "").partition(".")
    counter = match["after"] or ""
    if not point and whole + counter in _COUNTED:
        return sign + _COUNTED[whole + counter]
    spelt = len(whole) > 16 or (len(whole) > 1 and whole[0] == "0") or (len(whole) > 9 and not whole.endswith("000"))
    words = _spell(whole) if spelt else read_integer(int(whole))
    if point:
        words += "てん" + _spell(fraction)
    return sign + _count(words, counter) + _BEFORE.get(match["before"] or "", "")


def _count(words: str, counter: str) -> str:
    """Append a counter; じゅう before かい, こ and ふん is じゅっ, and ふん after that or after ん is ぷん."""
    spoken = _AFTER.get(counter, "")
    doubled = (
        next((short for end, short in _DOUBLED if words.endswith(end)), None) if counter in ("回", "個", "分") else None
    )
    if doubled is not None:
        words = words[: -len(doubled)] + doubled
    return words + ("ぷん" if counter == "分" and words[-1] in "っん" else spoken)


def _time(match: re.Match[str]) -> str:
    minutes = "" if match[2] == "00" else f"{int(match[2])}分"
    return f"{int(match[1])}時{minutes}"
