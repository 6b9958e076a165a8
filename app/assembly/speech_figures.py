"""What is counted of the speech of this server: metrics since its start, and statistics that outlive it."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from app.errors import ChorusError
from app.runtime.metrics import Metrics
from app.tts.statistics import FROM_DISK, FROM_MEMORY, NOT_IN_MEMORY, Statistics
from app.tts.statistics_metrics import StatisticsCollector
from app.tts.synthesizer import Synthesizer


class SpeechFigures:
    """Counts what a speech engine tells of its jobs and caches."""

    def __init__(self, metrics: Metrics, backends: Sequence[str]) -> None:
        """Show the counts of these backends among the metrics."""
        self.statistics = Statistics()
        self._metrics = metrics
        self._jobs = {name: metrics.backend(name) for name in backends}
        metrics.registry.register(StatisticsCollector(self.statistics))

    def job_ended(self, backend: str, seconds: float, error: ChorusError | None) -> None:
        """Count a job that ran to its end."""
        if error is None:
            self._jobs[backend].seconds.observe(seconds)
            self.statistics.finished(backend, seconds)
        else:
            self._jobs[backend].failed(type(error).__name__)
            self.statistics.failed(backend, type(error).__name__)

    def looked_up(self, hit: bool) -> None:
        """Count a look into the cache in memory."""
        (self._metrics.cache_hits if hit else self._metrics.cache_misses).inc()
        self.statistics.looked_up(FROM_MEMORY if hit else NOT_IN_MEMORY)

    def looked_up_on_disk(self, hit: bool) -> None:
        """Count a look into the cache on disk."""
        if hit:
            self.statistics.looked_up(FROM_DISK)

    def gauge(self, synthesizer: Synthesizer) -> None:
        """Note what an engine is like at this moment."""
        for report in synthesizer.reports():
            self._jobs[report.name].waiting.set(report.waiting)
        self._metrics.cache_bytes.set(synthesizer.cache.size_bytes)
        self._metrics.disk_cache_bytes.set(synthesizer.cache.disk_bytes)

    def all_time(self) -> dict[str, Any]:
        """Return what `/stats` says of everything that was ever spoken."""
        backends, cache = self.statistics.backends(), self.statistics.cache()
        return {
            "jobs": sum(figures.jobs for figures in backends.values()),
            "failures": sum(sum(figures.failures.values()) for figures in backends.values()),
            "backends": {name: asdict(figures) for name, figures in backends.items()},
            "cache": {**asdict(cache), "hit_rate": cache.hit_rate},
        }
