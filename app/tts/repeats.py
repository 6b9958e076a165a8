"""Repetition, as chat does it: what is said many times over is spoken a few times."""

import re

# Numerals are left alone: 13333333333 is a telephone number, and 0.00001 has its zeros for a reason.
_NUMERAL = "0-9零〇幺一二两三四五六七八九十百千万亿点"
_RUN = re.compile(rf"([^\W_{_NUMERAL}])\1{{3,}}")
_UNIT = re.compile(r"(.{2,20}?)\1{3,}", re.DOTALL)
_WORDS = re.compile(rf"[^\W_{_NUMERAL}]")

_RUN_KEPT = 3
_UNIT_KEPT = 2
_FEWEST_DUPLICATES = 6
"""A unit of two characters four times over has as many characters that occurred before."""


def squeeze(text: str) -> str:
    """Shorten repetitions: 哈哈哈哈哈 to 哈哈哈, 加油加油加油加油 to 加油加油, "nooooo" to "nooo".

    A character stays at most three times, what takes two to twenty characters at most three times or, if it came four
    times or more, twice. Linear in the length: units are bounded, and so is how deep they nest.
    """
    if len(text) - len(set(text)) < _RUN_KEPT:
        return text
    text = _RUN.sub(lambda run: run[1] * _RUN_KEPT, text)
    while len(text) - len(set(text)) >= _FEWEST_DUPLICATES:
        shorter = _UNIT.sub(_shorten, text)
        if shorter == text:
            break
        text = shorter
    return text


def _shorten(match: re.Match[str]) -> str:
    return match[1] * _UNIT_KEPT if _WORDS.search(match[1]) else match[0]
