from pathlib import Path

import anyio
import pytest

from app.assembly.speech import BACKENDS
from app.audio.format import Format
from app.audio.wav import HEADER_BYTES
from app.errors import InvalidInput
from app.services import Services
from app.settings import Settings
from app.takes.store import Page
from app.takes.take import TakeRequest, Wording
from app.tts.speech import SpeechRequest
from tests.eventually import eventually

pytestmark = pytest.mark.anyio


def services(data_dir: Path, **settings) -> Services:
    return Services(Settings(_env_file=None, data_dir=data_dir, tts_backends=("tone",), **settings))


async def test_statistics_outlive_the_server(tmp_path):
    request = SpeechRequest("hello")
    for _ in range(2):
        async with services(tmp_path) as server:
            await server.synthesizer.speak(request, client="a")
            await server.synthesizer.speak(request, client="a")
            await server.synthesizer.stream(request, client="a", emit=lambda data: None, room=anyio.lowlevel.checkpoint)
            told, metrics = server.stats()["all_time"], server.render_metrics()[0].decode()
    assert told["cache"] == {"memory_hits": 2, "disk_hits": 0, "misses": 2, "hit_rate": 0.5}
    assert (told["jobs"], told["failures"]) == (2, 0)
    assert told["backends"]["tone"]["finished"].keys() == {"count", "p50", "p90", "p99"}
    assert told["backends"]["tone"]["first_audio"]["count"] == 2
    assert 'speech_jobs_total{backend="tone",outcome="finished"} 2.0' in metrics
    assert "disk_cache_bytes 0.0" in metrics


async def test_speech_on_disk_goes_when_it_is_turned_off(tmp_path):
    kept = tmp_path / "cache" / "speech" / "ab" / ("ab" * 32)
    kept.parent.mkdir(parents=True)
    kept.write_bytes(b"speech")
    async with services(tmp_path, tts_disk_cache_bytes=0):
        await eventually(lambda: not kept.exists())


async def test_a_server_that_was_told_to_keep_nothing_makes_no_folder(tmp_path):
    async with services(tmp_path, tts_disk_cache_bytes=0):
        pass
    assert not (tmp_path / "cache").exists()


def test_what_is_set_for_a_backend_reaches_it(tmp_path):
    settings = Settings(
        _env_file=None,
        models_dir=tmp_path,
        edge_connections=7,
        piper_workers=2,
        kokoro_workers=3,
        kokoro_model="x.onnx",
    )
    edge, piper, kokoro = (BACKENDS[name](settings) for name in ("edge", "piper", "kokoro"))
    assert (edge.concurrency, piper.concurrency, kokoro.concurrency) == (7, 2, 3)
    assert "x.onnx" in kokoro._absent()


async def test_authorities_that_are_not_there_are_told(tmp_path):
    edge = BACKENDS["edge"](Settings(_env_file=None, data_dir=tmp_path, edge_ca_file="/no/such.pem"))
    async with edge.running():
        assert "/no/such.pem cannot be used" in edge.health().reason


async def test_takes_outlive_the_server_and_are_counted(tmp_path):
    async with services(tmp_path) as server:
        voice = (await server.studio.list_voices("ann", Page()))[0]
        (take,) = await server.studio.make_takes("ann", [TakeRequest(Wording("Hello there."), voice.id)])
        await server.studio.encoded(take.id, Format.FLAC)
        assert 'takes_done_total{status="ready"} 1.0' in server.render_metrics()[0].decode()
    async with services(tmp_path) as server:
        kept = await server.studio.find_take("ann", take.id)
        recording = await server.studio.recording(take.id)
    assert recording.size_bytes == HEADER_BYTES + 2 * kept.recorded.duration > HEADER_BYTES


@pytest.mark.parametrize(
    "wrong", [{"webhook_networks": ("10.0.0.1/8",)}, {"webhook_networks": ("here",)}, {"webhook_secret": "too short"}]
)
async def test_settings_of_webhooks_that_are_wrong_are_said(tmp_path, wrong):
    with pytest.raises(InvalidInput):
        services(tmp_path, **wrong)
