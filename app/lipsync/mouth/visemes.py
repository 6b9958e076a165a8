"""How a mouth is held for each sound of speech: the letters of the International Phonetic Alphabet, in classes.

The values are what speech readers describe and what looked right on photos. Stress opens a vowel. What is not in the
alphabet is taken for the letter that its Unicode name says it is made of, and failing that for a mouth a little open.
Beyond the alphabet, espeak-ng writes `S`, `Z` and a Greek epsilon in some languages.
"""

import re
import unicodedata
from dataclasses import dataclass, replace
from functools import lru_cache

Triple = tuple[float, float, float]
"""Open, wide, upper: as in a `MouthTrack`."""


@dataclass(frozen=True, slots=True)
class Viseme:
    """What a sound wants of the mouth, and how much it insists."""

    target: Triple
    weight: Triple
    """How strongly it holds its target against its neighbours (Cohen and Massaro's dominance); a vowel's is 1."""
    is_closed: bool = False
    """Whether the lips must meet."""
    is_stop: bool = False
    """Whether a silence right before it belongs to it, because the air is held back."""


_VOWEL = 1.0, 1.0, 0.6
_VOWELS: dict[str, tuple[float, float]] = {
    "i": (0.28, 0.8),
    "ɪ": (0.34, 0.5),
    "ɨ": (0.30, 0.35),
    "ɯ": (0.30, 0.2),
    "y": (0.24, -0.85),
    "ʏ": (0.28, -0.65),
    "ʉ": (0.24, -0.8),
    "u": (0.24, -0.9),
    "ʊ": (0.30, -0.65),
    "e": (0.45, 0.6),
    "ɘ": (0.42, 0.3),
    "ɤ": (0.45, 0.1),
    "ø": (0.38, -0.65),
    "ɵ": (0.38, -0.6),
    "o": (0.48, -0.65),
    "ɛ": (0.58, 0.45),
    "ε": (0.58, 0.45),
    "ɜ": (0.50, 0.0),
    "ɝ": (0.42, -0.3),
    "ʌ": (0.62, 0.05),
    "œ": (0.52, -0.5),
    "ɞ": (0.52, -0.4),
    "ɔ": (0.62, -0.5),
    "æ": (0.78, 0.4),
    "ɐ": (0.66, 0.1),
    "a": (0.88, 0.15),
    "ɑ": (0.88, 0.0),
    "ɒ": (0.70, -0.4),
    "ɶ": (0.75, -0.4),
}
_WEAK_VOWELS: dict[str, tuple[float, float]] = {
    "ə": (0.40, 0.0),
    "ɚ": (0.36, -0.3),
    "ɿ": (0.20, 0.2),
    "ʅ": (0.22, -0.2),
}

_CONSONANTS: dict[str, Viseme] = {
    "pbɓʘ": Viseme((0.0, 0.0, 0.0), (0.8, 0.3, 1.0), is_closed=True, is_stop=True),
    "mʙ": Viseme((0.0, 0.0, 0.0), (0.8, 0.3, 1.0), is_closed=True),
    "ɸβ": Viseme((0.06, -0.2, 0.0), (3.0, 0.8, 1.0)),
    "fvʋɱⱱ": Viseme((0.10, 0.15, 0.6), (2.5, 0.6, 2.0)),
    "wʍɥ": Viseme((0.12, -0.95, 0.0), (1.5, 2.0, 0.5)),
    "szɕʑʦʣʨʥ": Viseme((0.13, 0.35, 0.1), (1.6, 0.8, 0.5)),
    "ʃʒʂʐɧʧʤSZ": Viseme((0.16, -0.5, 0.2), (1.6, 1.2, 0.8)),
    "θð": Viseme((0.20, 0.15, 0.1), (1.2, 0.4, 0.5)),
    "tdʈɖɗɟcʄǀǁǂǃ": Viseme((0.18, 0.1, 0.0), (0.9, 0.25, 0.4), is_stop=True),
    "nlɾrɬɮɳɭɽɺ": Viseme((0.24, 0.1, 0.0), (0.8, 0.25, 0.4)),
    "ɹɻ": Viseme((0.24, -0.35, 0.1), (0.9, 0.6, 0.4)),
    "jʝçɲʎ": Viseme((0.22, 0.5, 0.0), (0.8, 0.7, 0.4)),
    "kɡgqɢɠʛʡ": Viseme((0.28, 0.0, 0.0), (0.6, 0.1, 0.3), is_stop=True),
    "xɣŋʟɰχʁɴʀħʕʜʢ": Viseme((0.30, 0.0, 0.0), (0.5, 0.1, 0.3)),
    "hɦʔ": Viseme((0.35, 0.0, 0.0), (0.2, 0.05, 0.2)),
}
UNKNOWN = Viseme((0.30, 0.0, 0.0), (0.4, 0.1, 0.3))

_STRESSED, _UNSTRESSED = 1.1, 0.9
"""What a vowel's opening is multiplied with."""
_ROUNDING, _PALATAL = "ʷ", "ʲ"
_LETTER_IN_NAME = re.compile(r"LETTER (?:SMALL CAPITAL )?([A-Z])\b")

_BY_LETTER: dict[str, Viseme] = {
    **{letter: viseme for letters, viseme in _CONSONANTS.items() for letter in letters},
    **{letter: Viseme((*shape, 0.0), _VOWEL) for letter, shape in _VOWELS.items()},
    **{letter: Viseme((*shape, 0.0), (0.6, 0.4, 0.4)) for letter, shape in _WEAK_VOWELS.items()},
}
_VOWEL_LETTERS = frozenset((*_VOWELS, *_WEAK_VOWELS))


@lru_cache(maxsize=4096)
def visemes_of(ipa: str) -> tuple[Viseme, ...]:
    """Return what a phoneme wants, one after the other: two for the diphthong `aɪ` and for `pf`; nothing for nothing.

    Marks of stress, length, tone and nasality are read over; `ʷ` rounds and `ʲ` spreads what is before it.
    """
    opening = _STRESSED if "ˈ" in ipa else _UNSTRESSED
    found: list[Viseme] = []
    for character in unicodedata.normalize("NFC", ipa):
        if found and character in _ROUNDING + _PALATAL:
            found[-1] = _coloured(found[-1], -0.7 if character == _ROUNDING else 0.4)
        elif unicodedata.category(character) in ("Ll", "Lu", "Lo"):
            letter = _nearest(character)
            viseme = _BY_LETTER.get(letter, UNKNOWN)
            found.append(_opened(viseme, opening) if letter in _VOWEL_LETTERS else viseme)
    return tuple(found)


def _nearest(character: str) -> str:
    if character in _BY_LETTER:
        return character
    made_of = _LETTER_IN_NAME.search(unicodedata.name(character, ""))
    return made_of[1].lower() if made_of else character


def _coloured(viseme: Viseme, wide: float) -> Viseme:
    return replace(viseme, target=(viseme.target[0], wide, viseme.target[2]), weight=(viseme.weight[0], 1.0, 0.5))


def _opened(viseme: Viseme, factor: float) -> Viseme:
    return replace(viseme, target=(min(viseme.target[0] * factor, 1.0), *viseme.target[1:]))
