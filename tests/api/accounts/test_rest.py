from dataclasses import replace

import anyio
import pytest

from app.accounts.accounts import Terms
from app.accounts.session import GRACE_SECONDS
from app.api.accounts.messages import User
from tests.accounts.engine import PASSWORD, Engine
from tests.api.accounts.door import API, LOGIN, door

pytestmark = pytest.mark.anyio

STRANGER = {"username": "eve", "email": "eve@example.org", "password": PASSWORD, "full_name": "Eve"}
OPEN = Terms(registration_open=True, registrations_per_hour=3)
MOMENT = "2027-01-15T08:00:00Z"  # of the clock of the tests


async def test_a_stranger_registers_logs_in_and_is_told_who_it_is():
    async with door(Engine(terms=OPEN)) as opened:
        made = await opened.post(f"{API}/register", STRANGER)
        tokens = await opened.log_in(username="eve")
        me = await opened.send("GET", f"{API}/me", bearer=tokens["access_token"])
    assert made.status_code == 201
    user = made.json()
    assert user.keys() == set(User.model_fields)
    assert {name: user[name] for name in ("username", "email", "full_name")} == {
        name: STRANGER[name] for name in ("username", "email", "full_name")
    }
    assert (user["is_active"], user["is_admin"], user["created_at"], user["last_login"]) == (True, False, MOMENT, None)
    assert me.json() == user | {"last_login": MOMENT}


async def test_registration_is_closed_and_tells_nothing_of_who_is_here():
    async with door() as opened:
        await opened.ann()
        taken = await opened.post(f"{API}/register", STRANGER | {"username": "ann"})
        free = await opened.post(f"{API}/register", STRANGER)
    assert taken.status_code == free.status_code == 403
    assert taken.json() == free.json()


@pytest.mark.parametrize("value", [{"username": "ANN"}, {"email": "Ann@example.org"}])
async def test_what_is_taken_is_refused_without_saying_which(value):
    async with door(Engine(terms=OPEN)) as opened:
        await opened.ann()
        refused = await opened.post(f"{API}/register", STRANGER | value)
    assert refused.status_code == 400
    assert refused.json() == {"detail": "the user name or the email address is already registered"}


async def test_of_two_registrations_of_one_name_at_once_one_is_made():
    statuses = []

    async with door(Engine(terms=OPEN)) as opened:

        async def register(email: str) -> None:
            statuses.append((await opened.post(f"{API}/register", STRANGER | {"email": email})).status_code)

        async with anyio.create_task_group() as group:
            for email in ("one@example.org", "two@example.org"):
                group.start_soon(register, email)
    assert sorted(statuses) == [201, 400]


async def test_registrations_are_bounded():
    async with door(Engine(terms=OPEN)) as opened:
        for _ in range(3):
            await opened.post(f"{API}/register", STRANGER)
        refused = await opened.post(f"{API}/register", STRANGER)
    assert (refused.status_code, refused.headers["retry-after"]) == (429, "3600")


@pytest.mark.parametrize("login", ["ann", "ANN", "ann@example.org"])
async def test_a_login_answers_as_oauth_does(login):
    async with door() as opened:
        await opened.ann()
        reply = await opened.post(f"{API}/login", {"username": login, "password": PASSWORD})
    assert reply.status_code == 200
    assert reply.json().keys() == {"access_token", "refresh_token", "token_type", "expires_in"}
    assert (reply.json()["token_type"], reply.json()["expires_in"]) == ("bearer", 1800)
    assert reply.headers["cache-control"] == "no-store"


async def test_every_wrong_login_has_the_same_answer():
    async with door() as opened:
        disabled = await opened.ann(email="bob@example.org")
        await opened.engine.accounts.set_active(disabled.id, False)
        await opened.ann()
        replies = [
            await opened.post(f"{API}/login", {"username": name, "password": password})
            for name, password in (("ann", "wrong horse"), ("nobody", PASSWORD), ("bob", PASSWORD), ("a\0", "\0"))
        ]
    assert [reply.status_code for reply in replies] == [401] * 4
    assert len({reply.text for reply in replies}) == 1
    assert replies[0].headers["www-authenticate"] == "Bearer"


async def test_guessing_is_slowed_and_the_wait_is_told():
    async with door() as opened:
        await opened.ann()
        for _ in range(5):
            assert (await opened.post(f"{API}/login", LOGIN | {"password": "wrong horse"})).status_code == 401
        refused = await opened.post(f"{API}/login", LOGIN)
        assert (refused.status_code, refused.headers["retry-after"]) == (429, "1")
        assert (await opened.post("/auth/login", {"email": "ann@example.org", "password": PASSWORD})).status_code == 200
        opened.engine.clock.now += 1
        await opened.log_in()


async def test_a_refresh_renews_and_a_second_use_ends_the_session():
    async with door() as opened:
        await opened.ann()
        tokens = await opened.log_in()
        renewed = (await opened.post(f"{API}/refresh", {"refresh_token": tokens["refresh_token"]})).json()
        assert renewed.keys() == tokens.keys()
        assert renewed["refresh_token"] != tokens["refresh_token"]
        assert (await opened.send("GET", f"{API}/me", bearer=renewed["access_token"])).status_code == 200
        opened.engine.clock.now += GRACE_SECONDS + 1
        for token in (tokens["refresh_token"], renewed["refresh_token"]):
            assert (await opened.post(f"{API}/refresh", {"refresh_token": token})).status_code == 401
        assert (await opened.send("GET", f"{API}/me", bearer=renewed["access_token"])).status_code == 401


@pytest.mark.parametrize("prefix", ["/auth", API])
async def test_a_logout_ends_the_tokens_and_is_never_refused(prefix):
    async with door() as opened:
        await opened.ann()
        tokens = await opened.log_in()
        for token in (tokens["refresh_token"], tokens["refresh_token"], "unknown"):
            reply = await opened.post(f"{prefix}/logout", {"refresh_token": token})
            assert (reply.status_code, reply.content) == (204, b"")
        assert (await opened.send("GET", f"{API}/me", bearer=tokens["access_token"])).status_code == 401


async def test_nobody_and_strangers_are_told_apart_from_users():
    async with door() as opened:
        assert (await opened.send("GET", f"{API}/me")).status_code == 401
        assert (await opened.send("GET", f"{API}/me", bearer="wrong")).status_code == 401
        operators = opened.engine.authority.issue("overlay", expires_in=60)
        assert (await opened.send("GET", f"{API}/me", bearer=operators)).status_code == 404


async def test_a_profile_changes_what_is_given():
    async with door() as opened:
        await opened.ann()
        bearer = (await opened.log_in())["access_token"]
        changed = await opened.send("PUT", f"{API}/me", {"full_name": "Ann 安", "email": None}, bearer=bearer)
        assert (changed.status_code, changed.json()["full_name"]) == (200, "Ann 安")
        assert (await opened.send("GET", f"{API}/me", bearer=bearer)).json() == changed.json()
        cleared = await opened.send("PUT", f"{API}/me", {"full_name": ""}, bearer=bearer)
        assert cleared.json() == changed.json() | {"full_name": None}


@pytest.mark.parametrize("change", [{"password": "another horse"}, {"email": "new@example.org"}])
@pytest.mark.parametrize("known", [None, "wrong horse"])
async def test_a_password_or_an_email_changes_for_those_alone_who_know_the_password(change, known):
    async with door() as opened:
        account = await opened.ann()
        bearer = (await opened.log_in())["access_token"]
        refused = await opened.send("PUT", f"{API}/me", change | {"current_password": known}, bearer=bearer)
        assert refused.status_code == 403
        assert "current_password" in refused.json()["detail"]
        assert replace(await opened.engine.accounts.account(account.id), last_login_at=None) == account


async def test_guessing_the_current_password_is_slowed_too():
    async with door() as opened:
        await opened.ann()
        bearer = (await opened.log_in())["access_token"]
        body = {"password": "another horse", "current_password": "wrong horse"}
        statuses = [(await opened.send("PUT", f"{API}/me", body, bearer=bearer)).status_code for _ in range(6)]
    assert statuses == [403] * 5 + [429]


async def test_a_new_password_leaves_this_session_and_ends_others():
    async with door() as opened:
        await opened.ann()
        mine, other = await opened.log_in(), await opened.log_in()
        opened.engine.clock.now += 1
        body = {"password": "another horse", "current_password": PASSWORD}
        assert (await opened.send("PUT", f"{API}/me", body, bearer=mine["access_token"])).status_code == 200
        statuses = [
            (await opened.send("GET", f"{API}/me", bearer=tokens["access_token"])).status_code
            for tokens in (mine, other)
        ]
        assert statuses == [200, 401]
        await opened.log_in(password="another horse")


async def test_an_email_of_somebody_else_is_not_had():
    async with door() as opened:
        await opened.ann(email="bob@example.org")
        await opened.ann()
        bearer = (await opened.log_in())["access_token"]
        body = {"email": "BOB@example.org", "current_password": PASSWORD}
        assert (await opened.send("PUT", f"{API}/me", body, bearer=bearer)).status_code == 400


@pytest.mark.parametrize(
    ("path", "body", "told"),
    [
        ("/auth/login", {"email": "secret value"}, "password"),
        ("/auth/login", {"email": "ann", "password": {"x": "secret value"}}, "password"),
        ("/auth/refresh", {"token": "secret value"}, "refresh_token"),
        (f"{API}/login", ["secret value"], "body"),
        (f"{API}/register", STRANGER | {"password": ["secret value"]}, "password"),
    ],
)
async def test_a_body_of_the_wrong_form_is_explained_without_its_values(path, body, told):
    async with door(Engine(terms=OPEN)) as opened:
        refused = await opened.post(path, body)
    assert refused.status_code == 422
    assert told in {part for one in refused.json()["detail"] for part in one["loc"]}
    assert {key for one in refused.json()["detail"] for key in one} == {"loc", "msg", "type"}
    assert "secret value" not in refused.text


@pytest.mark.parametrize("value", [{"password": "short"}, {"username": "a b"}, {"email": "x"}, {"full_name": "a\nb"}])
async def test_a_value_that_breaks_a_rule_is_explained(value):
    async with door(Engine(terms=OPEN)) as opened:
        refused = await opened.post(f"{API}/register", STRANGER | value)
    assert refused.status_code == 422
    assert isinstance(refused.json()["detail"], str)


@pytest.mark.parametrize(
    ("content", "status"),
    [(b"{", 422), (b"", 422), (b'{"email": "\\ud800", "password": "\\ud800"}', 401), (b"\xff", 400)],
)
async def test_what_is_no_json_or_no_text_is_refused(content, status):
    async with door() as opened:
        headers = {"Content-Type": "application/json"}
        reply = await opened.http.post("/auth/login", content=content, headers=headers)
    assert reply.status_code == status
    assert "detail" in reply.json()


@pytest.mark.parametrize(("proxies", "status"), [((), 429), (("127.0.0.1",), 401)])
async def test_behind_a_proxy_addresses_are_those_that_it_tells(proxies, status):
    async with door(forwarded_allow_ips=proxies) as opened:
        for number in range(6):
            headers = {"X-Forwarded-For": f"192.0.2.{number}"}
            body = {"username": "ann", "password": "wrong horse"}
            reply = await opened.http.post(f"{API}/login", json=body, headers=headers)
    assert reply.status_code == status


async def test_a_store_that_does_not_answer_is_said():
    async with door() as opened:
        await opened.ann()
        opened.engine.store.is_out = True
        for path in (f"{API}/login", "/auth/login"):
            reply = await opened.post(path, LOGIN | {"email": "ann"})
            assert reply.status_code == 503
            assert "detail" in reply.json()
