"""Which voices Microsoft Edge reads aloud with, which of them speaks a language, and their list on disk.

The list comes from the service (`Client.list_voices`). Without it the voices that are named here stand, and every id
that looks like one is believed: `xx-XX-NameNeural`. No network in here.
"""

import json
import os
import re
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from app.errors import VoiceNotFound
from app.tts import language as languages
from app.tts.genders import gender_of
from app.tts.speech import Gender, Voice

BACKEND = "edge"

_ID = re.compile(r"[a-z]{2,3}-[A-Z]{2}(?:-[A-Za-z]{2,12})?-[A-Za-z0-9]{1,40}Neural")
"""Strict, because edge-tts writes the id unescaped into XML."""

_DEFAULTS = """
    zh-CN Xiaoxiao Yunxi, zh-TW HsiaoChen YunJhe, zh-HK HiuMaan WanLung, en-US Aria Guy, en-GB Sonia Ryan,
    en-AU Natasha William, en-CA Clara Liam, en-IN Neerja Prabhat, ja-JP Nanami Keita, ko-KR SunHi InJoon,
    vi-VN HoaiMy NamMinh, th-TH Premwadee Niwat, id-ID Gadis Ardi, ms-MY Yasmin Osman, fil-PH Blessica Angelo,
    ru-RU Svetlana Dmitry, uk-UA Polina Ostap, de-DE Katja Conrad, fr-FR Denise Henri, fr-CA Sylvie Jean,
    es-ES Elvira Alvaro, es-MX Dalia Jorge, pt-BR Francisca Antonio, pt-PT Raquel Duarte, it-IT Elsa Diego,
    nl-NL Colette Maarten, pl-PL Zofia Marek, tr-TR Emel Ahmet, ar-EG Salma Shakir, ar-SA Zariyah Hamed,
    fa-IR Dilara Farid, he-IL Hila Avri, el-GR Athina Nestoras, cs-CZ Vlasta Antonin, sv-SE Sofie Mattias,
    da-DK Christel Jeppe, nb-NO Pernille Finn, fi-FI Noora Harri, hu-HU Noemi Tamas, ro-RO Alina Emil,
    bg-BG Kalina Borislav, sr-RS Sophie Nicholas, mk-MK Marija Aleksandar, hi-IN Swara Madhur, bn-IN Tanishaa Bashkar,
    ta-IN Pallavi Valluvar, te-IN Shruti Mohan, ur-PK Uzma Asad, ka-GE Eka Giorgi, km-KH Sreymom Piseth,
    my-MM Nilar Thiha
"""
"""A female and a male voice for each locale; of the locales of a language the preferred one comes first."""


class Catalogue:
    """The voices that are known.

    Args:
        voices: the service's list; empty while nothing is known of it.
        is_complete: whether a voice that is not listed does not exist.
    """

    def __init__(self, voices: Sequence[Voice] = (), *, is_complete: bool = False) -> None:
        self.listed = tuple(voices) or _DEFAULT_VOICES
        self.is_complete = is_complete and bool(voices)
        self._by_id = {voice.id.lower(): voice for voice in self.listed}
        places = {voice.id: place for place, voice in enumerate(_DEFAULT_VOICES)}
        self._by_preference = sorted(self.listed, key=lambda voice: places.get(voice.id, len(places)))

    def __contains__(self, voice_id: str) -> bool:
        return voice_id.lower() in self._by_id

    def find(self, voice_id: str) -> Voice:
        """Return the voice with this id; letter case matters only where the list is not known.

        Raises:
            VoiceNotFound: it is not listed, or can be no voice of this service.
        """
        listed = self._by_id.get(voice_id.lower())
        if listed is not None:
            return listed
        if self.is_complete or not _ID.fullmatch(voice_id):
            raise VoiceNotFound(voice_id, backend=BACKEND)
        return _unlisted(voice_id)

    def choose(
        self, language: str, *, like: str | None = None, avoid: Callable[[str], bool] = lambda voice_id: False
    ) -> Voice:
        """Return a voice for a BCP 47 tag: `like` itself if it speaks the language, otherwise one of its gender.

        Without `like` it is a female one, as most defaults of the service are. If no voice of the region is left the
        other regions of the language are looked at, and then the other gender.

        Args:
            language: `zh-CN`, `zh`, `yue`.
            like: id of a voice, of this backend or another.
            avoid: tells ids that are not to be chosen.

        Raises:
            VoiceNotFound: no voice speaks the language, or all that do are avoided.
        """
        if like is not None and like in self:
            same = self.find(like)
            if languages.matches(same.language, language) and not avoid(same.id):
                return same
        known = self.gender_of(like)
        gender = Gender.FEMALE if known is Gender.NEUTRAL else known
        candidates = list(self._candidates(language))
        for wanted in (gender, None):
            for voice in candidates:
                if voice.gender is (wanted or voice.gender) and not avoid(voice.id):
                    return voice
        raise VoiceNotFound(language, backend=BACKEND)

    def gender_of(self, voice_id: str | None) -> Gender:
        """Return the gender of a voice of this or another backend, neutral if it is not known."""
        listed = self._by_id.get((voice_id or "").lower())
        return listed.gender if listed else gender_of(voice_id or "")

    def _candidates(self, language: str) -> Iterator[Voice]:
        primary = languages.primary(language)
        exact = [voice for voice in self._by_preference if languages.matches(voice.language, language)]
        yield from exact
        for voice in self._by_preference:
            if voice not in exact and languages.primary(voice.language) == primary:
                yield voice


def parse(listing: Sequence[object]) -> list[Voice]:
    """Return the voices of the service's JSON list; entries that cannot be understood are left out."""
    return [voice for entry in listing if isinstance(entry, dict) and (voice := _parse_entry(entry)) is not None]


class VoiceFile:
    """The list on disk. Blocks; run it in a thread.

    Args:
        path: of the JSON file; its folder is made when needed.
        clock: seconds since the epoch.
    """

    def __init__(self, path: Path, *, clock: Callable[[], float] = time.time) -> None:
        self._path = path
        self._clock = clock

    def load(self) -> tuple[list[Voice], float] | None:
        """Return the voices and their age in seconds, infinite if written in the future; None without a usable file."""
        try:
            content = json.loads(self._path.read_bytes())
            voices = [Voice(id, name, tag, Gender(gender), BACKEND) for id, name, tag, gender in content["voices"]]
            age = self._clock() - float(content["fetched_at"])
        except (OSError, ValueError, LookupError, TypeError):
            return None
        return (voices, age if age >= 0 else float("inf")) if voices else None

    def save(self, voices: Sequence[Voice]) -> None:
        """Replace the file; a reader, or a crash in the middle, sees the old one or the new one.

        Raises:
            OSError: it cannot be written.
        """
        rows = [(voice.id, voice.name, voice.language, voice.gender) for voice in voices]
        self._path.parent.mkdir(parents=True, exist_ok=True)
        draft = self._path.with_name(f"{self._path.name}.{os.getpid()}.new")
        try:
            draft.write_text(json.dumps({"fetched_at": self._clock(), "voices": rows}, ensure_ascii=False), "utf-8")
            draft.replace(self._path)
        finally:
            with suppress(OSError):
                draft.unlink(missing_ok=True)


class VoiceMemory:
    """Which voices made no sound of late.

    Two different texts must have failed without a success between them: a text that cannot be spoken, or is in
    another language than the voice, gives no sound either and says nothing about the voice.

    Args:
        seconds: how long such a voice is avoided.
        size: voices that are remembered; beyond, the oldest is forgotten.
        clock: seconds, monotonic.
    """

    def __init__(self, *, seconds: float = 600.0, size: int = 512, clock: Callable[[], float] = time.monotonic) -> None:
        self._seconds = seconds
        self._size = size
        self._clock = clock
        self._silent: dict[str, tuple[int, float | None]] = {}  # id: hash of a text, and when a second one failed

    def spoke(self, voice_id: str) -> None:
        """Note a success."""
        self._silent.pop(voice_id, None)

    def was_silent(self, voice_id: str, text: str) -> None:
        """Note a failure without any sound."""
        known = self._silent.pop(voice_id, None)
        is_second = known is not None and (known[0] != hash(text) or known[1] is not None)
        self._silent[voice_id] = (hash(text), self._clock() if is_second else None)
        if len(self._silent) > self._size:
            del self._silent[next(iter(self._silent))]

    def wait_time(self, voice_id: str) -> float:
        """Return the seconds for which the voice is to be avoided: 0 if it may be used."""
        failed_at = self._silent.get(voice_id, (0, None))[1]
        return 0.0 if failed_at is None else max(0.0, failed_at + self._seconds - self._clock())


def _parse_entry(entry: dict[object, object]) -> Voice | None:
    voice_id, locale, friendly = entry.get("ShortName"), entry.get("Locale"), entry.get("FriendlyName")
    if not isinstance(voice_id, str) or not _ID.fullmatch(voice_id) or entry.get("Status") == "Deprecated":
        return None
    plain = _unlisted(voice_id)
    gender = {"Female": Gender.FEMALE, "Male": Gender.MALE}.get(str(entry.get("Gender")), Gender.NEUTRAL)
    name = re.sub(r"^Microsoft | Online \(Natural\)", "", friendly) if isinstance(friendly, str) else plain.name
    return Voice(voice_id, name, locale if isinstance(locale, str) else plain.language, gender, BACKEND)


def _unlisted(voice_id: str) -> Voice:
    locale, _, name = voice_id.rpartition("-")
    gender = gender_of(voice_id)
    return Voice(voice_id, f"{name.removesuffix('Neural')} ({locale})", locale, gender, BACKEND)


def _default_voices() -> Iterator[Voice]:
    for entry in _DEFAULTS.split(","):
        locale, female, male = entry.split()
        for name, gender in ((female, Gender.FEMALE), (male, Gender.MALE)):
            yield Voice(f"{locale}-{name}Neural", f"{name} ({locale})", locale, gender, BACKEND)


_DEFAULT_VOICES = tuple(_default_voices())
