"""Which voices piper has, by their configurations, and which of them speaks a language. Pure.

A voice is a model `zh_CN-huayan-medium.onnx` beside its configuration `zh_CN-huayan-medium.onnx.json`. One speaker of
a model with several is `en_US-libritts-high#p3922`; the plain name is the model's own default.
"""

import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from app.errors import InvalidInput, VoiceNotFound
from app.tts import language
from app.tts.model_processes import fingerprint
from app.tts.speech import Gender, Voice

BACKEND = "piper"

LISTED_SPEAKERS = 12
"""Of a model with more speakers, only the plain voice is listed; the others are found by name."""

_QUALITIES = ("high", "medium", "low", "x_low")

_FEMALE_NAMES = """
    amy cori eva_k hfc_female huayan jenny_dioco kathleen kerstin kristin lessac ljspeech paola ramona siwis
"""
_MALE_NAMES = """
    alan bryce danny davefx dmitri hfc_male joe john karlsson kusal norman riccardo ryan thorsten
"""
"""Of the published voices, by the name within theirs, since their configurations do not say it."""

_MANDARIN = ("cmn", "zh")
_TAG_IN_NAME = re.compile(r"([a-z]{2,3})[_-]([A-Za-z]{2})-")


@dataclass(frozen=True, slots=True)
class Model:
    """What has to be known of a voice model without loading it."""

    name: str
    language: str
    """BCP 47."""
    quality: str = ""
    phonemes: str = "espeak"
    """How its text becomes phonemes: `espeak`, `pinyin`, `text`."""
    length_scale: float = 1.0
    """How long its phonemes are at its own pace."""
    speakers: Mapping[str, int] = field(default_factory=dict)
    """Number of each speaker, by name; empty if there is one."""
    version: str = ""
    """Changes when the model does; empty if that is not known."""

    def to_json(self) -> dict[str, Any]:
        """Return what `Model(**…)` takes."""
        return asdict(self)


def read_model(name: str, config: object, *, version: str = "") -> Model:
    """Read a voice's configuration.

    Raises:
        InvalidInput: it lacks what piper needs.
    """
    if not isinstance(config, dict):
        raise InvalidInput("its configuration is no JSON object")
    ids = _need(config, "phoneme_id_map", dict)
    _need(config, "num_symbols", int)
    speakers = _need(config, "num_speakers", int)
    _need(_need(config, "audio", dict), "sample_rate", int, within="audio.")
    espeak_voice = _need(_need(config, "espeak", dict), "voice", str, within="espeak.")
    if missing := [symbol for symbol in "_^$" if symbol not in ids]:
        raise InvalidInput(f"its configuration has no ids for {' '.join(missing)} in phoneme_id_map")
    names = config.get("speaker_id_map") or {}
    inference = config.get("inference") or {}
    return Model(
        name,
        _language(name, config, espeak_voice),
        quality=name.rpartition("-")[2],
        phonemes=str(config.get("phoneme_type", "espeak")),
        length_scale=float(inference.get("length_scale", 1.0)),
        speakers={str(speaker): int(number) for speaker, number in names.items()} if speakers > 1 else {},
        version=version,
    )


def read_models(folder: Path) -> tuple[dict[str, Model], dict[str, str]]:
    """Return the voices of a folder by name, and why others there cannot be used."""
    models: dict[str, Model] = {}
    broken: dict[str, str] = {}
    for path in sorted(folder.glob("*.onnx")):
        try:
            config = json.loads(path.with_name(f"{path.name}.json").read_text("utf-8"))
            models[path.stem] = read_model(path.stem, config, version=fingerprint(path))
        except FileNotFoundError:
            broken[path.stem] = f"{path.name}.json is missing"
        except (OSError, ValueError) as error:
            broken[path.stem] = f"{path.name}.json cannot be read: {error}"
        except InvalidInput as error:
            broken[path.stem] = str(error)
    return models, broken


class Catalogue:
    """The voices of some models.

    Args:
        models: in any order.
        gender_of: what is known of voices of other backends, by their ids.
    """

    def __init__(self, models: Iterable[Model], *, gender_of: Callable[[str], Gender]) -> None:
        self._models = {model.name: model for model in sorted(models, key=lambda model: model.name)}
        self._gender_of = gender_of
        self.listed = tuple(voice for model in self._models.values() for voice in self._list(model))

    def find(self, voice_id: str) -> Voice:
        """Return the voice with this id, capitals or not.

        Raises:
            VoiceNotFound: there is no such model, or no such speaker in it.
        """
        name, hash_sign, speaker = voice_id.partition("#")
        model = next((each for each in self._models.values() if each.name.lower() == name.lower()), None)
        if model is None or (hash_sign and speaker not in model.speakers):
            raise VoiceNotFound(voice_id, backend=BACKEND)
        return self._voice(model, speaker)

    def choose(self, tag: str, *, like: str | None = None) -> Voice:
        """Return the best voice of a language: `like` itself, then the same gender, the same region, the quality.

        Raises:
            VoiceNotFound: none speaks the language.
        """
        voices = [voice for voice in self.listed if language.matches(voice.language, tag)]
        if not voices:
            raise VoiceNotFound(tag, backend=BACKEND)
        if own := next((voice for voice in voices if voice.id == like), None):
            return own
        wanted = self._gender_like(like)
        return min(
            voices,
            key=lambda voice: (
                voice.gender not in (wanted, Gender.NEUTRAL),
                voice.language.lower() != tag.lower(),
                voice.gender != wanted,
                self._rank(voice),
            ),
        )

    def sound(self, voice_id: str) -> tuple[str, int | None]:
        """Return the name of the model and the number of the speaker.

        Raises:
            VoiceNotFound: there is no such voice.
        """
        name, _, speaker = self.find(voice_id).id.partition("#")
        return name, self._models[name].speakers[speaker] if speaker else None

    def _gender_like(self, like: str | None) -> Gender:
        if like is None:
            return Gender.FEMALE
        own = next((voice for voice in self.listed if voice.id == like), None)
        gender = own.gender if own else self._gender_of(like)
        return Gender.FEMALE if gender is Gender.NEUTRAL else gender

    def _rank(self, voice: Voice) -> int:
        quality = self._models[voice.id.partition("#")[0]].quality
        return _QUALITIES.index(quality) if quality in _QUALITIES else len(_QUALITIES)

    def _list(self, model: Model) -> list[Voice]:
        speakers = model.speakers if len(model.speakers) <= LISTED_SPEAKERS else ()
        return [self._voice(model, speaker) for speaker in ("", *speakers)]

    def _voice(self, model: Model, speaker: str) -> Voice:
        own_name = _own_name(model.name)
        gender = Gender.NEUTRAL if speaker else _gender(own_name)
        name = ", ".join(filter(None, (own_name.replace("_", " ").title(), speaker, model.quality.replace("_", "-"))))
        return Voice(
            f"{model.name}#{speaker}" if speaker else model.name, name, model.language, gender, BACKEND, model.version
        )


def is_neutral(voice_id: str) -> Gender:
    """Know nothing of other backends' voices: the default of `gender_of`."""
    return Gender.NEUTRAL


def _gender(own_name: str) -> Gender:
    if own_name in _FEMALE_NAMES.split():
        return Gender.FEMALE
    return Gender.MALE if own_name in _MALE_NAMES.split() else Gender.NEUTRAL


def _own_name(name: str) -> str:
    """Take `huayan` out of `zh_CN-huayan-medium`."""
    parts = name.split("-")
    return parts[1].lower() if len(parts) >= 3 else name


def _language(name: str, config: Mapping[str, Any], espeak_voice: str) -> str:
    about = config.get("language")
    code = about.get("code") if isinstance(about, dict) else None
    if not code and (match := _TAG_IN_NAME.match(name)):
        code = "_".join(match.groups())
    if not code:
        code = "zh_CN" if espeak_voice in _MANDARIN else espeak_voice
    first, _, region = str(code).replace("-", "_").partition("_")
    return f"{first.lower()}-{region.upper()}" if region else first.lower()


def _need(config: Mapping[str, Any], key: str, kind: type, *, within: str = "") -> Any:
    if not isinstance(config.get(key), kind):
        raise InvalidInput(f"its configuration has no {within}{key}")
    return config[key]
