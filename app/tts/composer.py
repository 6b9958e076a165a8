"""How a request becomes a score: its text or markup, and a voice of the backend for each stretch of it.

Where a voice is named it speaks everything, whatever the language. Where none is, the stretches in another language
than the text (`app.tts.runs`) are spoken by voices of the same backend that are most like the first.
"""

from app.errors import VoiceNotFound
from app.tts import language, say_as, ssml, text
from app.tts.backend import Backend
from app.tts.runs import Run, runs
from app.tts.score import Part, Pause, Phrase, Score
from app.tts.speech import (
    MAX_PITCH,
    MAX_PITCH_RANGE,
    MAX_SPEED,
    MAX_VOLUME,
    MIN_SPEED,
    Gender,
    SpeechRequest,
    Utterance,
    Voice,
)
from app.tts.ssml import Segment, VoiceWish
from app.tts.treatment import Treatment

UNTREATED = Treatment()


def main_language(request: SpeechRequest, *, default: str) -> str:
    """Return the language that most of a request's text is in (BCP 47).

    Raises:
        InvalidInput: the markup is none.
    """
    if request.language:
        return request.language
    if not request.ssml:
        return language.detect(request.text, default=default)
    document = ssml.parse(request.text)
    return document.language or language.detect(document.text, default=default)


def compose(request: SpeechRequest, voice: Voice, backend: Backend) -> Score:
    """Write the score of a request whose main voice is `voice`, one of the backend's.

    Raises:
        NothingToSpeak: the text has nothing in it that can be spoken.
        InvalidInput: the markup is none, or asks for something outside the subset.
        VoiceNotFound: the markup names a voice or language that the backend does not have.
    """
    composer = _Composer(request, voice, backend)
    if not request.ssml:
        return Score(tuple(composer.phrases(Segment(request.text))))
    parts: list[Part] = []
    for part in ssml.parse(request.text).parts:
        if isinstance(part, Pause):
            parts.append(part)
        else:
            parts += composer.phrases(part)
    return Score(tuple(parts))


class _Composer:
    """Writes phrases for one request."""

    def __init__(self, request: SpeechRequest, voice: Voice, backend: Backend) -> None:
        self._request = request
        self._voice = voice
        self._backend = backend

    def phrases(self, segment: Segment) -> list[Phrase]:
        """Return the phrases of a segment; none if it has nothing to be spoken."""
        voice = self._wished(segment.voice)
        written = segment.text
        if segment.say_as:
            asked = segment.say_as
            written = say_as.read(
                written, interpret_as=asked.interpret_as, format=asked.format, language=voice.language
            )
        if self._request.voice or segment.voice.name or segment.say_as:
            stretches = [(written, voice)]
        else:
            stretches = self._voiced(written, voice)
        phrases = (self._phrase(stretch, speaker, segment) for stretch, speaker in stretches)
        return [phrase for phrase in phrases if phrase is not None]

    def _phrase(self, written: str, voice: Voice, segment: Segment) -> Phrase | None:
        clean = text.clean(written, language=voice.language)
        if not text.is_speakable(clean):
            return None
        prosody, manner = segment.prosody, self._request.manner
        speed = min(max(self._request.speed * prosody.speed, MIN_SPEED), MAX_SPEED)
        pitch = min(max(prosody.pitch + manner.pitch, -MAX_PITCH), MAX_PITCH)
        pitch_range = min(prosody.pitch_range * manner.pitch_range, MAX_PITCH_RANGE)
        wanted = Utterance(clean, voice, speed, pitch, self._request.timestamps, pitch_range)
        spoken, treatment = self._shared(wanted)
        return Phrase(spoken, min(prosody.volume + manner.volume, MAX_VOLUME), treatment=treatment)

    def _shared(self, wanted: Utterance) -> tuple[Utterance, Treatment | None]:
        """Share out what is wanted: return what the backend speaks by itself, and what is left to be done."""
        manner = self._request.manner
        is_own = wanted.pitch == 0 and wanted.pitch_range == 1
        if is_own and manner.timbre == 0 and manner.tilt == 0:
            return wanted, None
        spoken = wanted if is_own else self._backend.reach(wanted)
        pitch = round(wanted.pitch - spoken.pitch, 3)
        pitch_range = 1.0 if wanted.pitch_range == spoken.pitch_range else wanted.pitch_range / spoken.pitch_range
        treatment = Treatment(pitch, pitch_range, manner.timbre, manner.tilt)
        return spoken, None if treatment == UNTREATED else treatment

    def _voiced(self, written: str, voice: Voice) -> list[tuple[str, Voice]]:
        """Give each run its voice; runs that share one are one stretch again."""
        stretches: list[tuple[str, Voice]] = []
        for run in runs(written, main=voice.language):
            speaker = self._speaker(run, voice)
            if stretches and (stretches[-1][1] == speaker or not text.is_speakable(run.text)):
                stretches[-1] = (stretches[-1][0] + run.text, stretches[-1][1])
            else:
                stretches.append((run.text, speaker))
        return stretches

    def _speaker(self, run: Run, voice: Voice) -> Voice:
        if run.language == voice.language:
            return voice
        try:
            return self._backend.choose_voice(run.language, like=voice.id)
        except VoiceNotFound:
            return voice  # what it cannot read it may still spell, and the rest is heard

    def _wished(self, wish: VoiceWish) -> Voice:
        voice = self._voice
        if wish.name:
            return self._backend.find_voice(wish.name)
        if wish.language and not language.matches(voice.language, wish.language):
            voice = self._backend.choose_voice(wish.language, like=voice.id)
        if wish.gender and voice.gender is not wish.gender:
            return self._of_gender(wish.gender, voice)
        return voice

    def _of_gender(self, gender: Gender, voice: Voice) -> Voice:
        """Return a voice of the same language and another gender; the same one where there is none."""
        fellows = (fellow for fellow in self._backend.voices() if fellow.language == voice.language)
        return next((fellow for fellow in fellows if fellow.gender is gender), voice)
