"""What a call platform reports outlives the server, however that ends; and it is heard as it really asks."""

import json
import threading
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.calls.test_signature import signed
from tests.e2e.served import Served, served

EMAIL, PASSWORD = "root@example.org", "correct horse battery"
SETTINGS = {"ADMIN_EMAIL": EMAIL, "ADMIN_PASSWORD": PASSWORD, "AUTH_REQUIRED": "true"}


def post(server: Served, path: str, body: object, **headers: str) -> tuple[int, bytes]:
    request = urllib.request.Request(
        server.url + path, json.dumps(body).encode(), {"Content-Type": "application/json", **headers}
    )
    try:
        with urllib.request.urlopen(request, timeout=10) as reply:
            return reply.status, reply.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()


def kept(server: Served, query: str = "") -> Any:
    tokens = json.loads(post(server, "/auth/login", {"email": EMAIL, "password": PASSWORD})[1])
    status, found = server.get(
        f"/api/v1/callbacks?per_page=1000{query}", Authorization=f"Bearer {tokens['access_token']}"
    )
    assert status == 200, found
    return json.loads(found)


@pytest.mark.parametrize("kill", [False, True], ids=["stopped", "killed"])
def test_what_was_answered_is_there_after_the_end_of_the_server(tmp_path, kill):
    answered: list[int] = []
    enough = threading.Event()

    def report(first: int) -> None:
        for n in range(first, first + 10_000):
            try:
                if post(server, "/callback", {"n": n, "status": "answered"})[0] == 204:
                    answered.append(n)
            except OSError:  # it is gone
                return
            if len(answered) > 100:
                enough.set()

    with served(tmp_path, **SETTINGS) as server, ThreadPoolExecutor(8) as senders:
        for sender in range(8):
            senders.submit(report, 10_000 * sender)
        assert enough.wait(30)
        if kill:
            server.process.kill()
        server.stop()
    with served(tmp_path, **SETTINGS) as server:
        found = kept(server, "&status=answered")

    there = {callback["data"]["n"] for callback in found["data"]}
    assert found["total"] < 1000 and set(answered) <= there


def test_a_platform_needs_no_credential_of_ours_and_signs_with_its_own(tmp_path):
    """It signs what it asks too, in the header where others have our tokens."""
    theirs = signed()
    with served(tmp_path, HOST_NAME="https://calls.example.org/callback") as server:
        assert post(server, "/callback", {"status": "answered"}, Authorization=theirs)[0] == 204
        status, action = server.get("/ncco/connect?endpoint=%2B447700900000", Authorization=theirs)
        assert status == 200 and json.loads(action)[0]["eventUrl"] == ["https://calls.example.org/callback"]
        assert server.get("/stats", Authorization=theirs)[0] == 401
    key = "a-key-of-the-operator"
    with served(tmp_path, VONAGE_SIGNATURE_SECRET="XsA09z2MhHbYC8JJLuDCoZTE", API_KEYS=key, **SETTINGS) as server:
        assert post(server, "/callback", {"status": "answered"})[0] == 401
        assert post(server, "/callback", {"status": "answered"}, Authorization=theirs)[0] == 401  # long ago
        assert server.get("/ncco/talk")[0] == 401
        assert server.get(f"/ncco/talk?token={key}&conversation_uuid=CON-1", Authorization=theirs)[0] == 200
        assert "XsA09z2MhHbYC8JJLuDCoZTE" not in server.log and theirs[7:] not in server.log


def test_callbacks_are_in_the_log_and_bounded(tmp_path):
    with served(tmp_path, CALLBACKS_KEPT="3", **SETTINGS) as server:
        for n in range(5):
            assert post(server, f"/callback?n={n}&token=hunter2", {"n": n, "text": "a\nb"})[0] == 204
        assert [callback["data"]["n"] for callback in kept(server)["data"]] == [4, 3, 2]
        lines = [line for line in server.log.splitlines() if " app.api.telephony.callback " in line]

    assert len(lines) == 5 and 'body="{\\"n\\":0,\\"text\\":\\"a\\\\nb\\"}"' in lines[0]
    assert "hunter2" not in server.log


@pytest.mark.parametrize("host", ["ftp://example.org", " "])
def test_a_wrong_host_name_is_told_at_the_start(tmp_path, host):
    with pytest.raises(AssertionError, match="must be an address such as"), served(tmp_path, HOST_NAME=host):
        pass
