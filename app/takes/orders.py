"""What is asked for, made out: a request becomes a take, a voice with its example, or a reading, or is refused."""

from app.errors import InvalidInput, TextTooLong, VoiceNotFound
from app.takes.casting import Casting
from app.takes.design import design
from app.takes.ids import Ids, Kind, time_ms
from app.takes.model import Model, models
from app.takes.reading import Reading
from app.takes.stock import example_text
from app.takes.take import Status, Take, TakeRequest, Wording
from app.takes.voice import Voice, VoiceRequest
from app.tts.synthesizer import Synthesizer

DEFAULT_LANGUAGE = "en-US"
"""Of texts that do not show theirs, for a model that lists no language."""


class Orders:
    """Looks at requests; keeps and makes nothing."""

    def __init__(self, synthesizer: Synthesizer, ids: Ids, *, text_characters: int) -> None:
        """Look with a speech engine; texts have at most `text_characters`, 0 for no limit."""
        self._synthesizer = synthesizer
        self._casting = Casting(synthesizer)
        self._ids = ids
        self._text_characters = text_characters
        self._main_languages: dict[str, str] = {}

    def models(self) -> list[Model]:
        """Return what can speak now."""
        return models(self._synthesizer)

    def take(self, owner: str, request: TakeRequest) -> Take:
        """Return a new take, which waits."""
        take_id = self._ids.new(Kind.TAKE)
        return Take(take_id, owner, request, Status.WAITING, time_ms(take_id))

    def voice(self, owner: str, request: VoiceRequest) -> tuple[Voice, Take]:
        """Return a new voice and the take that is its example; both wait.

        Raises:
            InvalidInput: its model cannot speak now, or not so.
        """
        model = next((model for model in self.models() if model.name == request.model), None)
        if model is None:
            raise InvalidInput(f"model '{request.model}' is none that can speak now", field="model")
        model.check(gender=request.gender, style=request.default_style)
        voice_id = self._ids.new(Kind.VOICE)
        take = self.take(owner, TakeRequest(request.example or Wording(example_text(model)), voice_id))
        sound = design(voice_id, request.gender, request.description)
        return Voice(voice_id, owner, request, sound, Status.WAITING, time_ms(voice_id), take.id), take

    def read(self, wording: Wording, voice: Voice) -> Reading:
        """Return how a voice reads a wording.

        Raises:
            TextTooLong: the text has more characters than it may.
            InvalidInput: it is asked for a language or style that there is not, or has nothing to be spoken.
            BackendUnavailable: the model of the voice cannot speak now.
        """
        length, limit = len(wording.text), self._text_characters
        if limit and length > limit:
            raise TextTooLong(f"text has {length} characters, {limit} may", length=length, limit=limit)
        model = voice.request.model
        try:
            return Reading(
                wording,
                voice,
                synthesizer=self._synthesizer,
                casting=self._casting,
                default_language=self._main_language(model),
            )
        except VoiceNotFound as error:
            field = "override_language" if wording.override_language else "text"
            raise InvalidInput(f"model '{model}' does not speak this language: {error}", field=field) from error

    def _main_language(self, model: str) -> str:
        if model not in self._main_languages:
            self._main_languages |= {model.name: model.languages[0] for model in self.models() if model.languages}
        return self._main_languages.get(model, DEFAULT_LANGUAGE)
