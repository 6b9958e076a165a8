"""The program of a Kokoro worker process: kokoro-onnx, and the espeak-ng in it (GPL-3.0-or-later).

    python -m app.tts.backends.kokoro_worker MODEL VOICES

It loads the model and speaks a word before it is ready, so that a broken file or a lack of memory is known at once.
"""

import sys
import zipfile
from collections.abc import Iterator
from functools import lru_cache, partial
from importlib import import_module
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from app.errors import BackendUnavailable, ChorusError, WorkerFailed
from app.runtime.child import Channel, run
from app.tts import pieces
from app.tts.alignment import Timed, align, groups_of
from app.tts.backends.kokoro_phonemes import readers
from app.tts.backends.kokoro_voices import BACKEND, LANGUAGES, Mixture, is_speakable, parse
from app.tts.model_worker import OUT_OF_MEMORY, Introduction, Job, Part, brief, explain_import, onnx_errors, serve
from app.tts.spoken_words import match

SAMPLE_RATE = 24_000
SPEEDS = (0.5, 2.0)
"""What kokoro-onnx takes."""
PIECE_CHARACTERS = 150
FIRST_PIECE_CHARACTERS = 30
"""The first sound of a long text comes when the first clause is done."""
STYLES_KEPT = 32
"""Of voices and mixtures, half a megabyte each; kokoro-onnx reads them from the file each time."""
WORDS_KEPT = 4096
"""As each is read alone, which takes a millisecond."""
SENTENCE_PAUSE = 0.25
"""Seconds, as kokoro-onnx puts between its own batches."""

Kokoro: TypeAlias = Any
"""That of kokoro_onnx, which need not be installed where this is read."""


def broken(reason: str) -> ChorusError:
    """Return the error for files that cannot be used."""
    return BackendUnavailable(BACKEND, reason=reason)


class Speaker:
    """Speaks jobs with one model; a job's voice is a voice's name or a mixture."""

    def __init__(self, kokoro: Kokoro) -> None:
        self._kokoro = kokoro
        names = [name for name in kokoro.get_voices() if is_speakable(name, LANGUAGES)]
        self._readers, missing = readers(self._espeak, {name[0] for name in names})
        self.voices = [name for name in names if name[0] in self._readers]
        self.silent = {name: missing[name[0]] for name in names if name[0] in missing}
        self._mix = lru_cache(maxsize=STYLES_KEPT)(self._read_styles)
        self._read_word = lru_cache(maxsize=WORDS_KEPT)(lambda letter, word: self._readers[letter](word))

    def speak(self, job: Job) -> Iterator[Part]:
        """Yield the speech piece by piece, a few sentences each, the first one short if somebody listens.

        Raises:
            VoiceNotFound: there is no such voice.
            WorkerFailed: the model broke on this text.
            MemoryError: there is not enough.
        """
        mixture = parse(job.voice, self.voices)
        style, letter = self._mix(mixture), mixture.first[0]
        speed = min(max(job.speed, SPEEDS[0]), SPEEDS[1])
        first_size = None if job.whole else FIRST_PIECE_CHARACTERS
        texts = list(pieces.split(job.text, size=PIECE_CHARACTERS, first_size=first_size, language=LANGUAGES[letter]))
        for index, text in enumerate(texts):
            with onnx_errors(WorkerFailed, RuntimeError, ValueError, LookupError, AssertionError):
                part = self._say(text, letter, style, speed, marks=job.marks)
            if part is not None:
                yield part if index == len(texts) - 1 else _paused(part)

    def _say(self, text: str, letter: str, style: npt.NDArray[np.float32], speed: float, *, marks: bool) -> Part | None:
        """Speak one piece; None if there is nothing in it that the model has a symbol for."""
        text = text.replace("\0", " ")
        phonemes = self._readers[letter](text)
        if not self._kokoro.tokenizer.known(phonemes).strip():
            return None
        samples, sample_rate, spoken = self._kokoro.create_timed(phonemes, style, speed=speed, is_phonemes=True)
        timed = [Timed(each.phoneme, each.start, each.end) for each in spoken] if marks else []
        words = match(text, groups_of(each.symbol for each in timed), partial(self._read_word, letter))
        return Part(np.asarray(samples, np.float32), sample_rate, align(timed, words))

    def _read_styles(self, mixture: Mixture) -> npt.NDArray[np.float32]:
        styles = [share * self._kokoro.get_voice_style(name) for name, share in mixture.shares]
        mixed: npt.NDArray[np.float32] = np.sum(styles, axis=0, dtype=np.float32)
        return mixed

    def _espeak(self, text: str, voice: str) -> str:
        return str(self._kokoro.tokenizer.phonemize(text, voice))


def load(model: Path, voices: Path) -> Speaker:
    """Load the files and try them with a word.

    Raises:
        BackendUnavailable: they cannot be used.
        MemoryError: there is not enough.
    """
    damage = (OSError, EOFError, RuntimeError, ValueError, LookupError, TypeError, zipfile.BadZipFile)
    with onnx_errors(broken, *damage):
        speaker = Speaker(import_module("kokoro_onnx").Kokoro(str(model), str(voices)))
    if not speaker.voices:
        reasons = "; ".join(sorted(set(speaker.silent.values()))) or "none of its names is one of Kokoro's"
        raise BackendUnavailable(BACKEND, reason=f"{voices.name} has no voice that can be used ({reasons})")
    try:
        for name in _one_of_each_language(speaker.voices):
            list(speaker.speak(Job("one 一", name)))  # the first use of a language reads its dictionary
    except WorkerFailed as error:
        raise BackendUnavailable(BACKEND, reason=f"the model does not speak: {error}") from error
    return speaker


def _one_of_each_language(voices: list[str]) -> list[str]:
    return list({name[0]: name for name in voices}.values())


def _paused(part: Part) -> Part:
    silence = np.zeros(int(SENTENCE_PAUSE * part.sample_rate), np.float32)
    return Part(np.concatenate([part.samples, silence]), part.sample_rate, part.marks)


def program(channel: Channel) -> None:
    """Serve jobs until the server has gone."""
    model, voices = map(Path, sys.argv[1:])
    problem = explain_import("kokoro_onnx")
    speaker = None
    if problem is None:
        try:
            speaker = load(model, voices)
        except BackendUnavailable as error:
            problem = f"{model.name} or {voices.name} is broken ({error.reason})"
        except MemoryError as error:
            problem = f"{OUT_OF_MEMORY} ({brief(error)})"
    if speaker is None:
        channel.ready(Introduction(problem=problem).encode())
        serve(channel, _refuse, sample_rate=SAMPLE_RATE)
        return
    for reason in sorted(set(speaker.silent.values())):
        print(f"some voices are left out: {reason}", file=sys.stderr)
    channel.ready(Introduction(dict.fromkeys(speaker.voices, {}), speaker.silent).encode())
    serve(channel, speaker.speak, sample_rate=SAMPLE_RATE)


def _refuse(job: Job) -> Iterator[Part]:
    raise BackendUnavailable(BACKEND, reason="its files are broken")


if __name__ == "__main__":
    run(program)
