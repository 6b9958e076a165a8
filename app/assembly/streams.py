"""The recognition of live streams, built out of settings."""

import os

from app.fingerprint.catalogue import Catalogue
from app.fingerprint.ear_process import EarProcess
from app.fingerprint.hearings import Hearings
from app.fingerprint.recognizer import Recognizer
from app.runtime.metrics import Metrics
from app.runtime.workers import Workers
from app.settings import Settings


def build_hearings(settings: Settings, catalogue: Catalogue, workers: Workers, metrics: Metrics) -> Hearings:
    """Return what hears live streams by the catalogue: here, and if there are many, in a process for each core."""

    def make(sample_rate: int) -> Recognizer:
        return Recognizer(
            catalogue.index(patience=0),  # where it was not opened in time, the client is told, and nobody waits
            sample_rate=sample_rate,
            window=settings.streaming_buffer_duration,
            hop=settings.streaming_hop_duration,
        )

    def process() -> EarProcess:
        return EarProcess(
            lambda: catalogue.index(patience=0),
            catalogue.store,
            settings.data_dir / "index",
            window=settings.streaming_buffer_duration,
            hop=settings.streaming_hop_duration,
        )

    cores = os.cpu_count() or 1
    return Hearings(
        workers,
        make,
        elsewhere=[process().running for _ in range(cores if cores > 1 else 0)],
        hop=settings.streaming_hop_duration,
        opening=catalogue,
        on_turn=metrics.stream_turn_seconds.observe,
    )
