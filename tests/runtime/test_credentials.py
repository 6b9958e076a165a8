import base64
import json
import logging
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from app.errors import Denied, InvalidCredential, MissingCredential, Unavailable
from app.runtime.auth import Authority, Credential, Identity, StaticKeys
from app.runtime.credentials import (
    CredentialMiddleware,
    RequireIdentity,
    authenticate,
    identity_of,
    require,
    take_credential,
)
from tests.runtime.plain_server import serving

pytestmark = pytest.mark.anyio

KEY = "sk_0123456789abcdef"
AUTHORITY = Authority(b"s" * 32, key_stores=[StaticKeys({KEY: Identity("robot", frozenset({"admin"}))})])
TOKEN = AUTHORITY.issue("ann", expires_in=3600)


def request(query: bytes = b"", headers: dict[str, str] | None = None, **more: Any) -> Scope:
    pairs = [(name.lower().encode(), value.encode("latin-1")) for name, value in (headers or {}).items()]
    return {"type": "http", "method": "GET", "path": "/", "query_string": query, "headers": pairs, **more}


async def call(app: ASGIApp, scope: Scope) -> list[Message]:
    sent: list[Message] = []

    async def receive() -> Message:
        return {"type": "websocket.connect"}

    async def send(message: Message) -> None:
        sent.append(message)

    await app(scope, receive, send)
    return sent


async def teller(scope: Scope, receive: Receive, send: Send) -> None:
    await send({"type": "told", "identity": identity_of(scope)})


def subject(sent: list[Message]) -> str | None:
    assert sent[0]["type"] == "told", sent
    identity = sent[0]["identity"]
    return identity.subject if identity else None


@pytest.mark.parametrize(
    ("query", "left"),
    [
        (b"token=hush", b""),
        (b"a=1&token=hush&b=%20+x", b"a=1&b=%20+x"),
        (b"api_key=hush", b""),
        (b"%74oken=hush&a", b"a"),
        (b"token=hush&token=again", b""),
        (b"token", b""),
        (b"&&a=&token=hush&", b"&&a=&"),
        (b"endpoint=wss%3A%2F%2Fh%2F%3Ftoken%3Dx", b"endpoint=wss%3A%2F%2Fh%2F%3Ftoken%3Dx"),
        (b"mytoken=1&token2=2", b"mytoken=1&token2=2"),
        (b"", b""),
    ],
)
def test_query_loses_the_credential_and_nothing_else(query: bytes, left: bytes) -> None:
    scope = request(query)
    take_credential(scope)
    assert scope["query_string"] == left


@given(st.lists(st.tuples(st.sampled_from([b"a", b"tok", b"x%20y", b"", b"\xff"]), st.binary(max_size=5))))
def test_law_other_parameters_stay_byte_identical(pairs: list[tuple[bytes, bytes]]) -> None:
    parts = [name + b"=" + value.replace(b"&", b"") for name, value in pairs]
    scope = request(b"&".join([*parts, b"token=hush", *parts]))
    credential = take_credential(scope)
    assert credential == Credential("token", "hush")
    assert scope["query_string"] == b"&".join([*parts, *parts])


@pytest.mark.parametrize(
    ("query", "headers", "credential"),
    [
        (b"", {}, None),
        (b"token=", {}, None),
        (b"token=a%2Bb+c", {}, Credential("token", "a+b c")),
        (b"api_key=k", {}, Credential("token", "k")),
        (b"sig=s&token=t", {}, Credential("signature", "s")),
        (b"token=t&api_key=k", {"Authorization": "Bearer h"}, Credential("token", "t")),
        (b"", {"Authorization": "bEARER  h "}, Credential("token", "h")),
        (b"", {"Authorization": "Bearer"}, None),
        (b"", {"Authorization": "Basic h"}, None),
        (b"", {"X-API-Key": "k"}, Credential("token", "k")),
        (b"", {"X-API-Key": "k", "Authorization": "Bearer h"}, Credential("token", "h")),
        (b"", {"X-API-Key": " "}, None),
    ],
)
def test_which_credential_counts(query: bytes, headers: dict[str, str], credential: Credential | None) -> None:
    scope = request(query, headers)
    assert take_credential(scope) == credential
    assert take_credential(scope) == credential, "also when asked again"


async def test_middleware_takes_the_credential_of_requests_alone() -> None:
    seen: list[Scope] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        seen.append(scope)

    http, websocket = request(b"token=t"), request(b"token=t", type="websocket")
    lifespan: Scope = {"type": "lifespan"}
    for scope in (http, websocket, lifespan):
        await call(CredentialMiddleware(app), scope)
    assert seen[0] is http, "rewritten in place, for the server logs its own scope"
    assert http["state"]["credential"] == websocket["state"]["credential"] == Credential("token", "t")
    assert lifespan == {"type": "lifespan"}


async def test_anonymous_is_nobody() -> None:
    scope = request()
    assert await authenticate(scope, AUTHORITY) is None
    assert identity_of(scope) is None
    with pytest.raises(MissingCredential):
        require(scope)


async def test_token_and_key_stand_in_each_others_place() -> None:
    for scope in (
        request(b"token=" + TOKEN.encode()),
        request(headers={"X-API-Key": TOKEN}),
        request(headers={"Authorization": f"Bearer {TOKEN}"}),
    ):
        identity = await authenticate(scope, AUTHORITY)
        assert identity is not None
        assert identity.subject == "ann"
        assert require(scope) is identity
    for scope in (request(b"token=" + KEY.encode()), request(headers={"Authorization": f"Bearer {KEY}"})):
        await authenticate(scope, AUTHORITY)
        assert require(scope, role="admin").subject == "robot"


async def test_role_is_needed_where_named() -> None:
    scope = request(b"token=" + TOKEN.encode())
    await authenticate(scope, AUTHORITY)
    with pytest.raises(Denied, match="'admin'"):
        require(scope, role="admin")


@pytest.mark.parametrize("query", [b"token=wrong", b"api_key=wrong", b"sig=wrong", b"token=a.b.c"])
async def test_present_and_wrong_is_an_error(query: bytes) -> None:
    with pytest.raises(InvalidCredential):
        await authenticate(request(query), AUTHORITY)


async def test_signed_url_lets_read_its_path_alone() -> None:
    query = b"sig=" + AUTHORITY.sign_url("/takes/1", subject="ann", expires_in=60).encode()
    for method in ("GET", "HEAD"):
        assert await authenticate(request(query, path="/takes/1", method=method), AUTHORITY)
    with pytest.raises(InvalidCredential, match="DELETE"):
        await authenticate(request(query, path="/takes/1", method="DELETE"), AUTHORITY)
    with pytest.raises(InvalidCredential, match="another path"):
        await authenticate(request(query, path="/takes/2"), AUTHORITY)


async def test_signed_url_works_behind_a_prefix() -> None:
    query = b"sig=" + AUTHORITY.sign_url("/takes/1", subject="ann", expires_in=60).encode()
    scope = request(query, path="/voice/takes/1", root_path="/voice")
    assert await authenticate(scope, AUTHORITY)


async def test_without_required_everybody_may_pass_but_the_wrong() -> None:
    app = RequireIdentity(teller, AUTHORITY, required=False)
    assert subject(await call(app, request())) is None
    assert subject(await call(app, request(b"token=" + TOKEN.encode()))) == "ann"
    assert (await call(app, request(b"token=wrong")))[0]["status"] == 401


async def test_required_leaves_only_the_open_paths() -> None:
    app = RequireIdentity(teller, AUTHORITY, required=True, open_paths={"/health"})
    assert (await call(app, request()))[0]["status"] == 401
    assert (await call(app, request(path="/health/x")))[0]["status"] == 401
    assert subject(await call(app, request(path="/health"))) is None
    assert subject(await call(app, request(b"token=wrong", path="/health"))) is None, "nothing is judged there"
    assert subject(await call(app, request(path="/r/health", root_path="/r"))) is None
    assert subject(await call(app, request(b"token=" + TOKEN.encode()))) == "ann"


async def test_a_folder_may_be_open_but_not_all() -> None:
    app = RequireIdentity(teller, AUTHORITY, required=True, open_paths={"/web/", "/"})
    assert subject(await call(app, request(path="/web/style.css"))) is None
    assert subject(await call(app, request(path="/"))) is None
    assert (await call(app, request(path="/website")))[0]["status"] == 401


async def test_lifespan_passes() -> None:
    app = RequireIdentity(teller, AUTHORITY, required=True)
    assert subject(await call(app, {"type": "lifespan"})) is None


async def test_refusal_over_http() -> None:
    start, body = await call(RequireIdentity(teller, AUTHORITY, required=True), request())
    headers = dict(start["headers"])
    assert start["status"] == 401
    assert headers[b"www-authenticate"] == b"Bearer"
    assert headers[b"content-type"] == b"application/json"
    assert "needed" in json.loads(body["body"])["detail"]


async def test_the_words_of_a_refusal_are_chosen_by_path() -> None:
    app = RequireIdentity(teller, AUTHORITY, required=True, describe=lambda path, error: {path: str(error)})
    _, body = await call(app, request(path="/r/v1/models", root_path="/r"))
    assert "is needed" in json.loads(body["body"])["/v1/models"]


async def test_refusal_of_a_websocket_without_the_extension() -> None:
    app = RequireIdentity(teller, AUTHORITY, required=True)
    sent = await call(app, request(type="websocket"))
    assert sent == [{"type": "websocket.close", "code": 1008}]


class BrokenStore:
    async def find(self, key_hash: bytes) -> Identity | None:
        raise Unavailable("the key store does not answer")


async def test_store_that_cannot_answer_is_not_a_wrong_credential() -> None:
    app = RequireIdentity(teller, Authority(b"s" * 32, key_stores=[BrokenStore()]), required=False)
    start, _ = await call(app, request(b"api_key=" + KEY.encode()))
    assert start["status"] == 503
    assert b"www-authenticate" not in dict(start["headers"])


async def answer(scope: Scope, receive: Receive, send: Send) -> None:
    """Echo what is left of the query, over both protocols."""
    query = scope["query_string"]
    if scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.accept"})
        await send({"type": "websocket.send", "text": query.decode()})
        await send({"type": "websocket.close", "code": 1000})
        return
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": query})


@pytest.fixture
def address(caplog: pytest.LogCaptureFixture) -> Iterator[str]:
    caplog.set_level(logging.INFO)
    app = CredentialMiddleware(RequireIdentity(answer, AUTHORITY, required=False, open_paths={"/health"}))
    with serving(app, access_log=True) as address:
        yield address


def logged(caplog: pytest.LogCaptureFixture) -> str:
    return "\n".join(f"{record.getMessage()} {record.args} {record.exc_text}" for record in caplog.records)


@pytest.mark.parametrize("secret", [TOKEN, KEY, "wrong-and-secret"])
@pytest.mark.parametrize("name", ["token", "api_key", "sig", "%74oken"])
def test_no_credential_reaches_a_log(address: str, caplog: pytest.LogCaptureFixture, name: str, secret: str) -> None:
    httpx.get(f"http://{address}/health", params=f"a=1&{name}={secret}&b=2", trust_env=False)
    with connect(f"ws://{address}/health?a=1&{name}={secret}&b=2", proxy=None) as socket:
        assert socket.recv() == "a=1&b=2"
    server_lines = [record for record in caplog.records if record.name.startswith("uvicorn")]
    assert sum("/health?a=1&b=2" in record.getMessage() for record in server_lines) == 2
    assert not any(secret in f"{record.getMessage()}{record.args}" for record in server_lines)


def test_real_handshake_is_refused_with_401(address: str, caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(InvalidStatus) as caught, connect(f"ws://{address}/?token=wrong-secret", proxy=None):
        pass
    response = caught.value.response
    assert response.status_code == 401
    assert response.headers["www-authenticate"] == "Bearer"
    assert "detail" in json.loads(response.body)
    assert not any("wrong-secret" in r.getMessage() for r in caplog.records if r.name.startswith("uvicorn"))


def test_real_request_is_refused_with_401(address: str) -> None:
    header = {"Authorization": "Bearer " + base64.b64encode(b"rubbish").decode()}
    response = httpx.get(f"http://{address}/", headers=header, trust_env=False)
    assert response.status_code == 401
    assert response.headers["www-authenticate"] == "Bearer"
    assert response.json()["detail"]


@pytest.mark.anyio
@pytest.mark.parametrize(("sent", "taken"), [(b"Bearer not-needed", False), (b"Bearer not-needed-not", True)])
async def test_a_placeholder_stands_for_no_credential(sent: bytes, taken: bool) -> None:
    scopes: list[Scope] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        scopes.append(scope)

    scope = {"type": "http", "headers": [(b"authorization", sent)], "query_string": b""}
    await call(CredentialMiddleware(app, placeholders=["not-needed"]), scope)
    assert (scopes[0]["state"]["credential"] is not None) is taken
