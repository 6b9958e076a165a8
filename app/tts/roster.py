"""The backends of the engine, in order of preference, and the choice of who speaks a request."""

import re
from collections.abc import Iterator, Sequence

from app.errors import BackendUnavailable, VoiceNotFound
from app.tts import language
from app.tts.backend import Backend
from app.tts.speech import SpeechRequest, Voice

AUTO = "auto"
"""The name that stands for: whichever is best."""

_TAG_IN_VOICE = re.compile(r"([a-z]{2,3})[-_]([A-Z]{2})[-_]")
"""The language that Microsoft's and piper's voice names begin with: zh-CN-XiaoxiaoNeural, zh_CN-huayan-medium."""


class Roster:
    """Who can speak, and who should."""

    def __init__(self, backends: Sequence[Backend], *, default: str = AUTO, default_language: str = "en-US") -> None:
        """List the backends.

        Args:
            backends: at least one, in order of preference.
            default: the one that speaks when none is asked for.
            default_language: BCP 47, of texts that do not show theirs.
        """
        self._backends = {backend.name: backend for backend in backends}
        self._default = default
        self._default_language = default_language

    def __iter__(self) -> Iterator[Backend]:
        return iter(self._backends.values())

    @property
    def available(self) -> list[str]:
        """Names of the backends that can speak now."""
        return [backend.name for backend in self if backend.health().available]

    def named(self, name: str) -> Backend:
        """Return a backend, available or not.

        Raises:
            BackendUnavailable: there is none of this name.
        """
        if name == AUTO:
            return self.preferred()
        if name not in self._backends:
            raise self._unavailable(name, "this server has no such backend")
        return self._backends[name]

    def preferred(self) -> Backend:
        """Return the backend that speaks when none is named."""
        if self._default != AUTO:
            return self.named(self._default)
        return self._backends[next(iter([*self.available, *self._backends]))]

    def ready(self, name: str | None) -> Backend:
        """Return the named backend, or the preferred one, if it can speak now.

        Raises:
            BackendUnavailable: it cannot.
        """
        backend = self.named(name) if name else self.preferred()
        health = backend.health()
        if not health.available:
            raise self._unavailable(backend.name, health.reason or "it cannot speak now")
        return backend

    def voices(self, *, backend: str | None, language_tag: str | None) -> list[Voice]:
        """List voices, of one backend or all, of one language or all.

        Raises:
            BackendUnavailable: the named backend cannot speak now.
        """
        return [
            voice
            for one in ([self.ready(backend)] if backend else self)
            for voice in one.voices()
            if language_tag is None or language.matches(voice.language, language_tag)
        ]

    def choose_voice(self, request: SpeechRequest) -> Voice:
        """Choose backend and voice: a named one is taken or refused, never replaced.

        Only where no backend is named, a voice of another server's (`zh-CN-XiaoxiaoNeural`) may be replaced by one of
        the same language.

        Raises:
            BackendUnavailable: the named backend, or the one that should speak, cannot.
            VoiceNotFound: the voice does not exist there.
        """
        backend = self.ready(request.backend)
        if not request.voice:
            return backend.choose_voice(language.detect(request.text, default=self._default_language))
        if request.backend:
            return backend.find_voice(request.voice)
        return self._find_anywhere(request.voice, backend)

    def _find_anywhere(self, voice_id: str, preferred: Backend) -> Voice:
        for name in [preferred.name, *self.available]:
            try:
                return self._backends[name].find_voice(voice_id)
            except VoiceNotFound:
                continue
        tag = _TAG_IN_VOICE.match(voice_id)
        if tag is None:
            raise VoiceNotFound(voice_id)
        return preferred.choose_voice("-".join(tag.groups()), like=voice_id)

    def _unavailable(self, name: str, reason: str) -> BackendUnavailable:
        return BackendUnavailable(name, reason=reason, available=self.available)
