import array
import base64
import io
import json
import math
import os
import signal
import subprocess
import sys
import wave

import psutil
import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect

from tests.databases import postgres_url
from tests.e2e.served import ROOT, Served, served

KEY = "an-api-key-for-the-tests"


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with served(tmp_path_factory.mktemp("data")) as running:
        yield running


def ask(server: Served, type: str, data=None, **options):
    with connect(server.ws_url, **options) as socket:
        socket.send(json.dumps({"id": "1", "type": type, "data": data}))
        return json.loads(socket.recv(timeout=30))


def loudness(reply) -> float:
    """Root mean square of a wav, of full scale."""
    with wave.open(io.BytesIO(base64.b64decode(reply["data"]["audio_data"]))) as file:
        samples = array.array("h", file.readframes(file.getnframes()))
    return math.sqrt(sum(sample * sample for sample in samples) / len(samples)) / 32768


@pytest.mark.parametrize(
    ("text", "language", "seconds"),
    [
        ("你好，欢迎来到直播间！", "zh-CN", 2.0),
        ("Hello, welcome to the stream!", "en-US", 1.4),
        ("こんにちは、みなさん", "ja", 1.2),
    ],
)
def test_it_speaks(server, text, language, seconds):
    reply = ask(server, "tts", {"text": text})
    assert reply["status"] == "success"
    assert reply["data"]["metadata"]["duration"] == pytest.approx(seconds, rel=0.5)
    assert loudness(reply) > 0.02
    voices = ask(server, "get_voices", {"language": language})["data"]["voices"]
    assert reply["data"]["metadata"]["voice"] in {voice["id"] for voice in voices}


def test_the_text_that_crashes_the_voice_costs_nothing_but_itself(server):
    with connect(server.ws_url) as socket:
        for text in ("☦\u06e2", "नमस्ते"):
            socket.send(json.dumps({"id": text, "type": "tts", "data": {"text": text, "voice": "hi"}}))
            reply = json.loads(socket.recv(timeout=30))
    assert reply["id"] == "नमस्ते"
    assert loudness(reply) > 0.02


def test_health_and_readiness(server):
    status, body = server.get("/health")
    assert (status, json.loads(body)["status"], json.loads(body)["database"]) == (200, "healthy", "connected")
    assert server.get("/ready")[0] == 200
    assert json.loads(server.get("/")[1])["status"] == "ok"
    assert b"<html" in server.get("/", Accept="text/html")[1]
    assert server.get("/docs")[0] == 200
    assert server.get("/sdk/danmu.js")[0] == 200
    assert server.get("/sdk/../danmu.py")[0] == 404


def test_metrics_count_what_was_spoken(server):
    ask(server, "tts", {"text": "count me"})
    text = server.get("/metrics")[1].decode()
    assert 'job_seconds_count{backend="espeak"}' in text
    assert 'ws_open{route="/ws"}' in text


def test_a_wrong_credential_is_refused_though_none_is_needed(server):
    with pytest.raises(InvalidStatus) as refused:
        ask(server, "queue_status", additional_headers={"Authorization": "Bearer wrong"})
    assert refused.value.response.status_code == 401
    assert server.get("/voices", Authorization="Bearer wrong")[0] == 401
    assert server.get("/voices", Authorization="Bearer not-needed")[0] == 200
    assert server.get("/voices")[0] == 200


def test_the_database_and_the_secret_are_for_the_owner_alone(server, tmp_path_factory):
    data = server._log.parent
    for name in ("chorus.db", "auth.secret"):
        assert (data / name).stat().st_mode & 0o077 == 0


def test_with_auth_everything_but_health_needs_a_credential(tmp_path):
    with served(tmp_path, AUTH_REQUIRED="true", API_KEYS=KEY) as server:
        assert server.get("/health")[0] == server.get("/ready")[0] == 200
        for path in ("/", "/voices", "/stats", "/metrics", "/docs", "/openapi.json"):
            assert server.get(path)[0] == 401
        assert server.get("/voices", Authorization="Bearer not-needed")[0] == 401
        assert server.get("/voices", **{"X-API-Key": KEY})[0] == 200
        assert server.get(f"/voices?token={KEY}")[0] == 200
        with pytest.raises(InvalidStatus):
            ask(server, "queue_status")
        assert ask(server, "queue_status", additional_headers={"Authorization": f"Bearer {KEY}"})["status"] == "success"
        with connect(f"{server.ws_url}?token={KEY}") as socket:
            socket.send('{"id":"1","type":"queue_status"}')
            assert json.loads(socket.recv(timeout=10))["status"] == "success"
        token = issue_token(tmp_path)
        assert server.get("/stats", Authorization=f"Bearer {token}")[0] == 200
        assert server.stop() == -signal.SIGTERM
    assert KEY not in server.log
    assert token not in server.log


def issue_token(data) -> str:
    command = [sys.executable, "-m", "app", "token", "overlay", "--days", "1"]
    environment = {**os.environ, "DATA_DIR": str(data)}
    return subprocess.run(command, cwd=ROOT, env=environment, check=True, capture_output=True, text=True).stdout.strip()


def test_sigterm_answers_what_runs_closes_what_is_idle_and_leaves_nothing_behind(tmp_path):
    with served(tmp_path) as server:
        children = psutil.Process(server.process.pid).children(recursive=True)
        with connect(server.ws_url) as busy, connect(server.ws_url) as idle:
            text = "这是一段很长的话，需要说很久。" * 60
            busy.send(json.dumps({"id": "1", "type": "tts_stream", "data": {"text": text}}))
            first = json.loads(busy.recv(timeout=30))
            server.process.terminate()
            with pytest.raises(ConnectionClosed) as closed:
                idle.recv(timeout=30)
            chunks = [first["data"]["text_chunk"]]
            while (reply := json.loads(busy.recv(timeout=30)))["type"] == "tts_chunk":
                chunks.append(reply["data"]["text_chunk"])
        assert server.process.wait(30) == -signal.SIGTERM
    assert closed.value.rcvd.code == 1012
    assert reply["type"] == "tts_complete"
    assert "".join(chunks) == text
    assert not [child for child in children if child.is_running()]
    assert "Traceback" not in server.log


@pytest.mark.postgres
def test_postgresql_takes_the_place_of_sqlite(tmp_path):
    with postgres_url() as url, served(tmp_path, DATABASE_URL=url) as server:
        assert json.loads(server.get("/health")[1])["database"] == "connected"
        assert ask(server, "tts", {"text": "hello"})["status"] == "success"
    assert not (tmp_path / "chorus.db").exists()


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"TTS_BACKENDS": "sing"}, "TTS_BACKENDS names 'sing'"),
        ({"PORT": "many"}, "port"),
        ({"DATABASE_URL": "mysql://root:secret@localhost/x"}, "mysql"),
        ({"AUTH_SECRET": "short"}, "secret"),
    ],
)
def test_a_wrong_setting_is_told_and_nothing_starts(tmp_path, settings, told):
    environment = {**os.environ, "DATA_DIR": str(tmp_path), **settings}
    command = [sys.executable, "-m", "app", "serve"]
    ended = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60)
    assert ended.returncode != 0
    assert told in ended.stderr
    assert "Traceback" not in ended.stderr
    assert "root:secret" not in ended.stderr
