"""A score: what is spoken for one request, part by part: phrases, each in a voice of its own, and pauses.

All of its voices belong to one backend, so a score is spoken in one turn and at one sample rate. Most scores are one
phrase, whose sound is passed on untouched. Where phrases meet, the edges are faded and the silence that a voice leaves
around an utterance goes, so that a word in another voice does not stumble; where a sentence or clause ends, it stays
within bounds, since voices leave anything from none to a second.
"""

from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing
from dataclasses import dataclass, replace
from itertools import chain

import regex

from app.audio.pcm import SAMPLE_BYTES, from_bytes, to_bytes
from app.audio.splice import amplify
from app.audio.trim import Trimmer
from app.errors import NothingToSpeak
from app.runtime.workers import Workers
from app.tts import pieces
from app.tts.backend import Backend
from app.tts.leveler import Leveler
from app.tts.speech import Mark, Sound, Utterance, Voice
from app.tts.text import is_speakable
from app.tts.treatment import Treatment, treat
from app.tts.trim import trim

CLOSE_SECONDS = 0.03
"""Silence that stays at an edge where the next phrase follows closely; trimming more would cut breath and stops."""

MIN_MARK_SECONDS, MAX_MARK_SECONDS = 0.12, 0.4
"""Silence behind a mark; at speed 1 espeak-ng makes 0.06 to 0.16 s within an utterance and none at its end."""

CHUNK_SECONDS = 4.0
"""Of a phrase that is handed on when it is whole."""
OTHER_PITCH = 4.0
"""Semitones, from the half of which on a voice is as loud as another one: espeak-ng's by a quarter of a dB for each."""

_ENDS_WITH_MARK = regex.compile(r"[\p{P}--[-_@#&'’]][\s\p{Pe}\p{Pf}\"']*$", regex.VERSION1)


@dataclass(frozen=True, slots=True)
class Seam:
    """What becomes of the silence that a voice leaves around a phrase, and of its edges."""

    follows: bool
    """Whether something is heard before it: then little silence stays there, and the edge is faded."""
    tail: tuple[float, float] | None
    """Seconds of silence behind it, at least and at most; None where nothing follows: then that edge stays."""


@dataclass(frozen=True, slots=True)
class Phrase:
    """A part that is spoken."""

    utterance: Utterance
    gain: float = 0.0
    """dB; -inf is silence as long as the speech."""
    seam: Seam | None = None
    """How it meets what is played before and behind it; None where it is not a piece that was cut to be played."""
    treatment: Treatment | None = None
    """What is done to the sound of the voice; None: nothing."""

    @property
    def size(self) -> float:
        """How much there is to say, for estimates: bytes of text at speed 1.

        A Chinese character has three, and takes about as long to say as four letters.
        """
        return len(self.utterance.text.encode(errors="replace")) / self.utterance.speed


@dataclass(frozen=True, slots=True)
class Pause:
    """A part in which nothing is heard."""

    seconds: float

    @property
    def size(self) -> float:
        """What there is to say in it: nothing."""
        return 0.0


Part = Phrase | Pause


@dataclass(frozen=True, slots=True)
class Score:
    """The parts of one speech, in order; at least one is a phrase. Equal scores sound equal."""

    parts: tuple[Part, ...]

    def __post_init__(self) -> None:
        if not any(isinstance(part, Phrase) for part in self.parts):
            raise NothingToSpeak

    @classmethod
    def of(cls, utterance: Utterance) -> "Score":
        """Return the score of one utterance."""
        return cls((Phrase(utterance),))

    @property
    def phrases(self) -> tuple[Phrase, ...]:
        """The parts that are spoken."""
        return tuple(part for part in self.parts if isinstance(part, Phrase))

    @property
    def voice(self) -> Voice:
        """The voice that speaks most of it, in characters; the first of equals."""
        first = self.parts[0]
        if len(self.parts) == 1 and isinstance(first, Phrase):
            return first.utterance.voice
        characters: dict[Voice, int] = {}
        for phrase in self.phrases:
            voice = phrase.utterance.voice
            characters[voice] = characters.get(voice, 0) + len(phrase.utterance.text)
        return max(characters, key=lambda voice: characters[voice])

    @property
    def size(self) -> float:
        """How much there is to say, as for a phrase."""
        return sum(part.size for part in self.parts)

    def cut(self, *, size: int, first_size: int) -> Iterator[Part]:
        """Yield the parts with phrases cut into pieces of at most `size` characters, the very first at `first_size`."""
        before: Part | None = None
        part: Part | None = None
        for following in chain(self._pieces(size, first_size), (None,)):
            if isinstance(part, Phrase) and (before or following):
                yield replace(part, seam=_seam(before, part, following))
            elif part is not None:
                yield part
            before, part = part, following

    def _pieces(self, size: int, first_size: int) -> Iterator[Part]:
        first: int | None = first_size
        for part in self.parts:
            if isinstance(part, Pause):
                yield part
                continue
            spoken = part.utterance
            for piece in pieces.split(spoken.text, size=size, language=spoken.voice.language, first_size=first):
                if is_speakable(piece):
                    yield replace(part, utterance=replace(spoken, text=piece))
            first = None


async def perform(
    backend: Backend, score: Score, leveler: Leveler | None = None, workers: Workers | None = None
) -> Sound:
    """Speak a whole score, every phrase as loud as the leveler has it; times of marks count from its beginning.

    Phrases are treated in `workers`. Must be called within a turn of the backend's line. Cancelling stops the backend.
    Raises what it raises.
    """
    if isinstance(score.parts[0], Phrase) and len(score.parts) == 1:
        return await _speak(backend, score.parts[0], leveler, workers)
    stretches: list[Sound] = []
    seconds = 0.0
    for index, part in enumerate(score.parts):
        stretch = await _stretch(backend, score.parts, index, part, leveler, workers)
        stretches.append(replace(stretch, marks=tuple(_moved(mark, seconds) for mark in stretch.marks)))
        seconds += len(stretch.pcm) / SAMPLE_BYTES / backend.sample_rate
    return _joined(stretches)


async def play(
    backend: Backend, part: Part, leveler: Leveler | None = None, workers: Workers | None = None
) -> AsyncGenerator[Sound, None]:
    """Yield one part as it is made, as `Backend.synthesize` does; when it is whole, if its treatment needs that.

    Without a leveler a gain that would clip is cut at full scale; with one some 40 ms are held back, and as much of the
    beginning as the backend is ahead with.
    """
    if isinstance(part, Pause):
        yield Sound(silence(part.seconds, backend.sample_rate))
        return
    sounds = _stream(backend, part, leveler, workers)
    if part.seam is not None:
        lead = CLOSE_SECONDS if part.seam.follows else None
        sounds = trim(sounds, sample_rate=backend.sample_rate, whole=False, lead=lead, tail=part.seam.tail)
    async with aclosing(sounds):
        async for sound in sounds:
            yield sound


def silence(seconds: float, sample_rate: int) -> bytes:
    """Return int16 PCM of nothing."""
    return bytes(SAMPLE_BYTES * round(seconds * sample_rate))


async def _stretch(
    backend: Backend,
    parts: tuple[Part, ...],
    index: int,
    part: Part,
    leveler: Leveler | None,
    workers: Workers | None,
) -> Sound:
    if isinstance(part, Pause):
        return Sound(silence(part.seconds, backend.sample_rate))
    sound = await _speak(backend, part, leveler, workers)
    before, following = parts[index - 1] if index else None, parts[index + 1] if index + 1 < len(parts) else None
    return _edged(sound, backend.sample_rate, _seam(before, part, following))


async def _stream(
    backend: Backend, phrase: Phrase, leveler: Leveler | None, workers: Workers | None
) -> AsyncGenerator[Sound, None]:
    if phrase.treatment and phrase.treatment.needs_all:
        whole = await _speak(backend, phrase, leveler, workers)
        size = SAMPLE_BYTES * round(CHUNK_SECONDS * backend.sample_rate)
        for start in range(0, len(whole.pcm), size):
            yield Sound(whole.pcm[start : start + size], () if start else whole.marks)
        return
    levelled = None
    if leveler:
        voice, ahead = _heard_as(phrase), backend.traits.lookahead
        levelled = leveler.stream(voice, backend.sample_rate, volume=phrase.gain, lookahead=ahead)
    async with aclosing(_sounds(backend, phrase, workers, whole=False)) as sounds:
        async for sound in sounds:
            yield replace(sound, pcm=levelled.push(sound.pcm)) if levelled else _amplified(sound, phrase.gain)
    if levelled:
        yield Sound(levelled.finish())


async def _speak(backend: Backend, phrase: Phrase, leveler: Leveler | None, workers: Workers | None) -> Sound:
    async with aclosing(_sounds(backend, phrase, workers, whole=True)) as sounds:
        sound = _joined([sound async for sound in sounds])
    if leveler is None:
        return _amplified(sound, phrase.gain)
    voice, rate = _heard_as(phrase), backend.sample_rate
    return replace(sound, pcm=await leveler.level(sound.pcm, voice=voice, sample_rate=rate, volume=phrase.gain))


def _sounds(backend: Backend, phrase: Phrase, workers: Workers | None, *, whole: bool) -> AsyncGenerator[Sound, None]:
    sounds = backend.synthesize(phrase.utterance, whole=whole)
    if phrase.treatment is None:
        return sounds
    return treat(sounds, phrase.treatment, sample_rate=backend.sample_rate, workers=workers)


def _heard_as(phrase: Phrase) -> Voice:
    """Return the voice as the leveler is to know it: in another manner it is another one."""
    voice, steps = phrase.utterance.voice, round(phrase.utterance.pitch / OTHER_PITCH)
    if phrase.treatment is None and not steps:
        return voice
    return replace(voice, id=f"{voice.id} {steps} {phrase.treatment}")


def _seam(before: Part | None, phrase: Phrase, following: Part | None) -> Seam:
    match following:
        case None:
            tail = None
        case Pause():
            tail = (0.0, CLOSE_SECONDS)
        case _:
            least = _pause_behind(phrase.utterance)
            tail = (least, MAX_MARK_SECONDS if least else CLOSE_SECONDS)
    return Seam(follows=before is not None, tail=tail)


def _pause_behind(utterance: Utterance) -> float:
    """Return the least silence between an utterance and the next, in seconds."""
    return MIN_MARK_SECONDS / max(utterance.speed, 1.0) if _ENDS_WITH_MARK.search(utterance.text) else 0.0


def _joined(sounds: list[Sound]) -> Sound:
    return Sound(b"".join([sound.pcm for sound in sounds]), tuple(mark for sound in sounds for mark in sound.marks))


def _amplified(sound: Sound, gain: float) -> Sound:
    return replace(sound, pcm=to_bytes(amplify(from_bytes(sound.pcm), gain))) if gain else sound


def _edged(sound: Sound, sample_rate: int, seam: Seam) -> Sound:
    """Trim and fade the edges where other parts are."""
    lead = CLOSE_SECONDS if seam.follows else None
    trimmer = Trimmer(sample_rate=sample_rate, lead=lead, tail=seam.tail)
    pcm = to_bytes(trimmer.push(from_bytes(sound.pcm))) + to_bytes(trimmer.finish())
    limit = len(pcm) / SAMPLE_BYTES / sample_rate
    return Sound(pcm, tuple(_moved(mark, -trimmer.dropped / sample_rate, limit=limit) for mark in sound.marks))


def _moved(mark: Mark, seconds: float, *, limit: float = float("inf")) -> Mark:
    start, end = (min(max(time + seconds, 0.0), limit) for time in (mark.start, mark.end))
    return replace(mark, start=start, end=end)
