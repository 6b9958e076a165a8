"""From text to Kokoro's phonemes, for each of its languages; in the worker only.

Most languages are read by espeak-ng, as the model's makers do it. Its Mandarin has no tones that the model knows, and
its Japanese cannot read kanji, so these two need misaki, whose phonemes the model has learnt (the extra `kokoro`
brings that for Mandarin).
"""

import logging
import re
from collections.abc import Callable, Collection, Mapping
from importlib import import_module

ESPEAK_VOICES: Mapping[str, str] = {
    "a": "en-us",
    "b": "en-gb",
    "e": "es",
    "f": "fr-fr",
    "h": "hi",
    "i": "it",
    "p": "pt-br",
}
"""By the first letter of a voice's name."""

Reader = Callable[[str], str]

_LATIN = re.compile(r"[A-Za-z][A-Za-z' -]*[A-Za-z]|[A-Za-z]")


def readers(espeak: Callable[[str, str], str], letters: Collection[str]) -> tuple[dict[str, Reader], dict[str, str]]:
    """Return a reader for each language of `letters`, and why some have none.

    `espeak` returns the phonemes of a text in a voice of espeak-ng.
    """
    found = {letter: _espeak_reader(espeak, voice) for letter, voice in ESPEAK_VOICES.items() if letter in letters}
    english = _espeak_reader(espeak, ESPEAK_VOICES["a"])
    missing: dict[str, str] = {}
    for letter, module, name, extra in (("z", "misaki.zh", "ZHG2P", "zh"), ("j", "misaki.ja", "JAG2P", "ja")):
        if letter not in letters:
            continue
        try:
            reader = _misaki_reader(getattr(import_module(module), name)())
        except (ImportError, OSError, RuntimeError) as error:
            missing[letter] = f"its language needs `pip install 'misaki[{extra}]'` ({type(error).__name__}: {error})"
        else:
            logging.getLogger("jieba").setLevel(logging.WARNING)  # it tells of each start on standard error
            found[letter] = _mixed(reader, english)
    return found, missing


def _espeak_reader(espeak: Callable[[str, str], str], voice: str) -> Reader:
    return lambda text: espeak(text, voice)


def _misaki_reader(read: Callable[[str], tuple[str, object]]) -> Reader:
    return lambda text: str(read(text)[0])


def _mixed(own: Reader, english: Reader) -> Reader:
    """Read words in Latin letters as English: misaki would take the letters for phonemes."""

    def read(text: str) -> str:
        phonemes, end = [], 0
        for match in _LATIN.finditer(text):
            phonemes += [_read_if_any(own, text[end : match.start()]), english(match[0])]
            end = match.end()
        phonemes.append(_read_if_any(own, text[end:]))
        return " ".join(filter(None, phonemes))

    return read


def _read_if_any(reader: Reader, text: str) -> str:
    return reader(text).strip() if text.strip() else ""
