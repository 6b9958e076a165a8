"""The server's half of espeak-ng's marks: what its worker wrote (`espeak_marker`), as words of the text and IPA."""

import unicodedata
from functools import lru_cache

from app.tts.backends.espeak_engine import SAMPLE_RATE
from app.tts.backends.espeak_marker import LENGTH, RECORD, WORD
from app.tts.speech import Mark, MarkKind, Sound

_STRESS = "ˈˌ"
_IPA = {
    "ph": "pʰ",
    "th": "tʰ",
    "kh": "kʰ",
    "tsh": "tsʰ",
    "tɕh": "tɕʰ",
    "s.": "ʂ",
    "ts.": "ʈʂ",
    "ts.h": "ʈʂʰ",
    "i.": "ɻ̩",
    "i̪": "ɹ̩",
    "o-": "ɤ",
    "onɡ": "ʊŋ",
}
"""What espeak-ng's Mandarin calls by other names."""


def read(chunk: bytes, text: str) -> Sound:
    """Return a chunk of speech with its marks; `text` is what was spoken.

    A word is a slice of the text without the punctuation and spaces around it.
    """
    begin = LENGTH.size + LENGTH.unpack_from(chunk)[0]
    marks = []
    for kind, start, end, place, next_place, name in RECORD.iter_unpack(chunk[LENGTH.size : begin]):
        seconds = start / SAMPLE_RATE, end / SAMPLE_RATE
        if kind != WORD:
            marks.append(Mark(MarkKind.PHONEME, _ipa(name), *seconds))
        elif word := _word(text, place, LENGTH.unpack_from(name)[0], next_place):
            marks.append(Mark(MarkKind.WORD, word, *seconds))
    return Sound(chunk[begin:], tuple(marks))


def _word(text: str, place: int, length: int, next_place: int) -> str:
    """Return the text up to the next word, without what follows the word itself and is neither letter nor digit."""
    end = min(next_place, len(text))
    while end > place + length and unicodedata.category(text[end - 1])[0] not in "LMN":
        end -= 1
    return text[place:end].strip()


@lru_cache(maxsize=1024)
def _ipa(name: bytes) -> str:
    """Return the name of a phoneme; one of eight bytes may have been cut within a character."""
    spelled = name.rstrip(b"\0").decode("utf-8", "ignore")
    sound = spelled.lstrip(_STRESS)
    return spelled[: len(spelled) - len(sound)] + _IPA.get(sound, sound)
