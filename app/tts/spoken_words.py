"""Which written words are heard in which groups of phonemes. Pure.

Voice models tell when each phoneme is heard, and espeak-ng, which reads for most of them, puts spaces between what it
speaks as a word: `fɚɹə` is "for a", and "25" is two of them. So each written word is read by itself too, and the two
readings are laid side by side where they differ least, as texts are compared (Needleman and Wunsch, 1970), in blocks
of several words to one group or of one word to several groups.
"""

import unicodedata
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate

import regex

STEPS = tuple((1, words) for words in range(1, 5)) + tuple((groups, 1) for groups in range(2, 9))
"""Groups and words of a block: "out of the" is read as one, 1234 as seven."""
STEP_COST = 0.3
"""Of each word or group beyond the first, in letters: the simpler of two that fit alike."""
FARTHEST_LETTERS, FARTHEST_SHARE = 12, 0.1
"""How far the readings may be apart at any place: letters, and share of them all. More is no comparison."""
WORST = 0.5
"""Of the letters may differ; if more do, the words are others than those that were read."""

_WORD = regex.compile(r"[\p{Han}\p{Hiragana}\p{Katakana}]|[^\s\p{Han}\p{Hiragana}\p{Katakana}]+")
_EDGE = regex.compile(r"^\p{P}+|\p{P}+$")


@dataclass(frozen=True, slots=True)
class SpokenWord:
    """One or several written words, and the groups in which they are heard."""

    text: str
    first: int
    """Number of the first group."""
    end: int
    """Number behind that of the last."""


@dataclass(frozen=True, slots=True)
class _Written:
    start: int
    end: int
    letters: str
    """As it is read alone."""


def match(text: str, groups: Sequence[str], read: Callable[[str], str]) -> tuple[SpokenWord, ...]:
    """Return the words of a text in order; none if they cannot be those that were read.

    Args:
        text: as it was read.
        groups: phonemes of what was spoken as one word, each; none is without a sound.
        read: returns the phonemes of a word that is spoken alone.
    """
    words = list(_written(text, read))
    heard = [letters_of(group) for group in groups]
    if not words or not heard:
        return ()
    return tuple(
        SpokenWord(" ".join(text[words[j].start : words[last - 1].end].split()), i, end)
        for i, end, j, last in _blocks(heard, [word.letters for word in words])
    )


def letters_of(phonemes: str) -> str:
    """Return the sounds among phonemes, without stress, length and tone."""
    return "".join(character for character in phonemes if is_sound(character))


def is_sound(character: str) -> bool:
    """Tell whether a character of a phonetic alphabet is a sound."""
    return unicodedata.category(character) in ("Ll", "Lu", "Lo")


def _written(text: str, read: Callable[[str], str]) -> Iterator[_Written]:
    for found in _WORD.finditer(text):
        word = found[0]
        head = _EDGE.match(word)
        start = found.start() + (head.end() if head else 0)
        end = start + len(_EDGE.sub("", word))
        letters = letters_of(read(text[start:end])) if end > start else ""
        if letters:
            yield _Written(start, end, letters)


def _blocks(heard: Sequence[str], words: Sequence[str]) -> list[tuple[int, int, int, int]]:
    """Return from and to which group and from and to which word each block goes; none if they differ too much."""
    heard_until, read_until = ([0, *accumulate(map(len, side))] for side in (heard, words))
    farthest = FARTHEST_LETTERS + FARTHEST_SHARE * max(heard_until[-1], read_until[-1])
    best: dict[tuple[int, int], tuple[float, tuple[int, int]]] = {(0, 0): (0.0, (0, 0))}
    for i in range(len(heard)):
        for j in range(len(words)):
            if (i, j) not in best:
                continue
            for more_heard, more_read in STEPS:
                to = i + more_heard, j + more_read
                if to[0] > len(heard) or to[1] > len(words):
                    continue
                if abs(heard_until[to[0]] - read_until[to[1]]) > farthest:
                    continue
                distance = _distance("".join(heard[i : to[0]]), "".join(words[j : to[1]]))
                cost = best[i, j][0] + distance + STEP_COST * (more_heard + more_read - 2)
                if to not in best or cost < best[to][0]:
                    best[to] = cost, (i, j)
    at = len(heard), len(words)
    if at not in best or best[at][0] > WORST * read_until[-1]:
        return []
    blocks = []
    while at != (0, 0):
        before = best[at][1]
        blocks.append((before[0], at[0], before[1], at[1]))
        at = before
    return blocks[::-1]


@lru_cache(maxsize=4096)
def _distance(one: str, other: str) -> float:
    """Return by how many letters two readings differ, wherever in them."""
    if one == other:
        return 0.0
    return max(len(one), len(other)) - (Counter(one) & Counter(other)).total()
