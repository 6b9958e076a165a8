"""A wording as one voice reads it: which lines there are, and one line spoken."""

from collections.abc import Hashable, Iterator
from dataclasses import dataclass

import anyio

from app.audio.format import Format
from app.audio.wav import HEADER_BYTES
from app.errors import NothingToSpeak, VoiceNotFound
from app.runtime.queue import Priority
from app.takes.casting import Casting
from app.takes.part import Part
from app.takes.parts import Piece, cut, end_in_silence
from app.takes.take import Wording
from app.takes.voice import Voice
from app.tts import speech, text
from app.tts.language import detect
from app.tts.speech import SpeechRequest
from app.tts.synthesizer import Synthesizer

_SAMPLE = 1000
"""Characters by which the language of a text is judged."""


@dataclass(frozen=True, slots=True)
class Line:
    """What becomes one part."""

    request: SpeechRequest
    rest: float
    """Seconds of silence behind it, at least."""
    pieces: int
    """Of the wording that are spoken when this is; some say nothing."""


class Reading:
    """One wording, one voice. Where a wording does not say its language, each of its sentences shows its own."""

    def __init__(
        self, wording: Wording, voice: Voice, *, synthesizer: Synthesizer, casting: Casting, default_language: str
    ) -> None:
        """Look whether it can be spoken at all; the rest is cut and cleaned line by line, when its time comes.

        Args:
            wording: what is said.
            voice: who says it.
            synthesizer: speaks.
            casting: finds speakers.
            default_language: BCP 47, of texts that do not show theirs.

        Raises:
            InvalidInput: the wording asks for a style that there is not.
            NothingToSpeak: its text has nothing in it that can be spoken.
            BackendUnavailable: the model of the voice cannot speak now.
            VoiceNotFound: the model does not speak the language.
        """
        self._voice = voice
        self._synthesizer = synthesizer
        self._casting = casting
        shape = voice.shape(wording)
        self._speed, self._manner = shape.speed, shape.manner
        self._override = wording.override_language
        self._language = self._override or detect(wording.text[:_SAMPLE], default=default_language)
        self._speakers: dict[str, speech.Voice] = {}
        self._main = self._speaker(self._language)
        self.sample_rate = synthesizer.sample_rate(voice.request.model)
        """Hz, of every part."""
        self._uncut = cut(wording.text, language=self._language)
        self._pieces: list[Piece] = []
        self._lines = self._write()
        first = next(self._lines, None)
        if first is None:
            raise NothingToSpeak
        self._first = first

    def lines(self) -> Iterator[Line]:
        """Yield the lines, once."""
        yield self._first
        yield from self._lines

    async def count(self) -> int:
        """Return how many pieces the wording has. Others go on while a long one is cut."""
        await anyio.lowlevel.checkpoint()
        while self._cut_on():
            await anyio.lowlevel.checkpoint()
        return len(self._pieces)

    async def speak(self, line: Line, *, index: int, client: Hashable, priority: Priority) -> Part:
        """Return a line as part number `index`. Raises, and is cancelled, as `Synthesizer.speak` is."""
        spoken = await self._synthesizer.speak(line.request, client=client, priority=priority, may_hurry=False)
        pcm = end_in_silence(spoken.audio[HEADER_BYTES:], sample_rate=spoken.sample_rate, least=line.rest)
        return Part(index, pcm, spoken.sample_rate, line.request.text)

    def _write(self) -> Iterator[Line]:
        for count, piece in enumerate(self._cut(), 1):
            speaker = self._speaker_of(piece)
            clean = text.clean(piece.text, language=speaker.language)
            if text.is_speakable(clean):
                yield Line(self._request(clean, speaker), piece.rest / max(self._speed, 1.0), count)

    def _cut(self) -> Iterator[Piece]:
        """Yield the pieces; those that `count` has not cut before are cut now."""
        known = 0
        while known < len(self._pieces) or self._cut_on():
            yield self._pieces[known]
            known += 1

    def _cut_on(self) -> bool:
        piece = next(self._uncut, None)
        if piece is not None:
            self._pieces.append(piece)
        return piece is not None

    def _request(self, clean: str, speaker: speech.Voice) -> SpeechRequest:
        return SpeechRequest(
            clean,
            voice=speaker.id,
            backend=speaker.backend,
            format=Format.WAV,
            sample_rate=self.sample_rate,
            speed=self._speed,
            manner=self._manner,
            language=speaker.language,
        )

    def _speaker_of(self, piece: Piece) -> speech.Voice:
        if self._override:
            return self._main
        try:
            return self._speaker(detect(piece.text, default=self._language))
        except VoiceNotFound:
            return self._main  # what it cannot read it may still spell, and the rest is heard

    def _speaker(self, language: str) -> speech.Voice:
        if language not in self._speakers:
            model = self._voice.request.model
            self._speakers[language] = self._casting.cast(self._voice.design, model=model, language=language)
        return self._speakers[language]
