"""OpenAI's voices, and which voice of a backend speaks for each. Pure.

OpenAI's voices speak every language, those here one each. So an alias stands for one voice in each language: the same
every time, of the alias's gender, and another one than every other alias has as long as there are enough.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from app.tts.speech import Gender, Voice


@dataclass(frozen=True, slots=True)
class Alias:
    """A voice of OpenAI's."""

    name: str
    gender: Gender
    """How it is mostly heard; some are meant to be neither."""
    variant: str
    """What it sounds like where every voice of a backend has variants (`cmn+f2`); empty for the plain voice."""


ALIASES = (
    Alias("alloy", Gender.FEMALE, "f1"),
    Alias("ash", Gender.MALE, "m3"),
    Alias("ballad", Gender.MALE, "m2"),
    Alias("coral", Gender.FEMALE, "f5"),
    Alias("echo", Gender.MALE, ""),
    Alias("fable", Gender.MALE, "m7"),
    Alias("onyx", Gender.MALE, "m1"),
    Alias("nova", Gender.FEMALE, "f2"),
    Alias("sage", Gender.FEMALE, "f4"),
    Alias("shimmer", Gender.FEMALE, "f3"),
    Alias("verse", Gender.MALE, "m4"),
    Alias("marin", Gender.FEMALE, "Annie"),
    Alias("cedar", Gender.MALE, "m5"),
)
"""In the order in which they choose."""

NAMES = frozenset(alias.name for alias in ALIASES)


def stand_in(name: str, natural: Voice, listed: Sequence[Voice]) -> str:
    """Return the id of the voice that speaks for an alias.

    Args:
        name: of `NAMES`.
        natural: the voice that the backend takes for the language by itself.
        listed: the voices of its backend, in the backend's order.
    """
    base, _, _ = natural.id.partition("+")
    if any(voice.id.startswith(f"{base}+") for voice in listed):
        variant = next(alias.variant for alias in ALIASES if alias.name == name)
        return f"{base}+{variant}" if variant else base
    speakers = [voice for voice in listed if voice.language == natural.language]
    return cast(speakers or [natural])[name].id


def cast(voices: Sequence[Voice]) -> dict[str, Voice]:
    """Give every alias one of the voices (at least one) of a language.

    A voice that bears the alias's name (`am_onyx`) is taken first. The others go round in their order: to aliases of
    their gender, neutral ones to both after these, and to everybody where a gender has none.
    """
    roles = {alias.name: voice for alias in ALIASES for voice in reversed(voices) if _bears(voice, alias.name)}
    taken = {voice.id for voice in roles.values()}
    for place, alias in enumerate(ALIASES):
        if alias.name not in roles:
            fitting = _fitting(alias, voices)
            free = [voice for voice in fitting if voice.id not in taken]
            roles[alias.name] = free[0] if free else fitting[place % len(fitting)]
            taken.add(roles[alias.name].id)
    return roles


def describe_aliases() -> list[dict[str, Any]]:
    """Return the aliases as voices of the list: without a language, which is that of the text, and without a model."""
    return [
        {"id": alias.name, "name": alias.name.title(), "language": None, "gender": alias.gender.value, "model": None}
        for alias in ALIASES
    ]


def _bears(voice: Voice, name: str) -> bool:
    return name in re.split(r"[^a-z]+", voice.id.lower())


def _fitting(alias: Alias, voices: Sequence[Voice]) -> list[Voice]:
    own = [voice for voice in voices if voice.gender is alias.gender]
    return own + [voice for voice in voices if voice.gender is Gender.NEUTRAL] or list(voices)
