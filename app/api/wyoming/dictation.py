"""A text that comes in chunks, as a language model writes it, and is spoken sentence by sentence. Pure."""

from dataclasses import replace

from app.api.wyoming import messages
from app.errors import TextTooLong
from app.tts import language, pieces
from app.tts.speech import SpeechRequest

MAX_UNSPOKEN_CHARACTERS = 400
"""Of a sentence that does not end; it is spoken in parts."""


class Dictation:
    """The text between `synthesize-start` and `synthesize-stop`."""

    def __init__(self, start: messages.SynthesizeStart, *, limit: int) -> None:
        """Begin one of at most `limit` characters (0: no limit).

        Raises:
            InvalidInput: the format of the text is none of this service's.
        """
        self._asked = messages.request("", start.voice, start.text_format)
        self._limit = limit
        self._characters = 0
        self._unspoken = ""

    def hear(self, text: str) -> list[SpeechRequest]:
        """Add a chunk; returns what can be spoken now: whole sentences behind which another one has begun.

        Raises:
            TextTooLong: the text is longer than it may be.
        """
        self._characters += len(text)
        if self._limit and self._characters > self._limit:
            length, limit = self._characters, self._limit
            raise TextTooLong(f"text has {length} characters, {limit} may", length=length, limit=limit)
        self._unspoken += text
        if self._asked.ssml:  # a part of markup is no markup
            return []
        tag = language.detect(self._unspoken)
        parts = pieces.sentences(self._unspoken, language=tag)
        if len(parts) < 2 and len(self._unspoken) > MAX_UNSPOKEN_CHARACTERS:
            parts = pieces.split(self._unspoken, size=MAX_UNSPOKEN_CHARACTERS // 2, language=tag)
        self._unspoken = parts.pop() if parts else ""
        return [replace(self._asked, text=part) for part in parts]

    def finish(self) -> list[SpeechRequest]:
        """Return what is left to be spoken."""
        rest, self._unspoken = self._unspoken, ""
        return [replace(self._asked, text=rest)] if rest.strip() else []
