"""Captions of a speech: its text in cues of at most two lines, shown while their words are heard. Pure.

A cue ends with a sentence or at a pause. What does not fit into one is halved until it does, near the middle and
preferably after a comma, so that no last word is left alone. Sizes and times are those
that subtitling guides agree on (Netflix's, for one): 42 characters a line, 18 where they are wide; 5/6 s to 7 s a cue.
The text of the cues joined is the text that was spoken, up to spaces: words give times, they take nothing away.
"""

import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate

from app.tts.speech import Mark, MarkKind

LINE_WIDTH = 42.0
"""Of narrow characters."""
WIDE = LINE_WIDTH / 18
"""Width of a character that East Asian text sets wide."""
LINES = 2
SHORTEST_SECONDS = 5 / 6
"""A cue that could be shorter stays until the next, or takes the next sentence in."""
LONGEST_SECONDS = 7.0
PAUSE_SECONDS = 0.35
"""Silence between two words at which a cue may end; a comma of most voices is shorter."""
COMMA_WORTH = 0.5
"""How much less even halves may be, as a part of the whole, if the first one ends with a comma."""
FARTHEST_CHARACTERS = 64
"""How far behind the word before it a word is looked for, so that one that was read otherwise misplaces no others."""

_SENTENCE_ENDS = ".!?。！？…।؟\n"
_CLAUSE_ENDS = ",;:，、；：—–،"
_CLOSING = "\"'”’」』）)】》〉]»"


@dataclass(frozen=True, slots=True)
class Word:
    """A word with what follows it up to the next: punctuation and spaces."""

    text: str
    start: float
    """Seconds."""
    end: float
    """Seconds."""


@dataclass(frozen=True, slots=True)
class Cue:
    """What is shown at once."""

    start: float
    """Seconds."""
    end: float
    """Seconds; after `start`, and not after the start of the next cue or the end of the speech."""
    lines: tuple[tuple[Word, ...], ...]


def captions(text: str, marks: Sequence[Mark], *, duration: float) -> list[Cue]:
    """Return the cues of a text that was spoken, with the times of its words; none if none of its words has a time.

    Args:
        text: as it was spoken.
        marks: in order; only words count. One that is not written in the text prolongs the one before it.
        duration: of the speech in seconds.
    """
    groups = list(_groups(_timed(text, marks)))
    limits = [*(group[0].start for group in groups[1:]), duration]
    return [_cue(group, until=until) for group, until in zip(groups, limits, strict=False)]


def width(text: str) -> float:
    """Return how wide a text is, in narrow characters."""
    return sum(WIDE if unicodedata.east_asian_width(character) in "WF" else 1.0 for character in text)


def _timed(text: str, marks: Sequence[Mark]) -> list[Word]:
    """Give every character of the text to the word that it stands in or behind; to the first, what stands before it."""
    flat = " ".join(text.split())
    begins: list[int] = []
    times: list[tuple[float, float]] = []
    place = 0
    for mark in marks:
        written = " ".join(mark.text.split())
        if mark.kind is not MarkKind.WORD or not written:
            continue
        at = flat.find(written, place, place + FARTHEST_CHARACTERS + len(written))
        if at >= 0:
            begins.append(_opening(flat, at))
            times.append((mark.start, mark.end))
            place = at + len(written)
        elif times:
            times[-1] = times[-1][0], mark.end
    edges = zip([0, *begins[1:]], [*begins[1:], len(flat)], strict=True) if begins else ()
    return [Word(flat[begin:end], *time) for (begin, end), time in zip(edges, times, strict=True)]


def _opening(text: str, at: int) -> int:
    """Return where the brackets and quotes before a word begin."""
    while at and unicodedata.category(text[at - 1]) in ("Ps", "Pi", "Sc", "Sm"):
        at -= 1
    return at


def _groups(words: Sequence[Word]) -> Iterator[Sequence[Word]]:
    """Yield the words of each cue."""
    for sentence in _sentences(words):
        yield from _parts(sentence)


def _sentences(words: Sequence[Word]) -> Iterator[Sequence[Word]]:
    """Yield what is between ends of sentences and pauses; short ones together."""
    sentence: list[Word] = []
    for word in words:
        if sentence and _ends(sentence, word):
            yield sentence
            sentence = []
        sentence.append(word)
    if sentence:
        yield sentence


def _parts(words: Sequence[Word]) -> list[Sequence[Word]]:
    """Halve until it fits; words that are heard at the same time stay together."""
    places = [count for count in range(1, len(words)) if words[count].start > words[count - 1].start]
    if _fits(words) or not places:
        return [words]
    ends = list(accumulate(width(word.text) for word in words))
    best = min(places, key=lambda count: _unevenness(ends[count - 1], ends[-1] - ends[count - 1], words[count - 1]))
    return _parts(words[:best]) + _parts(words[best:])


def _fits(group: Sequence[Word]) -> bool:
    return group[-1].end - group[0].start <= LONGEST_SECONDS and len(_fill(group)) <= LINES


def _unevenness(left: float, right: float, last: Word) -> float:
    """Return 0 for halves of the same width, 1 for nothing and all; less if `last` ends the left with a comma."""
    worth = COMMA_WORTH if _closes(last.text, _CLAUSE_ENDS + _SENTENCE_ENDS) else 0.0
    return abs(left - right) / max(left + right, 1.0) - worth


def _ends(group: Sequence[Word], following: Word) -> bool:
    """Tell whether a cue ends before the following word although that would fit."""
    if following.start - group[0].start < SHORTEST_SECONDS:
        return False
    return _closes(group[-1].text, _SENTENCE_ENDS) or following.start - group[-1].end >= PAUSE_SECONDS


def _closes(text: str, marks: str) -> bool:
    return text.rstrip().rstrip(_CLOSING).endswith(tuple(marks))


def _cue(group: Sequence[Word], *, until: float) -> Cue:
    start = group[0].start
    return Cue(start, min(max(group[-1].end, start + SHORTEST_SECONDS), until), _lines(group))


def _lines(group: Sequence[Word]) -> tuple[tuple[Word, ...], ...]:
    """Return one line if all fits on it; of the two that fit, the most even; else what it takes."""
    pieces = [piece for word in group for piece in _pieces(word)]
    filled = _fill(group)
    if len(filled) != LINES:
        return filled
    pairs = [(tuple(pieces[:count]), tuple(pieces[count:])) for count in range(1, len(pieces))]
    fitting = [pair for pair in pairs if max(map(_width, pair)) <= LINE_WIDTH]
    return min(fitting, key=lambda pair: _unevenness(_width(pair[0]), _width(pair[1]), pair[0][-1]))


def _fill(group: Sequence[Word]) -> tuple[tuple[Word, ...], ...]:
    """Fill line after line."""
    lines: list[list[Word]] = [[]]
    filled = 0.0
    for piece in (piece for word in group for piece in _pieces(word)):
        if lines[-1] and filled + width(piece.text.rstrip()) > LINE_WIDTH:
            lines.append([])
            filled = 0.0
        lines[-1].append(piece)
        filled += width(piece.text)
    return tuple(map(tuple, lines))


def _pieces(word: Word) -> list[Word]:
    """Cut a word that is wider than a line; its pieces are heard when it is."""
    if width(word.text.rstrip()) <= LINE_WIDTH:
        return [word]
    step = int(LINE_WIDTH / WIDE)
    return [Word(word.text[at : at + step], word.start, word.end) for at in range(0, len(word.text), step)]


def _width(line: Sequence[Word]) -> float:
    return width("".join(word.text for word in line).strip())
