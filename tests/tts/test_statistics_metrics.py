from prometheus_client import CollectorRegistry, generate_latest

from app.tts.statistics import FROM_DISK, NOT_IN_MEMORY, Statistics
from app.tts.statistics_metrics import StatisticsCollector


def render(statistics: Statistics) -> str:
    registry = CollectorRegistry()
    registry.register(StatisticsCollector(statistics))
    return generate_latest(registry).decode()


def test_figures_become_metrics():
    statistics = Statistics()
    statistics.finished("edge", 3600.0)
    statistics.first_audio("edge", 0.0)
    statistics.failed("edge", "DeadlineExceeded")
    statistics.looked_up(NOT_IN_MEMORY)
    statistics.looked_up(FROM_DISK)
    text = render(statistics)
    assert 'speech_seconds{backend="edge",measure="first_audio",quantile="0.99"} 0.0001\n' in text
    assert 'speech_seconds{backend="edge",measure="finished",quantile="0.5"} 3' in text
    assert 'speech_jobs_total{backend="edge",outcome="finished"} 1.0' in text
    assert 'speech_jobs_total{backend="edge",outcome="DeadlineExceeded"} 1.0' in text
    assert 'speech_lookups_total{outcome="disk"} 1.0' in text


def test_before_anything_happened_there_is_nothing_to_tell():
    assert 'speech_lookups_total{outcome="miss"} 0.0' in render(Statistics())
    assert "backend=" not in render(Statistics())
