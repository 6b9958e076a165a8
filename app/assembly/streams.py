"""The recognition of live streams, built out of settings."""

from app.fingerprint.catalogue import Catalogue
from app.fingerprint.hearings import Hearings
from app.fingerprint.recognizer import Recognizer
from app.runtime.metrics import Metrics
from app.runtime.workers import Workers
from app.settings import Settings

OPENING_SECONDS = 1.0
"""For which a stream's turn waits while the index is being opened; then its client is told, and the next one does."""


def build_hearings(settings: Settings, catalogue: Catalogue, workers: Workers, metrics: Metrics) -> Hearings:
    """Return what hears live streams by the catalogue."""

    def make(sample_rate: int) -> Recognizer:
        return Recognizer(
            catalogue.index(patience=OPENING_SECONDS),
            sample_rate=sample_rate,
            window=settings.streaming_buffer_duration,
            hop=settings.streaming_hop_duration,
        )

    return Hearings(workers, make, hop=settings.streaming_hop_duration, on_turn=metrics.stream_turn_seconds.observe)
