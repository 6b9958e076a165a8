"""What the server brings: a voice of each gender for every model, and what a new voice says first."""

import hashlib
from collections.abc import Iterable, Iterator, Mapping

from app.takes.model import Model
from app.takes.take import Status
from app.takes.voice import Design, Voice, VoiceGender, VoiceRequest
from app.tts.language import primary

_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"

_EXAMPLES: Mapping[str, str] = {
    "de": "Hallo, so klingt meine Stimme. Ich lese vor, was im Chat geschrieben wird.",
    "en": "Hello, this is how I sound. I read aloud what people write in the chat.",
    "es": "Hola, así suena mi voz. Leo en voz alta lo que se escribe en el chat.",
    "fr": "Bonjour, voici ma voix. Je lis à voix haute ce qui s'écrit dans le chat.",
    "ja": "こんにちは。わたしのこえは、このようにきこえます。",
    "nl": "Hallo, zo klink ik. Ik lees voor wat er in de chat wordt geschreven.",
    "zh": "你好，这就是我的声音。我会朗读弹幕里的每一句话。",
}


def stock_voices(models: Iterable[Model]) -> Iterator[Voice]:
    """Yield the voices that everybody has: their ids, and their sound, are the same at every start."""
    for model in models:
        for gender in model.genders:
            if gender is not VoiceGender.NONBINARY or len(model.genders) == 1:
                yield _stock_voice(model.name, gender)


def example_text(model: Model) -> str:
    """Return what a voice of a model says where nobody gave it words, in the first language that we have some for."""
    known = (primary(tag) for tag in model.languages)
    return next((_EXAMPLES[tag] for tag in known if tag in _EXAMPLES), _EXAMPLES["en"])


def _stock_voice(model: str, gender: VoiceGender) -> Voice:
    number = int.from_bytes(hashlib.blake2b(f"{model} {gender}".encode(), digest_size=10).digest(), "big")
    return Voice(
        id=f"v{'0' * 10}{_in_base_32(number, digits=16)}",
        owner=None,
        request=VoiceRequest(f"{model}, {gender}", model, gender, "The backend's own voice."),
        design=Design(number & (1 << 63) - 1, gender),
        status=Status.READY,
        timestamp_ms=0,
    )


def _in_base_32(number: int, *, digits: int) -> str:
    return "".join(_ALPHABET[number >> 5 * place & 31] for place in reversed(range(digits)))
