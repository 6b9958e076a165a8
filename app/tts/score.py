"""A score: what is spoken for one request, part by part: phrases, each in a voice of its own, and pauses.

All of its voices belong to one backend, so a score is spoken in one turn and at one sample rate. Most scores are one
phrase, whose sound is passed on untouched. Where phrases meet, the edges are faded and the silence that a voice leaves
around an utterance goes, so that a word in another voice does not stumble; where a sentence or clause ends, it stays
within bounds, since voices leave anything from none to a second.
"""

from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing
from dataclasses import dataclass, replace

import regex

from app.audio.pcm import SAMPLE_BYTES, Pcm, from_bytes, to_bytes
from app.audio.splice import amplify, fade, sounding
from app.errors import NothingToSpeak
from app.runtime.workers import Workers
from app.tts import pieces
from app.tts.backend import Backend
from app.tts.leveler import Leveler
from app.tts.speech import Mark, Sound, Utterance, Voice
from app.tts.text import is_speakable
from app.tts.treatment import Treatment, treat

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
class Phrase:
    """A part that is spoken."""

    utterance: Utterance
    gain: float = 0.0
    """dB; -inf is silence as long as the speech."""
    rest: float = 0.0
    """Seconds of silence behind it where it is played alone; where a whole score is performed, they are measured."""
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
        for part in self._pieces(size, first_size):
            if isinstance(before, Phrase) and isinstance(part, Phrase):
                before = replace(before, rest=_pause_behind(before.utterance))
            if before is not None:
                yield before
            before = part
        if before is not None:
            yield before

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
    if part.treatment and part.treatment.needs_all:
        whole = await _speak(backend, part, leveler, workers)
        size = SAMPLE_BYTES * round(CHUNK_SECONDS * backend.sample_rate)
        for start in range(0, len(whole.pcm), size):
            yield Sound(whole.pcm[start : start + size], () if start else whole.marks)
    else:
        async with aclosing(_stream(backend, part, leveler, workers)) as sounds:
            async for sound in sounds:
                yield sound
    if part.rest:
        yield Sound(silence(part.rest, backend.sample_rate))


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
    if index + 1 == len(parts):
        tail = None
    elif isinstance(parts[index + 1], Pause):
        tail = (0.0, CLOSE_SECONDS)
    else:
        least = _pause_behind(part.utterance)
        tail = (least, MAX_MARK_SECONDS if least else CLOSE_SECONDS)
    return _edged(sound, backend.sample_rate, head=index > 0, tail=tail)


async def _stream(
    backend: Backend, phrase: Phrase, leveler: Leveler | None, workers: Workers | None
) -> AsyncGenerator[Sound, None]:
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


def _pause_behind(utterance: Utterance) -> float:
    """Return the least silence between an utterance and the next, in seconds."""
    return MIN_MARK_SECONDS / max(utterance.speed, 1.0) if _ENDS_WITH_MARK.search(utterance.text) else 0.0


def _joined(sounds: list[Sound]) -> Sound:
    return Sound(b"".join([sound.pcm for sound in sounds]), tuple(mark for sound in sounds for mark in sound.marks))


def _amplified(sound: Sound, gain: float) -> Sound:
    return replace(sound, pcm=to_bytes(amplify(from_bytes(sound.pcm), gain))) if gain else sound


def _edged(sound: Sound, sample_rate: int, *, head: bool, tail: tuple[float, float] | None) -> Sound:
    """Trim and fade the edges where other parts are; `tail` bounds the silence there in seconds."""
    pcm = from_bytes(sound.pcm)
    begin, end = sounding(pcm)
    if begin == end:  # silence is as long as it was asked to be
        begin, end = 0, len(pcm)
    least, most = (round(seconds * sample_rate) for seconds in tail or (0.0, float(len(pcm))))
    first = max(begin - round(CLOSE_SECONDS * sample_rate), 0) if head else 0
    last = min(end + most, len(pcm))
    trimmed: Pcm = fade(pcm[first:last], sample_rate=sample_rate, head=head, tail=tail is not None)
    marks = tuple(_moved(mark, -first / sample_rate, limit=len(trimmed) / sample_rate) for mark in sound.marks)
    return Sound(to_bytes(trimmed) + bytes(SAMPLE_BYTES * max(end + least - last, 0)), marks)


def _moved(mark: Mark, seconds: float, *, limit: float = float("inf")) -> Mark:
    start, end = (min(max(time + seconds, 0.0), limit) for time in (mark.start, mark.end))
    return replace(mark, start=start, end=end)
