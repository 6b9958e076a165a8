"""The statistics of the voices in Prometheus' terms; unlike its other figures these outlive the server.

| metric | labels | what |
|---|---|---|
| `speech_seconds` (gauge) | `backend`, `measure` (`finished`, `first_audio`), `quantile` | from the turn's beginning |
| `speech_jobs_total` | `backend`, `outcome` (`finished`, or the class of the error) | jobs that came to their end |
| `speech_lookups_total` | `outcome` (`memory`, `disk`, `miss`) | lookups in the caches |

Servers on one database tell the same counts, those of all of them together: look at one, do not add them.
"""

from collections.abc import Iterable

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from app.tts.latency import Latency
from app.tts.statistics import FINISHED, FIRST_AUDIO, BackendFigures, Statistics


class StatisticsCollector(Collector):
    """Tells a registry what `statistics` say, each time it is asked."""

    def __init__(self, statistics: Statistics) -> None:
        self._statistics = statistics

    def collect(self) -> Iterable[Metric]:
        """Return the metrics of this moment."""
        backends = self._statistics.backends()
        return (_seconds(backends), _jobs(backends), self._lookups())

    def _lookups(self) -> Metric:
        figures = self._statistics.cache()
        family = CounterMetricFamily("speech_lookups", "Lookups in the caches, ever.", labels=["outcome"])
        family.add_metric(["memory"], figures.memory_hits)
        family.add_metric(["disk"], figures.disk_hits)
        family.add_metric(["miss"], figures.misses)
        return family


def _seconds(backends: dict[str, BackendFigures]) -> Metric:
    labels = ["backend", "measure", "quantile"]
    family = GaugeMetricFamily("speech_seconds", "Percentiles of the time that voices took, ever.", labels=labels)
    for name, figures in backends.items():
        for measure, latency in ((FINISHED, figures.finished), (FIRST_AUDIO, figures.first_audio)):
            for quantile, seconds in _quantiles(latency):
                family.add_metric([name, measure, quantile], seconds)
    return family


def _jobs(backends: dict[str, BackendFigures]) -> Metric:
    family = CounterMetricFamily("speech_jobs", "Jobs of voices, ever.", labels=["backend", "outcome"])
    for name, figures in backends.items():
        for outcome, count in {FINISHED: figures.jobs, **figures.failures}.items():
            family.add_metric([name, outcome], count)
    return family


def _quantiles(latency: Latency | None) -> list[tuple[str, float]]:
    return [("0.5", latency.p50), ("0.9", latency.p90), ("0.99", latency.p99)] if latency else []
