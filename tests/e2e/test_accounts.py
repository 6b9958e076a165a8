"""Accounts on the whole server, as an operator and the published client meet them."""

import json
import os
import subprocess
import sys
import time
import urllib.error
import urllib.request

import pytest
from daisys import DaisysAPI

from tests.e2e.served import ROOT, Served, served

EMAIL, PASSWORD = "root@example.org", "correct horse battery"
ADMINISTRATOR = {"ADMIN_EMAIL": EMAIL, "ADMIN_PASSWORD": PASSWORD}


def post(server: Served, path: str, body: object) -> tuple[int, dict]:
    data, headers = json.dumps(body).encode(), {"Content-Type": "application/json"}
    try:
        with urllib.request.urlopen(urllib.request.Request(server.url + path, data, headers), timeout=10) as reply:
            return reply.status, json.loads(reply.read() or b"null")
    except urllib.error.HTTPError as error:
        return error.code, json.loads(error.read())


def users(data, *arguments: str, pipe: str = "") -> str:
    command = [sys.executable, "-m", "app", "users", *arguments]
    environment = {**os.environ, "DATA_DIR": str(data)}
    done = subprocess.run(command, cwd=ROOT, env=environment, input=pipe, check=True, capture_output=True, text=True)
    return done.stdout.strip()


def refused_within(seconds: float, server: Served, credential: str) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if server.get("/api/v1/auth/me", Authorization=f"Bearer {credential}")[0] == 401:
            return True
        time.sleep(0.1)
    return False


def test_an_operator_keeps_the_accounts_of_a_server_that_runs(tmp_path):
    with served(tmp_path, AUTH_REQUIRED="true", **ADMINISTRATOR) as server:
        status, tokens = post(server, "/auth/login", {"email": EMAIL, "password": PASSWORD})
        assert status == 200
        me = json.loads(server.get("/api/v1/auth/me", Authorization=f"Bearer {tokens['access_token']}")[1])
        assert (me["email"], me["is_admin"]) == (EMAIL, True)
        users(tmp_path, "add", "ann@example.org", "--password-stdin", pipe=PASSWORD)
        key = users(tmp_path, "keys", "add", "ann", "overlay")
        status, anns = post(server, "/api/v1/auth/login", {"username": "ann", "password": PASSWORD})
        assert status == 200
        for credential in (key, anns["access_token"]):
            assert server.get(f"/stats?token={credential}")[0] == 200
        users(tmp_path, "disable", "ann")
        for credential in (key, anns["access_token"]):
            assert refused_within(20, server, credential)
        assert post(server, "/auth/refresh", {"refresh_token": anns["refresh_token"]})[0] == 401
        assert post(server, "/auth/login", {"email": "ann@example.org", "password": PASSWORD})[0] == 401
        assert server.get("/stats")[0] == 401
    for secret in (PASSWORD, key, *tokens.values(), anns["access_token"], anns["refresh_token"]):
        assert secret not in server.log
    assert "Traceback" not in server.log


def test_an_administrator_outlives_the_server_with_the_password_it_has(tmp_path):
    with served(tmp_path, **ADMINISTRATOR) as server:
        assert f"made the administrator {EMAIL}" in server.log
    with served(tmp_path, **ADMINISTRATOR | {"ADMIN_PASSWORD": "another horse battery"}) as server:
        assert "was not applied" in server.log
        assert post(server, "/auth/login", {"email": EMAIL, "password": PASSWORD})[0] == 200
        assert post(server, "/auth/login", {"email": EMAIL, "password": "another horse battery"})[0] == 401


def test_the_published_client_goes_on_when_its_token_expires(tmp_path, monkeypatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with served(tmp_path, ACCESS_TOKEN_SECONDS="1", **ADMINISTRATOR) as server:
        with DaisysAPI("speak", email=EMAIL, password=PASSWORD, daisys_url=server.url, auth_url=server.url) as speak:
            models = speak.get_models()
            first, deadline = speak.access_token, time.monotonic() + 20
            while speak.access_token == first and time.monotonic() < deadline:
                assert speak.get_models() == models
                time.sleep(0.1)
            assert speak.access_token != first
        assert "path=/auth/refresh method=POST status=200" in server.log
        assert server.log.count("path=/auth/login") == 1
        assert server.tells("path=/auth/logout method=POST status=204")


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"ADMIN_EMAIL": EMAIL}, "ADMIN_EMAIL and ADMIN_PASSWORD go together"),
        ({"ADMIN_EMAIL": "root", "ADMIN_PASSWORD": PASSWORD}, "an email address looks like"),
        ({"ADMIN_EMAIL": EMAIL, "ADMIN_PASSWORD": "short"}, "a password has 8 to 256 characters"),
    ],
)
def test_a_wrong_administrator_is_told_and_nothing_starts(tmp_path, settings, told):
    environment = {**os.environ, "DATA_DIR": str(tmp_path), **settings}
    command = [sys.executable, "-m", "app", "serve"]
    ended = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60)
    assert (ended.returncode, told in ended.stderr) == (2, True)
    assert "Traceback" not in ended.stderr
