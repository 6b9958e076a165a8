"""New voices: each id leads to a sound of its own, within what its gender and its description leave open.

What differs between speakers is mostly the length of the vocal tract (formants), the mean pitch and how far it goes,
and the pace. A description is read for words that say something of these; the rest of it is kept for people to read.
"""

import hashlib
import random
import re
from collections.abc import Mapping

from app.takes.shape import Shape
from app.takes.voice import Design, VoiceGender

SPREAD_OF_VOICES = Shape(pitch=2.0, spread=0.3, pace=0.1, timbre=1.2, tilt=1.0)
"""How far two voices may be apart in each direction, so that every one is still clear and of its gender."""

OF_GENDER: Mapping[VoiceGender, Shape] = {
    VoiceGender.FEMALE: Shape(),
    VoiceGender.MALE: Shape(),
    VoiceGender.NONBINARY: Shape(pitch=-4.0, timbre=-1.5),
}
"""Beside the backend's voices that it is made of; nonbinary ones are made of female ones: 200 Hz become 160 Hz, between
the ranges of men and women."""

WORDS: tuple[tuple[str, Shape], ...] = (
    (r"deep|low(?:er)?|bass|低沉|深沉|laag|lage|diepe?|tief|grave?s?|低い", Shape(pitch=-3.0, timbre=-1.0)),
    (r"high(?:er)?|squeaky|高音|尖细|hoge?|hoch|aigu[eë]?s?|agud[oa]s?|高い", Shape(pitch=3.0, timbre=0.7)),
    (
        r"child(?:ren|ish|like)?|kids?|little (?:girl|boy)|孩子|儿童|小孩|kind|enfant|niñ[oa]s?|子供",
        Shape(pitch=4.0, timbre=3.0),
    ),
    (
        r"young|youthful|年轻|年輕|jonge?|junge?|jeunes?|jóven(?:es)?|joven|若い",
        Shape(pitch=1.0, timbre=0.7, pace=0.05),
    ),
    (
        r"old(?:er)?|elderly|aged|grand(?:ma|pa|mother|father)|老年|年老|oude?|alte?|vieux|vieille|viej[oa]s?|年寄り",
        Shape(pitch=-1.5, timbre=-0.7, pace=-0.2, tilt=-1.0),
    ),
    (r"fast|quick(?:ly)?|快速|语速快|snel(?:le)?|schnell|rapides?|rápid[oa]s?|速い", Shape(pace=0.3)),
    (r"slow(?:ly)?|慢速|缓慢|语速慢|langzame?|traag|langsam|lente?s?|lent[oa]s?|遅い", Shape(pace=-0.3)),
    (
        r"lively|expressive|excited|energetic|cheerful|happy|活泼|开心|热情|levendige?|vrolijke?|lebhaft|fröhlich"
        r"|animé[es]*|alegres?|元気",
        Shape(pitch=0.7, spread=0.5),
    ),
    (
        r"monotone|flat|robotic|bored|平淡|单调|monotone|eentonige?|monoton|monótono|単調",
        Shape(spread=-1.5),
    ),
    (
        r"calm|quiet|gentle|soothing|relaxed|平静|温和|rustige?|ruhig|calmes?|tranquil[oa]s?|穏やか",
        Shape(spread=-0.3, pace=-0.12),
    ),
    (r"warm|soft|dark|mellow|smooth|温暖|柔和|warme?|zachte?|sanft|douce?|doux|suaves?|柔らかい", Shape(tilt=-2.0)),
    (r"bright|crisp|clear|sharp|明亮|清晰|heldere?|hell|klar|claire?s?|clar[oa]s?|明るい", Shape(tilt=2.0)),
    (r"big|large|giant|huge|巨大|grote?|groß|riesig|grande?s?|大きい", Shape(timbre=-2.0, pitch=-1.5)),
    (r"small|tiny|little|娇小|kleine?|petite?s?|pequeñ[oa]s?|小さい", Shape(timbre=1.5, pitch=1.0)),
)
"""What words of a description do: English, Chinese, Dutch, German, French, Spanish, Japanese."""

_NOT, _VERY, _RATHER = "not", "very", "rather"
_DEGREES: Mapping[str, float] = {_NOT: 0.0, _VERY: 1.5, _RATHER: 0.5}
_BEFORE = (
    rf"(?:(?P<{_NOT}>\b(?:not|no|without|niet|nicht|kein|pas|sin|no es)\s+(?:too\s+|very\s+|so\s+)?|不太?|没有?)"
    rf"|(?P<{_VERY}>\b(?:very|extremely|really|heel|zeer|sehr|très|muy)\s+|非常|很|とても)"
    rf"|(?P<{_RATHER}>\b(?:slightly|rather|somewhat|a bit|a little|iets|etwas|un peu|un poco)\s+|稍|有点|少し))?"
)
_WORD = r"(?:(?<![^\W\d_])(?=[A-Za-zÀ-ɏ])|(?=[^\x00-ɏ]))(?:{})(?:(?<=[A-Za-zÀ-ɏ])(?![^\W\d_])|(?<=[^\x00-ɏ]))"
_READERS = tuple((re.compile(_BEFORE + _WORD.format(words), re.IGNORECASE), shape) for words, shape in WORDS)


def design(voice_id: str, gender: VoiceGender, description: str | None = None) -> Design:
    """Return the sound of a new voice; the same for the same id, gender and description, on every machine."""
    digest = hashlib.blake2b(voice_id.encode(), digest_size=8).digest()
    seed = int.from_bytes(digest, "big") >> 1
    rng = random.Random(seed)
    own = Shape(*(rng.uniform(-1, 1) * width for width in _widths()))
    sound = own + OF_GENDER[gender] + described(description or "")
    return Design(seed, gender, sound)


def described(description: str) -> Shape:
    """Return what the words of a description ask for; words that say nothing of sound are passed over."""
    shape = Shape()
    for reader, asked in _READERS:
        if match := reader.search(description):
            degree = next((factor for name, factor in _DEGREES.items() if match[name]), 1.0)
            shape += asked * degree
    return shape


def _widths() -> tuple[float, float, float, float, float]:
    widths = SPREAD_OF_VOICES
    return widths.pitch, widths.spread, widths.pace, widths.timbre, widths.tilt
