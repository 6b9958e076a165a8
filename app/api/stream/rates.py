"""How much audio a stream may send."""

from app.api.stream.limits import BURST_SECONDS, StreamLimits
from app.errors import RateLimited
from app.fingerprint.sound_form import SoundForm
from app.runtime.limits import TokenBucket


class Rates:
    """Counts the messages and the bytes of one stream.

    Bytes of a form that packs more seconds into them weigh more: the limit is one on work, too, and 16-bit telephone
    audio at the full data rate would be as much work as 13 streams.
    """

    __slots__ = ("_bytes", "_limits", "_messages", "_weight")

    def __init__(self, limits: StreamLimits, form: SoundForm) -> None:
        self._limits = limits
        per_minute, per_second = limits.messages_per_minute, limits.bytes_per_second
        self._messages = TokenBucket(per_minute / 60, per_minute or 1)
        self._bytes = TokenBucket(per_second, BURST_SECONDS * per_second or 1)
        self._weight = max(1.0, SoundForm().bytes_per_second / form.bytes_per_second)

    def count(self, size: int) -> None:
        """Count a message of so many bytes.

        Raises:
            RateLimited: it is one too many, or has too many bytes.
        """
        if not self._messages.take():
            raise RateLimited(f"more than {self._limits.messages_per_minute} messages within a minute")
        if not self._bytes.take(size * self._weight):
            raise RateLimited(f"more than {self._limits.bytes_per_second} bytes of audio a second")
