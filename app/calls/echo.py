"""The processor that sends back what it hears, as it is."""

from app.calls.call import Clear, Cleared, Event, Notify, Played
from app.calls.processor import Line


class Echo:
    """Nothing is ever queued, so that it is cleared and played at once."""

    def __init__(self, line: Line) -> None:
        self._line = line
        self.hear = line.post  # no call in between: it is one of fifty a second

    def note(self, event: Event) -> None:
        """Answer `Clear` and `Notify`."""
        match event:
            case Clear():
                self._line.tell(Cleared())
            case Notify(payload=payload):
                self._line.tell(Played(payload))

    def close(self) -> None:
        """Do nothing."""
