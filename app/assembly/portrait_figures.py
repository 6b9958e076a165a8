"""What is counted of the portraits of this server."""

from app.lipsync.atelier import Atelier, Ended, Outcome
from app.runtime.metrics import Metrics


class PortraitFigures:
    """Counts what an atelier tells of its commissions."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics

    def ended(self, ended: Ended) -> None:
        """Count a commission."""
        self._metrics.portraits_ended(ended.model, ended.outcome).inc()
        if ended.outcome is Outcome.DONE:
            self._metrics.portrait_seconds(ended.model).observe(ended.seconds)
            self._metrics.portrait_frames(ended.model).inc(ended.frames)

    def gauge(self, atelier: Atelier) -> None:
        """Note what an atelier is like at this moment."""
        self._metrics.portraits_waiting.set(atelier.renderer.line.waiting)
        self._metrics.portraits_drawing.set(atelier.renderer.line.running)
        self._metrics.portrait_album_bytes.set(atelier.album.size)
        self._metrics.portrait_cache_bytes.set(atelier.kept_bytes)
