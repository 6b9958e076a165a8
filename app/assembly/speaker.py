"""The voice of portraits: our own speech engine."""

from collections.abc import Hashable

from app.audio.format import Format
from app.lipsync.mouth.phonemes import TimedPhoneme
from app.lipsync.script import Script, Spoken
from app.tts.speech import MarkKind, SpeechRequest
from app.tts.synthesizer import Synthesizer


class SynthesizedSpeaker:
    """Speaks scripts; see `Speaker`."""

    def __init__(self, synthesizer: Synthesizer) -> None:
        self._synthesizer = synthesizer

    async def speak(self, script: Script, *, client: Hashable) -> Spoken:
        """Return the speech, at its own pace however many wait, with the times of its phonemes."""
        request = SpeechRequest(
            script.text,
            voice=script.voice,
            backend=script.backend,
            language=script.language,
            speed=script.speed,
            ssml=script.ssml,
            format=Format.WAV,
            timestamps=True,
        )
        speech = await self._synthesizer.speak(request, client=client, may_hurry=False)
        marks = [mark for mark in speech.marks if mark.kind is MarkKind.PHONEME]
        phonemes = tuple(TimedPhoneme(mark.text, mark.start, mark.end) for mark in marks)
        return Spoken(speech.audio, phonemes or None, voice=speech.voice.id, backend=speech.backend)
