from types import SimpleNamespace

from app.assembly.portrait_figures import PortraitFigures
from app.lipsync.atelier import Ended, Outcome
from app.runtime.metrics import Metrics


def values(metrics):
    lines = metrics.render()[0].decode().splitlines()
    return dict(line.rsplit(" ", 1) for line in lines if line.startswith("portrait"))


def test_commissions_are_counted_by_who_drew_and_how_they_ended():
    metrics = Metrics()
    figures = PortraitFigures(metrics)
    for model, outcome, frames in (
        ("warp", Outcome.DONE, 50),
        ("warp", Outcome.DONE, 25),
        ("warp", Outcome.CANCELLED, 0),
        ("unknown", Outcome.REFUSED, 0),
    ):
        figures.ended(Ended(model, outcome, 0.3, frames))

    told = values(metrics)
    assert told['portraits_ended_total{model="warp",outcome="done"}'] == "2.0"
    assert told['portraits_ended_total{model="warp",outcome="cancelled"}'] == "1.0"
    assert told['portraits_ended_total{model="unknown",outcome="refused"}'] == "1.0"
    assert told['portrait_frames_total{model="warp"}'] == "75.0"
    assert told['portrait_seconds_count{model="warp"}'] == "2.0"
    assert 'portrait_seconds_count{model="unknown"}' not in told


def test_an_atelier_is_gauged():
    metrics = Metrics()
    line, album = SimpleNamespace(waiting=3, running=2), SimpleNamespace(size=1000)
    atelier = SimpleNamespace(renderer=SimpleNamespace(line=line), album=album, kept_bytes=2000)
    PortraitFigures(metrics).gauge(atelier)

    told = values(metrics)
    assert [told[f"portraits_{name}"] for name in ("waiting", "drawing")] == ["3.0", "2.0"]
    assert [told[f"portrait_{name}_bytes"] for name in ("album", "cache")] == ["1000.0", "2000.0"]
