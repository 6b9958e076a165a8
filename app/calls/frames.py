"""Sound of any cut made into portions of whole frames."""

from app.calls.call import CallForm


class Frames:
    """Cuts L16 so that only the end needs filling: with silence, as a platform takes whole frames only."""

    __slots__ = ("_frame_bytes", "_rest")

    def __init__(self, form: CallForm) -> None:
        self._frame_bytes = form.frame_bytes
        self._rest = b""

    def push(self, pcm: bytes) -> bytes:
        """Return the frames that are whole now, perhaps none."""
        pcm = self._rest + pcm
        whole = len(pcm) - len(pcm) % self._frame_bytes
        self._rest = pcm[whole:]
        return pcm[:whole]

    def finish(self) -> bytes:
        """Return the last frame, filled; nothing if all were whole."""
        rest, self._rest = self._rest, b""
        return rest + bytes(-len(rest) % self._frame_bytes)
