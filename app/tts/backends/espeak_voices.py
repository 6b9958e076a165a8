"""Which voices espeak-ng has, what they are called here, and which of them speaks a language. Pure.

Every voice of espeak-ng is one language, most of them with a male sound; a *variant* changes the sound of any of them:
`cmn` with `f2` is `cmn+f2`. All combinations are found (`Catalogue.find`), a stable few of them are listed.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

from app.errors import VoiceNotFound
from app.tts.genders import is_male
from app.tts.speech import Gender, Voice

BACKEND = "espeak"

MAX_KEPT = 1024
"""Voices that were asked for and are kept ready."""

FEMALE_VARIANT = "f1"
"""What is spoken with where nobody asked for another voice. Of espeak's own female variants it is the only one without
an echo, which blurs words at chat speed. It is as loud as the loudest of them (-18.5 LUFS in Mandarin, -20 in English),
does not clip, keeps the durations of the plain voice within 2 %, where those with an echo take 4 to 10 % longer, and
costs a fifth less to make. Several of the community's variants speak at half the speed in Mandarin, or clip."""
LISTED_VARIANTS = ("f1", "f2", "f3", "f4", "f5", "m1", "m2", "m4", "m7")
"""Those of espeak's own that are heard apart, at even loudness. With them each of 138 voices is listed ten times."""

DUMB_VOICES = frozenset({"art/xex", "gmq/fo", "trk/kaa"})
"""Identifiers of voices whose dictionaries espeak-ng 1.52 announces and espeakng-loader 0.2.4 does not carry."""

_TAGS: Mapping[str, str] = {
    "ca-ba": "ca-x-balear",
    "ca-nw": "ca-x-nw",
    "ca-va": "ca-valencia",
    "chr-us-qaaa-x-west": "chr",
    "cmn": "zh-CN",
    "cmn-latn-pinyin": "zh-Latn-pinyin",
    "en-us-nyc": "en-US-x-nyc",
    "es": "es-ES",
    "piqd": "tlh-Piqd",
    "pt": "pt-PT",
    "py": "art-x-pyash",
    "ru-cl": "ru-x-classic",
    "yue": "zh-HK",
    "yue-latn-jyutping": "yue-Latn-jyutping",
}
"""BCP 47 for the names that espeak-ng made up or that say too little."""

_NAMES: Mapping[str, str] = {"cmn": "Chinese (Mandarin)"}

_PREFERRED: Mapping[str, str] = {
    "en": "en-us",
    "en-au": "en-gb",
    "en-ie": "en-gb",
    "en-in": "en-gb",
    "en-nz": "en-gb",
    "en-za": "en-gb",
    "es-ar": "es-419",
    "es-cl": "es-419",
    "es-co": "es-419",
    "es-pe": "es-419",
    "es-us": "es-419",
    "es-ve": "es-419",
    "fr": "fr-fr",
    "iw": "he",
    "in": "id",
    "pt": "pt-br",
    "sh": "hr",
    "zh": "cmn",
    "zh-hant-hk": "yue",
    "zh-hant-mo": "yue",
    "zh-hk": "yue",
    "zh-mo": "yue",
}
"""Voices for tags that espeak-ng leaves open, or that most people mean differently."""


@dataclass(frozen=True, slots=True)
class Sound:
    """A voice as the worker knows it: espeak's identifiers."""

    voice: str
    variant: str


@dataclass(frozen=True, slots=True)
class _Base:
    identifier: str
    name: str
    language: str
    gender: Gender


@dataclass(frozen=True, slots=True)
class _Variant:
    identifier: str
    name: str
    gender: Gender


class Catalogue:
    """All voices, from the lines with which a worker introduces itself (`espeak_worker.describe`)."""

    def __init__(self, lines: str) -> None:
        self._bases: dict[str, _Base] = {}
        self._variants: dict[str, _Variant] = {}
        self._by_tag: dict[str, tuple[int, str]] = {}
        for line in lines.splitlines():
            identifier, name, languages, gender = line.split("\t")
            tags = [(int(priority), tag) for priority, tag in (pair.split(" ") for pair in languages.split(","))]
            if identifier.startswith("!v/"):
                self._add_variant(identifier.removeprefix("!v/"), name, Gender(gender))
            elif identifier not in DUMB_VOICES:
                self._add_base(identifier, name, tags, Gender(gender))
        self._voice = lru_cache(maxsize=MAX_KEPT)(self._make_voice)
        self._sound = lru_cache(maxsize=MAX_KEPT)(self._identify)
        self.listed = tuple(
            self._voice(base, variant)
            for base in self._bases
            for variant in ("", *(name for name in LISTED_VARIANTS if name in self._variants))
        )

    def find(self, voice_id: str) -> Voice:
        """Return the voice with this id, capitals or not, with any variant.

        Raises:
            VoiceNotFound: there is no such voice or variant.
        """
        base, _, variant = voice_id.lower().partition("+")
        if base not in self._bases or (variant and variant not in self._variants) or voice_id.endswith("+"):
            raise VoiceNotFound(voice_id, backend=BACKEND)
        return self._voice(base, variant)

    def choose(self, language: str, *, like: str | None = None) -> Voice:
        """Return the voice for a BCP 47 tag (looked up as RFC 4647, 3.4 does), with the sound of `like`.

        That is the same variant if `like` is a voice of this backend, the same gender if it is a known one of
        another, and female otherwise.

        Raises:
            VoiceNotFound: no voice speaks the language.
        """
        tag = language.lower().replace("_", "-")
        while tag:
            if base := self._speaker_of(tag):
                return self._voice(base, self._variant_like(like))
            tag = tag.rpartition("-")[0]
        raise VoiceNotFound(language, backend=BACKEND)

    def sound(self, voice_id: str) -> Sound:
        """Return what the worker has to be told.

        Raises:
            VoiceNotFound: there is no such voice or variant.
        """
        return self._sound(voice_id)

    def _identify(self, voice_id: str) -> Sound:
        base, _, variant = self.find(voice_id).id.partition("+")
        return Sound(self._bases[base].identifier, self._variants[variant.lower()].identifier if variant else "")

    def _add_base(self, identifier: str, name: str, tags: list[tuple[int, str]], gender: Gender) -> None:
        own = tags[0][1].lower()
        if own in self._bases:  # Cantonese in Latin letters is called `yue` too
            own = identifier.rpartition("/")[2].lower()
        language = _TAGS.get(own) or canonical(own)
        self._bases[own] = _Base(identifier, _NAMES.get(own, name), language, gender)
        for priority, tag in [(0, own), (1, language.lower()), *tags]:
            if tag not in self._by_tag or priority < self._by_tag[tag][0]:
                self._by_tag[tag] = priority, own

    def _add_variant(self, identifier: str, name: str, gender: Gender) -> None:
        self._variants[identifier.lower()] = _Variant(identifier, _variant_name(name), gender)

    def _make_voice(self, base: str, variant: str) -> Voice:
        plain = self._bases[base]
        if not variant:
            return Voice(base, plain.name, plain.language, plain.gender, BACKEND)
        change = self._variants[variant]
        name = f"{plain.name}, {change.name}"
        return Voice(f"{base}+{change.identifier}", name, plain.language, change.gender, BACKEND)

    def _speaker_of(self, tag: str) -> str | None:
        preferred = _PREFERRED.get(tag)
        if preferred in self._bases:
            return preferred
        return self._by_tag[tag][1] if tag in self._by_tag else None

    def _variant_like(self, like: str | None) -> str:
        if like is None:
            return FEMALE_VARIANT
        base, _, variant = like.lower().partition("+")
        if base in self._bases and (not variant or variant in self._variants):
            return variant
        return "" if is_male(base) else FEMALE_VARIANT


def canonical(tag: str) -> str:
    """Write a BCP 47 tag as RFC 5646, 2.1.1 recommends: `en-GB-scotland`, `zh-Hant-TW`, `en-GB-x-rp`."""
    first, *rest = tag.lower().split("-")
    private = False
    for index, part in enumerate(rest):
        private = private or len(part) == 1
        if not private and len(part) == 2:
            rest[index] = part.upper()
        elif not private and len(part) == 4 and part.isalpha():
            rest[index] = part.title()
    return "-".join((first, *rest))


def _variant_name(name: str) -> str:
    """Turn espeak's name into one for people: `female2` into `female 2`, `anxiousAndy` into `Anxious Andy`."""
    if match := re.fullmatch(r"(female|male)(\d)", name):
        return " ".join(match.groups())
    words = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name.replace("_", " "))
    return words[:1].upper() + words[1:]
