"""The backends of the engine, in order of preference, and the choice of who speaks a request."""

import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass

from app.errors import BackendUnavailable, VoiceNotFound
from app.tts import language
from app.tts.backend import Backend
from app.tts.composer import main_language
from app.tts.speech import Quality, SpeechRequest, Voice

AUTO = "auto"
"""The name that stands for: whichever is best."""

_TAG_IN_VOICE = re.compile(r"([a-z]{2,3})[-_]([A-Z]{2})[-_]")
"""The language that Microsoft's and piper's voice names begin with: zh-CN-XiaoxiaoNeural, zh_CN-huayan-medium."""


@dataclass(frozen=True, slots=True)
class Choice:
    """Who speaks a request."""

    voice: Voice
    expected: str
    """The backend that speaks while nothing is wrong."""


class Roster:
    """Who can speak, and who should."""

    def __init__(self, backends: Sequence[Backend], *, default: str = AUTO, default_language: str = "en-US") -> None:
        """List the backends.

        Args:
            backends: at least one, in order of preference.
            default: the one that speaks first when none is asked for; `auto` leaves it to the quality.
            default_language: BCP 47, of texts that do not show theirs.
        """
        self._backends = {backend.name: backend for backend in backends}
        self._default = default
        self._default_language = default_language
        self._rankings = {quality: self._rank(quality) for quality in Quality}
        self._proven: set[str] = set()

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
        """Return the backend that speaks when none is named and medium quality is asked for."""
        ranked = self._rankings[Quality.MEDIUM]
        return next((backend for backend in ranked if backend.health().available), ranked[0])

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

    def choose(self, request: SpeechRequest) -> Choice:
        """Choose who speaks a request.

        A named backend is taken or refused, never replaced, and so is a voice named with it. Otherwise the order is
        that of the request's quality, and a backend that has the named voice comes first. A voice that nobody has but
        whose name says its language (`zh-CN-XiaoxiaoNeural`) is replaced by one that is like it.

        Raises:
            BackendUnavailable: the named backend, or every one, cannot speak now.
            VoiceNotFound: the voice does not exist there, or nobody speaks the language.
        """
        if request.backend and request.backend != AUTO:
            backend = self.ready(request.backend)
            return Choice(self._voice_of(backend, request), backend.name)
        order = self._order(request.quality)
        if not order:
            raise self._nobody()
        if request.voice:
            return self._choose_named(request.voice, order, request.quality)
        tag = main_language(request, default=self._default_language)
        return Choice(self._first(order, tag), self._expected(request.quality))

    def stand_ins(self, request: SpeechRequest, voice: Voice) -> Iterator[Voice]:
        """Yield who may speak instead, best first: of other backends, in the same language and, if known, gender.

        Nobody stands in for a backend that the request names.
        """
        if len(self._backends) == 1 or (request.backend and request.backend != AUTO):
            return
        for backend in self._order(request.quality):
            if backend.name != voice.backend:
                with suppress(VoiceNotFound):
                    yield backend.choose_voice(voice.language, like=voice.id)

    def absentees(self, request: SpeechRequest, chosen: Voice | None = None) -> Iterator[Voice]:
        """Yield who would speak a request if they could, best first; with `chosen`, those who come before it.

        What they spoke before may still be there.
        """
        named = request.backend if request.backend != AUTO else None
        ranking = self._rankings[request.quality] if not named else [each for each in self if each.name == named]
        for backend in ranking:
            if chosen is not None and backend.name == chosen.backend:
                return
            if not backend.health().available:
                with suppress(VoiceNotFound):
                    yield self._voice_of(backend, request)

    def _voice_of(self, backend: Backend, request: SpeechRequest) -> Voice:
        if request.voice:
            return backend.find_voice(request.voice)
        return backend.choose_voice(main_language(request, default=self._default_language))

    def _choose_named(self, voice_id: str, order: list[Backend], quality: Quality) -> Choice:
        proven = [backend for backend in self._rankings[quality] if backend.name in self._proven]
        owner = next((backend for backend in proven if _has(backend, voice_id)), None)
        if owner is not None and owner in order:
            return Choice(owner.find_voice(voice_id), owner.name)
        tag = _TAG_IN_VOICE.match(voice_id)
        if tag is None:
            raise VoiceNotFound(voice_id)
        voice = self._first(order, "-".join(tag.groups()), like=voice_id)
        return Choice(voice, owner.name if owner else self._expected(quality))

    def _first(self, order: list[Backend], tag: str, *, like: str | None = None) -> Voice:
        for backend in order:
            with suppress(VoiceNotFound):
                return backend.choose_voice(tag, like=like)
        raise VoiceNotFound(like or tag)

    def _order(self, quality: Quality) -> list[Backend]:
        """Return those that can speak now, best first."""
        able = [backend for backend in self._rankings[quality] if backend.health().available]
        self._proven.update([backend.name for backend in able])
        return able

    def _expected(self, quality: Quality) -> str:
        """Return the name of the best that can speak now or could before: an outage is told, a missing model is not."""
        return next(backend.name for backend in self._rankings[quality] if backend.name in self._proven)

    def _rank(self, quality: Quality) -> list[Backend]:
        """Return all backends, best first, whether they can speak or not."""
        backends = list(self)
        if quality is Quality.HIGH:
            backends.sort(key=lambda backend: -backend.traits.fidelity)
        elif quality is Quality.LOW:
            backends.sort(key=lambda backend: backend.traits.is_costly)
        if self._default != AUTO:
            backends.sort(key=lambda backend: backend.name != self._default)
        return backends

    def _nobody(self) -> BackendUnavailable:
        first = self.preferred()
        return self._unavailable(first.name, first.health().reason or "it cannot speak now")

    def _unavailable(self, name: str, reason: str) -> BackendUnavailable:
        return BackendUnavailable(name, reason=reason, available=self.available)


def _has(backend: Backend, voice_id: str) -> bool:
    try:
        backend.find_voice(voice_id)
    except VoiceNotFound:
        return False
    return True
