"""A text in parts: where it is cut, and the silence in which each part ends.

A part is a sentence; one that is too long ends at clause marks, then at spaces. Voices leave anything from none to a
second of silence behind what they say, so it is brought within bounds: parts that are played one after another then
sound like one speech.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from app.audio.pcm import SAMPLE_BYTES, Pcm, from_bytes, to_bytes
from app.audio.splice import FADE_SECONDS, fade, sounding
from app.tts import pieces

PART_CHARACTERS = 240
"""Of the longest part: some 20 s of speech, and 40 s of Chinese."""

SENTENCE_REST, CLAUSE_REST = 0.3, 0.12
"""Seconds of silence at the end of a part, at least."""
MOST_REST = 0.6
"""Seconds of silence at the end of a part, at most."""

_WINDOW = 3
"""Longest parts that are looked at at once, half a millisecond's work. Within two or more of them there is always a cut
that does not depend on where the window ends; within fewer there may be none."""

_FIRST_WINDOW = 2 / 3
"""Of a longest part: a sentence or two, so that the first one is found soon."""


@dataclass(frozen=True, slots=True)
class Piece:
    """What becomes one part, or none if it has nothing to be spoken."""

    text: str
    """As it was written, with the white space behind it."""
    rest: float
    """Seconds of silence that follow it at least, at speed 1."""


def cut(text: str, *, language: str, size: int = PART_CHARACTERS) -> Iterator[Piece]:
    """Yield the pieces of a text, of at most `size` characters each; joined they are the text.

    Each costs the same, so the first one of a long text comes at once.
    """
    start, window = 0, max(1, round(_FIRST_WINDOW * size))
    while start < len(text):
        found = _settled(text[start : start + window], language, size, is_all=start + window >= len(text))
        window = _WINDOW * size
        for piece in found:
            start += len(piece.text)
            yield piece


def _settled(text: str, language: str, size: int, *, is_all: bool) -> list[Piece]:
    """Return the pieces at the beginning of a text that stay as they are, whatever follows it; perhaps none."""
    found = [piece for sentence in pieces.sentences(text, language=language) for piece in _of(sentence, language, size)]
    return found if is_all else found[:-1]


def _of(sentence: str, language: str, size: int) -> Iterator[Piece]:
    *clauses, last = pieces.split(sentence, size=size, language=language)
    yield from (Piece(clause, CLAUSE_REST) for clause in clauses)
    yield Piece(last, SENTENCE_REST)


def end_in_silence(pcm: bytes, *, sample_rate: int, least: float, most: float = MOST_REST) -> bytes:
    """Bring the silence at the end of int16 little-endian mono PCM to at least `least` and at most `most` seconds."""
    samples = from_bytes(pcm)
    shortest, longest = round(least * sample_rate), round(max(least, most) * sample_rate)
    silent = _silent(samples[-longest - 1 :])
    if silent > longest:
        silent = _silent(samples)
        return pcm[: SAMPLE_BYTES * (len(samples) - silent + longest)]
    ended = pcm if silent else _faded(pcm, sample_rate)
    return ended + bytes(SAMPLE_BYTES * max(shortest - silent, 0))


def _silent(samples: Pcm) -> int:
    """Return how many samples at the end are silence."""
    begin, end = sounding(samples)
    return len(samples) - end if begin < end else len(samples)


def _faded(pcm: bytes, sample_rate: int) -> bytes:
    """Let a recording that breaks off fall to silence, so that its end makes no click."""
    tail = 2 * SAMPLE_BYTES * round(FADE_SECONDS * sample_rate)  # a fade is at most half of what it is given
    return pcm[:-tail] + to_bytes(fade(from_bytes(pcm[-tail:]), sample_rate=sample_rate, head=False, tail=True))
