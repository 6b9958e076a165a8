"""One call of `/ws/echo`: what comes goes to its processor, what that says goes out."""

import logging
from collections.abc import Awaitable, Callable

from app.api.telephony import messages
from app.api.telephony.limits import CallLimits
from app.api.telephony.messages import EchoOptions
from app.calls.call import CallForm, Connected, Failed, News
from app.calls.processor import MakeProcessor
from app.errors import ChorusError, InvalidInput
from app.runtime.outbox import Message
from app.runtime.session import Divert, Ending, SendNow, Session, Socket

logger = logging.getLogger(__name__)


class Conversation:
    """A call from its first message to its last; the `Line` of its processor."""

    def __init__(
        self,
        make: MakeProcessor,
        socket: Socket,
        limits: CallLimits,
        options: EchoOptions,
        *,
        divert: Divert | None = None,
        send_now: SendNow | None = None,
        abort: Callable[[], None] | None = None,
    ) -> None:
        """Prepare it on an accepted socket.

        Args:
            make: makes its processor.
            socket: accepted, not yet read.
            limits: of this door.
            options: what the client chose.
            divert: gives sound to the session as soon as it is read.
            send_now: sends past the layers of the server, as for `Session`.
            abort: cuts the connection.
        """
        self._form = options.form or CallForm()
        self._is_connected = False
        self.session = Session(
            socket,
            limits.session,
            on_failure=self._explain,
            divert=divert,
            send_now=send_now,
            patient=True,
            abort=abort,
        )
        self.post: Callable[[bytes], None] = self.session.post
        self._processor = make(self)
        self._hear = self._processor.hear

    @property
    def form(self) -> CallForm:
        """What the platform says; until it has, what the URL does."""
        return self._form

    async def send(self, sound: bytes) -> None:
        """Send sound of a job; see `Line`."""
        await self.session.send(sound)

    def tell(self, news: News) -> None:
        """Tell something; see `Line`."""
        self.session.post(messages.encode(news))

    def start(self, name: str, job: Callable[[], Awaitable[None]]) -> None:
        """Start a job; see `Line`."""
        self.session.start(name, job)

    async def run(self) -> Ending:
        """Converse until either side closes; returns how it ended."""
        try:
            return await self.session.run(self._on_message)
        finally:
            self._processor.close()

    def _on_message(self, message: Message) -> None:
        if isinstance(message, bytes):
            self._hear(message)
        else:
            self._read(message)

    def _read(self, text: str) -> None:
        try:
            event = messages.decode(text)
        except InvalidInput as error:
            self.tell(Failed(error))
            return
        if event is None:
            self.session.post(messages.NOT_AUDIO)
            return
        if isinstance(event, Connected) and not self._is_connected:
            self._is_connected = True
            self._form = event.form or self._form
        self._processor.note(event)

    def _explain(self, job: str, error: Exception) -> None:
        if not isinstance(error, ChorusError):
            logger.error("a job of a call failed", exc_info=error)
        self.tell(Failed(error))
