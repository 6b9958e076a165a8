"""What a speech backend is: the protocol that `app/tts/backends/*` implement, one file each."""

from collections.abc import AsyncGenerator, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, replace
from typing import Protocol

from app.tts.speech import Sound, Utterance, Voice


@dataclass(frozen=True, slots=True)
class Health:
    """Whether a backend can speak now, and if not, why and what to do about it."""

    available: bool
    reason: str | None = None
    gpu_memory_usage: float | None = None
    """Fraction 0…1 of the device's memory; None where it uses no GPU."""


@dataclass(frozen=True, slots=True)
class Traits:
    """What a backend is like, for choosing among several."""

    fidelity: int
    """0 no speech, 1 artificial, 2 good, 3 natural."""
    is_costly: bool = False
    """Whether speech of it is worth keeping on disk: it takes long, or comes from elsewhere. Its voices then have a
    `version`, so that a new model is not heard in the speech of the old one."""
    lookahead: float = 0.0
    """Seconds of sound that are there so soon that a stream can be held back for them, to be as loud as it should be
    from its first word on; 0 where waiting would be noticed."""

    is_gradual: bool = False
    """Whether the first sound of a long text comes as soon as that of a short one, so that a short first piece would
    gain nothing."""


def unpitched(utterance: Utterance) -> Utterance:
    """Return an utterance as a voice speaks it that has but one melody: what `Backend.reach` returns for such."""
    return replace(utterance, pitch=0.0, pitch_range=1.0)


class Backend(Protocol):
    """A way to turn text into speech.

    `running()` is entered once by the composition root; between its entry and exit the other methods may be
    used from the event loop. A backend never raises from `running()` because a package, a model or a process
    is missing: it says so in `health()` and stays in the list.
    """

    @property
    def name(self) -> str:
        """Name on the wire: `espeak`."""

    @property
    def traits(self) -> Traits:
        """What it is like; never changes."""

    @property
    def sample_rate(self) -> int:
        """Rate in Hz of everything `synthesize` yields."""

    @property
    def concurrency(self) -> int:
        """How many utterances it speaks at the same time (at least 1)."""

    def running(self) -> AbstractAsyncContextManager[None]:
        """Load what it needs; unload it on exit, cancelling what still speaks."""

    def health(self) -> Health:
        """Tell at once, without speaking."""

    def voices(self) -> Sequence[Voice]:
        """All voices worth listing, in a stable order; empty while unavailable."""

    def find_voice(self, voice_id: str) -> Voice:
        """Return the voice with this id, listed or not.

        Raises:
            VoiceNotFound: the backend has no such voice.
        """

    def choose_voice(self, language: str, *, like: str | None = None) -> Voice:
        """Return the best voice for a BCP 47 language tag.

        `like` may name a voice of another backend (`zh-CN-XiaoxiaoNeural`), whose gender is kept if known.

        Raises:
            VoiceNotFound: no voice speaks that language.
        """

    def reach(self, utterance: Utterance) -> Utterance:
        """Return what is nearest to an utterance of what it speaks by itself: another pitch and range of it, perhaps.

        What is missing is done to its sound (`app.tts.treatment`).
        """

    def synthesize(self, utterance: Utterance, *, whole: bool) -> AsyncGenerator[Sound, None]:
        """Yield the speech as PCM at `sample_rate`, with the times of words and phonemes where they are known.

        `whole=True` lets the backend yield once at the end, which costs least; otherwise the first chunk comes
        as early as the backend can. Closing the generator, or cancelling the task that awaits it, cancels the
        synthesis, and neither returns before the backend is free for the next utterance.

        Raises:
            VoiceNotFound: the backend refuses this voice after all.
            TextTooLong: the speech is longer than the backend may make at once.
            BackendUnavailable: it has stopped working altogether.
            WorkerFailed: it broke on this text; the next may succeed.
            DeadlineExceeded: it came to no end.
        """
