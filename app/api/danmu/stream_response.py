"""The response of `GET /tts/stream`: audio that arrives while it is made."""

from app.api import speech_stream
from app.api.danmu.failure import failure
from app.tts.speech import SpeechRequest
from app.tts.synthesizer import Synthesizer


class SpeechStream(speech_stream.SpeechStream):
    """The audio file as it is, to be saved; errors as this door answers them."""

    def __init__(self, synthesizer: Synthesizer, request: SpeechRequest, *, client: str) -> None:
        """Prepare; nothing is spoken before the response is called."""
        super().__init__(
            synthesizer,
            request,
            client=client,
            failure=failure,
            headers={"Content-Disposition": f"attachment; filename=tts_audio.{request.format.value}"},
        )
