"""From the phonemes of a voice model, with their times, to the marks of words and phonemes. Pure."""

import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from app.tts.speech import Mark, MarkKind
from app.tts.spoken_words import SpokenWord, is_sound

STRESS = "ˈˌ"
"""Stands before the syllable that it belongs to, and is no sound."""


@dataclass(frozen=True, slots=True)
class Timed:
    """A symbol of a model's alphabet (a phoneme, a space, a punctuation mark) and when it is heard, in seconds."""

    symbol: str
    start: float
    end: float


def groups_of(symbols: Iterable[str]) -> list[str]:
    """Return the words of phonemes: what stands between spaces and is more than punctuation."""
    words = "\0".join(symbols).replace("\0 \0", "\n").split("\n")
    return [word.replace("\0", "").strip() for word in words if any(map(is_sound, word))]


def align(timed: Sequence[Timed], words: Sequence[SpokenWord] = ()) -> tuple[Mark, ...]:
    """Return a mark for each phoneme, and one for each word before its first phoneme.

    `words` are in order; their numbers count the groups of `timed` in which something sounds.
    """
    spoken = [phonemes for group in _groups(timed) if (phonemes := _phonemes(group))]
    named = {word.first: word for word in words}
    marks: list[Mark] = []
    for index, phonemes in enumerate(spoken):
        word = named.get(index)
        if word is not None and word.end <= len(spoken):
            marks.append(Mark(MarkKind.WORD, word.text, phonemes[0].start, spoken[word.end - 1][-1].end))
        marks.extend(phonemes)
    return tuple(marks)


def _groups(timed: Sequence[Timed]) -> list[list[Timed]]:
    groups: list[list[Timed]] = [[]]
    for each in timed:
        if each.symbol.isspace():
            groups.append([])
        else:
            groups[-1].append(each)
    return groups


def _phonemes(group: Sequence[Timed]) -> list[Mark]:
    """Leave out what is no sound; lengths and tones belong to the phoneme before them."""
    marks: list[Mark] = []
    for each in group:
        if _is_sound(each.symbol):
            marks.append(Mark(MarkKind.PHONEME, each.symbol, each.start, each.end))
        elif marks and each.symbol not in STRESS and unicodedata.category(each.symbol[:1] or " ")[0] in "LMN":
            marks[-1] = replace(marks[-1], text=marks[-1].text + each.symbol, end=each.end)
    return marks


def _is_sound(symbol: str) -> bool:
    return any(map(is_sound, symbol))
