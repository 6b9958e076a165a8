"""The program of a piper worker process, the only place that imports piper (GPL-3.0-or-later).

    python -m app.tts.backends.piper_worker FOLDER CAPACITY [VOICE...]

It loads the first VOICE that can be loaded, or the first of the folder, before it is ready, so that a broken model or
a lack of memory is known at once. Other voices are loaded when they are first spoken with; the one used longest ago
makes room.
"""

import sys
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import lru_cache, partial
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any, TypeAlias

from app.errors import BackendUnavailable, ChorusError, VoiceNotFound, WorkerFailed
from app.runtime.child import Channel, run
from app.tts.alignment import Timed, align, groups_of
from app.tts.backends.piper_voices import BACKEND, Model, read_models
from app.tts.model_worker import OUT_OF_MEMORY, Introduction, Job, Part, brief, explain_import, onnx_errors, serve
from app.tts.spoken_words import SpokenWord, match

PiperVoice: TypeAlias = Any
AudioChunk: TypeAlias = Any
"""Those of the package piper, which need not be installed where this is read."""

SAMPLE_RATE = 22050
"""Of nearly all published voices; the others are resampled."""

WORDS_KEPT = 4096
"""As each is read alone, which takes a millisecond."""

PINYIN_MODEL = Path("g2pW", "g2pw.onnx")
"""piper would download it in the middle of a job, so voices that need it are not used without."""


def broken(reason: str) -> ChorusError:
    """Return the error for a model that cannot be used."""
    return BackendUnavailable(BACKEND, reason=reason)


class Shelf:
    """The voices of a folder, at most `capacity` of them in memory."""

    def __init__(self, folder: Path, *, capacity: int) -> None:
        self._folder = folder
        self._capacity = capacity
        self._loaded: OrderedDict[str, PiperVoice] = OrderedDict()
        self.models, self.broken = read_models(folder)
        for name, model in list(self.models.items()):
            if reason := self._needs(model):
                del self.models[name]
                self.broken[name] = reason

    def take(self, name: str) -> PiperVoice:
        """Return a voice, loaded if it is not yet.

        Raises:
            VoiceNotFound: there is none of that name.
            BackendUnavailable: it cannot be loaded.
            MemoryError: there is no room for it.
        """
        if name not in self.models:
            raise VoiceNotFound(name, backend=BACKEND)
        if name not in self._loaded:
            while len(self._loaded) >= self._capacity:
                self._loaded.popitem(last=False)
            self._loaded[name] = self._load(self._folder / f"{name}.onnx")
        self._loaded.move_to_end(name)
        return self._loaded[name]

    def warm_up(self, preferred: Sequence[str]) -> str | None:
        """Load the first voice that can be, and note why those before it cannot; tell why none can."""
        reason = None
        for name in dict.fromkeys((*preferred, *self.models)):
            try:
                self.take(name)
            except VoiceNotFound:
                continue
            except BackendUnavailable as error:
                self.broken[name] = reason = error.reason
            except MemoryError as error:
                return f"{OUT_OF_MEMORY} ({brief(error)})"
            else:
                return None
        return reason and f"none of its voices can be loaded, the last because of: {reason}"

    def _load(self, path: Path) -> PiperVoice:
        piper = import_module("piper")
        has_onnx = find_spec("onnx") is not None  # only with it piper can read the times of phonemes
        with onnx_errors(broken, *_damage()):
            return piper.PiperVoice.load(path, include_alignments=has_onnx, download_dir=self._folder)

    def _needs(self, model: Model) -> str | None:
        if model.phonemes == "pinyin" and not (self._folder / PINYIN_MODEL).exists():
            return f"it needs {PINYIN_MODEL} beside it, which piper downloads by itself when it is run by hand"
        return None


class Speaker:
    """Speaks jobs with the voices of a shelf; a job's voice is a model's name and a speaker's number or nothing."""

    def __init__(self, shelf: Shelf) -> None:
        self._shelf = shelf
        self._read_word = lru_cache(maxsize=WORDS_KEPT)(self._read)

    def speak(self, job: Job) -> Iterator[Part]:
        """Yield the speech sentence by sentence.

        Raises:
            VoiceNotFound: there is no such voice.
            BackendUnavailable: its model cannot be used.
            WorkerFailed: the model broke on this text.
            MemoryError: there is not enough.
        """
        name, _, number = job.voice.partition("#")
        voice = self._shelf.take(name)
        config = import_module("piper").SynthesisConfig(
            speaker_id=int(number) if number else None, length_scale=voice.config.length_scale / job.speed
        )
        # piper reads phonemes between double brackets, and espeak-ng, in it, no further than a zero
        text = job.text.replace("[[", "[ [").replace("\0", " ")
        with onnx_errors(WorkerFailed, RuntimeError, ValueError, LookupError):
            words = self._words(name, text) if job.marks else ()
            begin = 0
            for chunk in voice.synthesize(text, config, include_alignments=job.marks):
                here = [replace(word, first=word.first - begin, end=word.end - begin) for word in words]
                begin += len(groups_of(chunk.phonemes))
                yield Part(chunk.audio_float_array, chunk.sample_rate, align(_timed(chunk), here))

    def _words(self, name: str, text: str) -> tuple[SpokenWord, ...]:
        if (
            self._shelf.models[name].phonemes == "pinyin"
        ):  # read by a neural network, which takes its time for each word
            return ()
        groups = [group for sentence in self._shelf.take(name).phonemize(text) for group in groups_of(sentence)]
        return match(text, groups, partial(self._read_word, name))

    def _read(self, name: str, word: str) -> str:
        return "".join(symbol for sentence in self._shelf.take(name).phonemize(word) for symbol in sentence)


def _damage() -> tuple[type[Exception], ...]:
    """Return what reading a damaged model raises, besides onnxruntime's own."""
    known = (OSError, RuntimeError, ValueError, LookupError, TypeError)
    if find_spec("onnx") is None:
        return known
    return (*known, import_module("google.protobuf.message").DecodeError)


def _timed(chunk: AudioChunk) -> list[Timed]:
    """Return when each phoneme of a sentence is heard; nothing if the model does not tell."""
    timed, position = [], 0
    for each in chunk.phoneme_alignments or ():
        start, position = position, position + int(each.num_samples)
        if each.phoneme not in ("^", "$"):
            timed.append(Timed(each.phoneme, start / chunk.sample_rate, position / chunk.sample_rate))
    return timed


def program(channel: Channel) -> None:
    """Serve jobs until the server has gone."""
    folder, capacity, *preferred = sys.argv[1:]
    shelf = Shelf(Path(folder), capacity=int(capacity))
    problem = explain_import("piper") or shelf.warm_up(preferred)
    voices: dict[str, Any] = {name: model.to_json() for name, model in shelf.models.items()}
    channel.ready(Introduction(voices, shelf.broken, problem).encode())
    serve(channel, Speaker(shelf).speak, sample_rate=SAMPLE_RATE)


if __name__ == "__main__":
    run(program)
