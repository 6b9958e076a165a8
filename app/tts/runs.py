"""Runs: which stretches of a text are in another language than the text.

A voice reads its own script, and most read a few Latin words: 今天玩Minecraft is one run, and so is GG. A run of its
own is what the voice would spell, skip or mangle: any word in a script that is not its language's, a Latin sentence of
three words, and four Latin words in a row within a sentence. Languages of one script are not told apart within a text,
except where letters show it (Vietnamese). Han in a Japanese text is Japanese, unless simplified characters say
otherwise.

Marks, digits and spaces belong to the run before them; runs joined are the text.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby

import regex

from app.tts import language, pieces
from app.tts.language import primary

MIN_LATIN_WORDS = 4
"""In a row, within a sentence of another script."""
MIN_LATIN_SENTENCE_WORDS = 3

_WORDS = regex.compile(
    r"(?P<cjk>[\p{Han}\p{Hiragana}\p{Katakana}ー]+)"
    r"|(?P<latin>\p{Latin}[\p{Latin}\p{M}'’-]*)"
    r"|(?P<other>\p{L}[\p{L}\p{M}--[\p{Han}\p{Hiragana}\p{Katakana}ー\p{Latin}]]*)",
    regex.VERSION1,
)
_ONLY_HAN = regex.compile(r"[\p{Han}\P{L}]*")
_KANA = regex.compile(r"[\p{Hiragana}\p{Katakana}ー]{2,}+")

_SCRIPT_FELLOWS = {
    "be": "ru",
    "bg": "ru",
    "fa": "ar",
    "kk": "ru",
    "mk": "ru",
    "mr": "hi",
    "ne": "hi",
    "ps": "ar",
    "sr": "ru",
    "uk": "ru",
    "ur": "ar",
}
"""Languages whose words are not told from those of another one, by their letters alone."""


@dataclass(frozen=True, slots=True)
class Run:
    """A stretch of a text in one language."""

    text: str
    language: str
    """BCP 47."""


@dataclass(frozen=True, slots=True)
class _Word:
    start: int
    text: str
    is_latin: bool
    language: str


def runs(text: str, *, main: str) -> list[Run]:
    """Cut a text that is mainly in the language `main` (BCP 47) into runs of one language each. Linear in its size."""
    if _is_plain(text, main):
        return [Run(text, main)] if text else []
    found: list[Run] = []
    for sentence in pieces.sentences(text, language=main):
        for run in _sentence_runs(sentence, main):
            if found and found[-1].language == run.language:
                found[-1] = Run(found[-1].text + run.text, run.language)
            else:
                found.append(run)
    return found


def _is_plain(text: str, main: str) -> bool:
    """Tell at a glance that a text is one run, as most are: a quarter of the time of looking at its sentences."""
    if text.isascii():
        return language.detect(text, default=main) == main
    return primary(main) == "zh" and _ONLY_HAN.fullmatch(text) is not None


def _sentence_runs(sentence: str, main: str) -> list[Run]:
    words = list(_latin_judged(list(_words(sentence, main)), main))
    starts = [
        (word.start, word.language)
        for before, word in zip([None, *words], words, strict=False)
        if before is None or before.language != word.language
    ]
    if not starts:
        return [Run(sentence, main)]
    ends = [start for start, _ in starts[1:]] + [len(sentence)]
    begins = [0] + [start for start, _ in starts[1:]]
    return [Run(sentence[begin:end], tag) for begin, end, (_, tag) in zip(begins, ends, starts, strict=True)]


def _words(sentence: str, main: str) -> Iterator[_Word]:
    reading = _reading_of_han(sentence, main)
    for found in _WORDS.finditer(sentence):
        start, word = found.start(), found[0]
        match found.lastgroup:
            case "latin":
                yield _Word(start, word, True, main)
            case "other":
                yield _Word(start, word, False, _unless_fellow(word, main))
            case _ if reading is not None:
                yield _Word(start, word, False, reading)
            case _ if primary(main) == "zh":
                yield from _kana_apart(word, start, main)
            case _:
                yield _Word(start, word, False, language.detect(word, default=main))


def _reading_of_han(sentence: str, main: str) -> str | None:
    """Return the language of all Han and kana of a sentence; None: each stretch of them shows its own."""
    is_chinese = language.shows_chinese(sentence)
    match primary(main):
        case "ja":
            return None if is_chinese else main
        case "zh":
            return "ja" if not is_chinese and language.detect(sentence, default=main) == "ja" else None
    return None


def _kana_apart(chunk: str, start: int, main: str) -> Iterator[_Word]:
    """Yield kana in a Chinese sentence apart from the rest; single ones, and those of faces, are part of it."""
    end = 0
    for match in _KANA.finditer(chunk):
        if language.detect(match[0], default=main) == "ja":
            if match.start() > end:
                yield _Word(start + end, chunk[end : match.start()], False, main)
            yield _Word(start + match.start(), match[0], False, "ja")
            end = match.end()
    if end < len(chunk):
        yield _Word(start + end, chunk[end:], False, main)


def _unless_fellow(word: str, main: str) -> str:
    detected = language.detect(word, default=main)
    return main if _script_fellow(detected) == _script_fellow(main) else detected


def _script_fellow(tag: str) -> str:
    return _SCRIPT_FELLOWS.get(primary(tag), primary(tag))


def _latin_judged(words: list[_Word], main: str) -> Iterator[_Word]:
    """Yield the words, with the language of Latin ones that are many in a row."""
    least = MIN_LATIN_SENTENCE_WORDS if all(word.is_latin for word in words) else MIN_LATIN_WORDS
    for is_latin, group in groupby(words, key=lambda word: word.is_latin):
        row = list(group)
        if is_latin and len(row) >= least:
            detected = language.detect(" ".join(word.text for word in row), default=main)
            row = [_Word(word.start, word.text, True, detected) for word in row]
        yield from row
